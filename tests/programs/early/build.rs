//! Compiles two static constructors: one that the linker is given last, which is run after
//! the hook of the runtime, and one in a section that is sorted before.

fn main() {
    let objects = cc::Build::new().file("native/early.c").compile_intermediates();
    for object in objects {
        println!("cargo::rustc-link-arg-bins={}", object.display());
    }
    println!("cargo::rerun-if-changed=native");
}
