//! What a pool sets on its workers: limits, and where and how they run.

#![allow(unsafe_code)]

mod core_dumps;
mod memory;
mod messages;
mod placement;
mod sigterm;
mod victims;

use pool_runtime::{Pool, PoolBuilder};

/// Builders whose workers are forked, and executed.
fn both_ways(workers: usize) -> [PoolBuilder; 2] {
    let executed = Pool::builder().worker_program(std::env::current_exe().unwrap());
    [Pool::builder(), executed].map(|builder| builder.workers(workers))
}
