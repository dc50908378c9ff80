//! A task that its users reach only through another library.

use pool_runtime::pool_task;

/// Three times the number.
#[pool_task]
pub fn tripler(n: u64) -> u64 {
    n * 3
}
