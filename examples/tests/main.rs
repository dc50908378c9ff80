//! Runs every example as a program and checks all that it prints.

mod checksums;
mod doubler;
mod fragile;
mod memory;
#[expect(dead_code, reason = "the tests beside other programs use the rest")]
mod program;
mod tree;
mod word_count;
