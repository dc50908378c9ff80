//! Tasks that many of the cases use.

use std::path::Path;

use pool_runtime::pool_task;
pub(crate) use pool_tests::tasks::{forever, nap, own_pid, square};
use pool_tests::{runs, wait};

/// An odd number is a panic.
#[pool_task]
pub(crate) fn even_only(n: u64) -> u64 {
    assert!(n.is_multiple_of(2), "{n} is odd");
    n
}

#[pool_task]
pub(crate) fn exit_with(code: i32) {
    std::process::exit(code)
}

/// Notes that an item has begun, and ends when the file is there.
#[pool_task]
pub(crate) fn note_and_wait(dir: &Path, item: u64, file: &str) -> u64 {
    runs::note(dir, item);
    wait::until("the file", || Path::new(file).exists());
    item
}
