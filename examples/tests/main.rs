//! Runs every example as a program and checks all that it prints.

mod checksums;
mod doubler;
mod fragile;
mod memory;
mod program;
mod tree;
mod word_count;
