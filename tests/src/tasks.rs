//! Tasks that many tests use.

use std::time::Duration;

use pool_runtime::pool_task;

/// The square of a number.
#[pool_task]
pub fn square(n: u64) -> u64 {
    n * n
}

/// Twice a number.
#[pool_task]
pub fn double(n: u64) -> u64 {
    n * 2
}

/// The process id of the worker.
#[pool_task]
pub fn own_pid() -> u32 {
    std::process::id()
}

/// Runs until its worker is killed.
#[pool_task]
pub fn forever() {
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Takes this many milliseconds, and gives them back.
#[pool_task]
pub fn nap(milliseconds: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(milliseconds));
    milliseconds
}
