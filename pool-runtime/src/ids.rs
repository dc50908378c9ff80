//! The names of things: slots, workers, jobs, items, moments.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::time::Duration;

/// A place in the pool for one worker, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) usize);

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life in a slot. Whatever arrives names the incarnation it is from, so
/// that news of a dead worker never counts for the one that took its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Worker {
    pub(crate) slot: Slot,
    pub(crate) incarnation: u64,
}

/// One call on a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobId(pub(crate) u64);

/// What is known of jobs.
pub(crate) type JobMap<V> = HashMap<JobId, V, BuildHasherDefault<Spread>>;

/// Spreads numbers that are counted up, by Knuth's multiplicative hashing: nobody
/// chooses a job's number, so nobody can make them collide. The standard library's
/// hash took a fifth of a call's time.
#[derive(Debug, Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a job's number is one u64");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The index of an item in its job.
pub(crate) type Item = u64;

/// The index as callers know it. Items are counted in `u64`, so that an endless
/// iterator never wraps; callers index their own data, which is in memory.
pub(crate) fn index(item: Item) -> usize {
    usize::try_from(item).unwrap_or(usize::MAX)
}

/// Consecutive items of one job.
pub(crate) type Items = Range<Item>;

/// A moment, as the time since the pool was built. The scheduler is told what
/// time it is and never asks.
pub(crate) type Moment = Duration;
