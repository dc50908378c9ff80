//! Tasks, and nothing else.

use pool_runtime::{Error, Pool, pool_task};

/// The number with its sign changed.
#[pool_task]
pub fn negate(n: i64) -> i64 {
    -n
}

/// The pid of the process that runs it, and the path of its program.
#[pool_task]
pub fn whereabouts() -> (u32, String) {
    let program = std::env::current_exe().unwrap();
    (std::process::id(), program.display().to_string())
}

/// What only this library names, so that whoever calls it need not.
#[pool_task]
fn hidden(text: &str) -> String {
    text.chars().rev().collect()
}

/// Sends `hidden` to a pool by its own means.
pub fn reverse(pool: &Pool, text: &str) -> Result<String, Error> {
    pool.apply(hidden, text)
}
