//! When the workers of a closed pool leave, and what a join waits for.
//!
//! A job may be *lazy*: nobody can tell whether its caller will ever queue more. The
//! iterator may be on another thread, which is slow, or be forgotten. Values move
//! silently, so neither the thread that made it nor the one that asked it last tells who
//! will ask it next, if anybody will. To wait for such a caller may be to wait for ever, to
//! refuse to wait may be wrong, and to end its job would break the promise that what was
//! accepted finishes. So a join waits for what was queued of a lazy job, and not for its
//! caller:
//!
//! - A closed pool *rests* when nothing is left of any job but lazy ones of which every
//!   item that was queued is settled.
//! - While somebody joins, the workers of a pool that rests leave. The moment at which it
//!   rests and none of them is left is a *departure*, which is what every join that has
//!   begun by then has waited for.
//! - A lazy caller that comes later finds its job as it was. What it queues has workers
//!   started anew, which stay until the pool is at its end, or the next join.
//!
//! A caller that does come while the workers leave may have to wait for others to start:
//! that is all it costs to be slow.

use super::jobs::Job;
use super::{Mode, Scheduler, Verdict};

impl Job {
    /// Whether there is nothing to do, and nobody knows whether there ever will be.
    fn rests(&self) -> bool {
        self.terms.lazy && !self.ended && self.has_nothing_left()
    }
}

impl Scheduler {
    /// Somebody waits for all workers to be gone.
    pub(super) fn join(&mut self) -> Verdict {
        if self.mode != Mode::Closing || self.joining {
            return Verdict::Ignored;
        }
        self.joining = true;
        Verdict::Accepted
    }

    /// How often all that was queued was settled and every worker gone, after somebody had
    /// joined a closed pool. A join has waited long enough when this has changed.
    pub(crate) fn departures(&self) -> u64 {
        self.departures
    }

    /// Whether no worker is needed for what there is.
    pub(super) fn rests(&self) -> bool {
        self.jobs.values().all(Job::rests)
    }

    /// Whether the workers of a closed pool are to leave.
    pub(super) fn may_leave(&self) -> bool {
        self.jobs.is_empty() || (self.joining && self.rests())
    }

    /// Notes that they are gone.
    pub(super) fn depart(&mut self) {
        if self.joining && self.slots.all_vacant() && self.rests() {
            self.departures += 1;
            self.joining = false;
        }
    }
}
