//! Programs that have parts in C++.

#![allow(unsafe_code)]

mod constructors;
mod exceptions;
#[path = "../boot/programs.rs"]
mod programs;
#[path = "../boot/run.rs"]
#[expect(dead_code, reason = "the tests in `boot` use the rest")]
mod run;

use programs::Built;

/// What is built in each way, as arguments of cargo.
fn packages(_: Built) -> &'static [&'static str] {
    &["-p", "constructors"]
}
