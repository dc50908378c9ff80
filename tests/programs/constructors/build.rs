//! Compiles the C and C++ and puts them at the end of the linker's command line,
//! where they are initialised last: after the hook of the runtime.

fn main() {
    let cpp = cc::Build::new().cpp(true).file("native/statics.cpp").compile_intermediates();
    let c = cc::Build::new().file("native/constructors.c").compile_intermediates();
    for object in cpp.iter().chain(&c) {
        println!("cargo::rustc-link-arg-bins={}", object.display());
    }
    // Named as a file, where the program must not need a shared library.
    let features = std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let is_static = features.split(',').any(|feature| feature == "crt-static");
    let library = if is_static { "-l:libstdc++.a" } else { "-lstdc++" };
    println!("cargo::rustc-link-arg-bins={library}");
    println!("cargo::rerun-if-changed=native");
}
