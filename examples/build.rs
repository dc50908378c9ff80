//! Compiles the C function of the example `fragile`.

fn main() {
    println!("cargo::rerun-if-changed=fragile.c");
    let compiled = cc::Build::new().file("fragile.c").try_compile("fragile");
    if let Err(error) = compiled {
        panic!(
            "the example `fragile` needs a C compiler, such as gcc or clang (on Debian and Ubuntu: \
             apt-get install gcc libc6-dev): {error}"
        );
    }
}
