//! What tests ask of a pool again and again.

use std::collections::BTreeSet;

use pool_runtime::{Pool, PoolBuilder, WorkerState};

use crate::wait;

/// The pids of the workers at this moment.
#[must_use]
pub fn pids(pool: &Pool) -> BTreeSet<u32> {
    pool.workers().iter().map(|worker| worker.pid).collect()
}

/// Builds the pool so that long items, too, are sent: they are where it watches its workers'
/// size, here for one that none reaches.
///
/// # Panics
///
/// When it cannot be built.
#[must_use]
pub fn that_sends(builder: PoolBuilder) -> Pool {
    builder.max_rss(1 << 40).build().unwrap()
}

/// Waits until this many workers are there and all idle; gives their pids.
///
/// # Panics
///
/// When that does not come to be.
pub fn idle(pool: &Pool, count: usize) -> BTreeSet<u32> {
    wait::until("all workers to be idle", || {
        let workers = pool.workers();
        workers.len() == count && workers.iter().all(|w| w.state == WorkerState::Idle)
    });
    pids(pool)
}
