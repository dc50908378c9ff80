//! Loads the library while it runs, and calls it: with the worker program that is given, or none.

use std::ffi::{CString, c_char, c_int, c_void};

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

type Sum = unsafe extern "C" fn(*const c_char, i64) -> i64;

fn main() {
    println!("main");
    let mut arguments = std::env::args().skip(1).map(|argument| CString::new(argument).unwrap());
    let library = arguments.next().expect("the path of the library");
    let program = arguments.next();
    // SAFETY: C strings; the library runs no code of its own but this project's hook. The
    // function has this type.
    let sum = unsafe {
        let library = dlopen(library.as_ptr(), 2);
        assert!(!library.is_null(), "it cannot be loaded");
        let sum = dlsym(library, c"host_sum_of_squares".as_ptr());
        assert!(!sum.is_null(), "it has no such function");
        let sum: Sum = std::mem::transmute(sum);
        sum(program.as_ref().map_or(std::ptr::null(), |path| path.as_ptr()), 4)
    };
    println!("{sum}");
}
