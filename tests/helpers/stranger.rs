//! A program that is built with the library and knows none of the tests' tasks.

fn main() {
    // The library is named, so that it is linked.
    let _ = pool_runtime::Pool::builder;
}
