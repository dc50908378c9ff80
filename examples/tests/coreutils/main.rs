//! Examples beside the usual programs that do the same.

mod checksums;
#[path = "../program.rs"]
#[expect(dead_code, reason = "the tests without other programs use the rest")]
mod program;
mod tree;
