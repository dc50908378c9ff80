//! What C++ throws.

use std::process::Command;

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::temp::TempDir;

#[pool_task]
fn throw_bad_alloc(library: &str) -> bool {
    let library = std::ffi::CString::new(library).unwrap();
    // SAFETY: the library is the test's own, and has this function.
    unsafe {
        let library = libc::dlopen(library.as_ptr(), libc::RTLD_NOW);
        assert!(!library.is_null());
        let eat = libc::dlsym(library, c"eat".as_ptr());
        assert!(!eat.is_null());
        std::mem::transmute::<*mut libc::c_void, extern "C" fn() -> bool>(eat)()
    }
}

#[test]
fn an_exception_of_cpp_that_nobody_catches_is_told_from_other_aborts() {
    let _clean = clean();
    let temp = TempDir::new();
    let (source, library) = (temp.file("eat.cpp"), temp.file("libeat.so"));
    // Without `noexcept` it would pass through a frame of Rust's, which may not be.
    let lines = "#include <vector>\nextern \"C\" bool eat() noexcept {\n  std::vector<long> eaten;\n  \
                 while (true) eaten.push_back(1);\n}\n";
    std::fs::write(&source, lines).unwrap();
    let compiled = Command::new("c++").args(["-shared", "-fPIC", "-o", &library, &source]).status();
    assert!(compiled.unwrap().success());
    let pool = Pool::builder().workers(1).memory_limit(64 << 20).build().unwrap();
    let error = pool.apply(throw_bad_alloc, &library).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MemoryLimit, "{error}");
    assert_eq!(error.signal(), Some(libc::SIGABRT));
}
