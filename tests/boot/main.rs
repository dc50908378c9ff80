//! How a program's workers come to be: before `main`, in every kind of program,
//! however it was built and started.
//!
//! The programs are in `tests/programs`, a workspace of its own, as they would
//! be at a user's. They are built once, by cargo, and print what the tests here
//! read.

mod early;
mod files;
mod hook;
mod hosts;
mod libraries;
mod nested;
mod newcomer;
mod profiles;
mod programs;
mod run;
mod stray;
mod surroundings;

use programs::Built;

/// What is built in each way, as arguments of cargo.
fn packages(built: Built) -> &'static [&'static str] {
    match built {
        // The rest is the target `cpp`.
        Built::Debug => &["--workspace", "--exclude", "constructors", "--all-targets"],
        Built::Abort => &["-p", "doubler", "-p", "libraries", "-p", "panics"],
        // The bench is what `cargo bench` runs.
        _ => &["-p", "doubler", "-p", "libraries"],
    }
}
