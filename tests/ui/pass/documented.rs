//! The docs of a task are those of the function.

#![deny(missing_docs)]

use pool_runtime::pool_task;

/// Docs of its own.
#[pool_task]
pub fn documented(n: u64) -> u64 {
    n
}

/// Documented.
pub mod inner {
    #[doc = concat!("Docs ", "made up")]
    #[pool_runtime::pool_task(name = "inner")]
    pub fn documented() {}
}

fn main() {
    assert_eq!(documented(1), 1);
    let () = inner::documented();
}
