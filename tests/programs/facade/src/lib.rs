//! Its users have never heard of the runtime: it goes by another name here.

pub use pool_runtime as processes;

use processes::pool_task;

/// Half the number.
#[pool_task(crate = crate::processes)]
pub fn halve(n: u64) -> u64 {
    n / 2
}
