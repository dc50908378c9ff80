//! When the workers of a closed pool leave, and what a join waits for.
//!
//! A job may be *lazy*: its iterator queues items as results are taken, and nothing tells
//! whether that will happen again. The iterator may be on another thread, which is slow, or be
//! forgotten; values move silently, so neither the thread that made it nor the last one that
//! used it is the next one. Waiting for such a caller may be waiting for ever, refusing to wait
//! may be wrong, and ending its job would break the promise that accepted items finish. So a
//! join waits for the queued items of a lazy job, and not for its caller:
//!
//! - A closed pool *rests* if its only jobs are lazy ones whose queued items are settled.
//! - While a caller joins, the workers of a pool that rests leave. The moment at which it rests
//!   and has no worker left is a *departure*, for which every join that has begun by then
//!   waits.
//! - A lazy caller that comes later finds its job as it was. Its items make workers start again,
//!   which stay until the pool ends or until the next join.
//!
//! A caller that comes while the workers leave may have to wait for others to start, which is
//! all that being late costs.

use super::jobs::Job;
use super::{Mode, Scheduler, Verdict};

impl Job {
    /// Whether it has nothing to do and may never have.
    fn rests(&self) -> bool {
        self.terms.lazy && !self.ended && self.has_nothing_left()
    }
}

impl Scheduler {
    /// A caller waits until all workers have left.
    pub(super) fn join(&mut self) -> Verdict {
        if self.mode != Mode::Closing || self.joining {
            return Verdict::Ignored;
        }
        self.joining = true;
        Verdict::Accepted
    }

    /// How often a joined pool has had no queued items and no workers left. A join has waited
    /// long enough when this changes.
    pub(crate) fn departures(&self) -> u64 {
        self.departures
    }

    /// Whether no job needs a worker now.
    pub(super) fn rests(&self) -> bool {
        self.jobs.values().all(Job::rests)
    }

    /// Whether the workers of a closed pool leave now.
    pub(super) fn may_leave(&self) -> bool {
        self.jobs.is_empty() || (self.joining && self.rests())
    }

    /// Notes a departure, if all workers have left.
    pub(super) fn depart(&mut self) {
        if self.joining && self.slots.all_vacant() && self.rests() {
            self.departures += 1;
            self.joining = false;
        }
    }
}
