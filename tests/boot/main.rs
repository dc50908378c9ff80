//! How a program's workers come to be: before `main`, in every kind of program,
//! however it was built and started.
//!
//! The programs are in `tests/programs`, a workspace of its own, as they would
//! be at a user's. They are built once, by cargo, and print what the tests here
//! read.

mod constructors;
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
