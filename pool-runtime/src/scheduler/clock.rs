//! What time brings: deadlines of workers, of items and of jobs.
//!
//! An item's clock starts when it begins in the worker, which the scheduler is not
//! told: news of each item would cost more than most items. So a worker that has a
//! chunk with a time limit is *watched*: a moment is kept that is never later than the
//! deadline of the item that it is at. When that moment comes, somebody looks, and
//! tells when the present item began ([`Event::ProgressChecked`](super::Event::ProgressChecked)), which
//! moves the watch on or shows that the item is overdue. So there is one look in the
//! time of a limit, however many items are done in it.
//!
//! The watch is over all chunks of the worker: it may have finished the first and be at
//! the next, and nobody has heard of it. It is the least of
//!
//! ```text
//!   of each chunk with a limit       since + limit, where since is
//!     sent, and not looked at since    when it was sent
//!     looked, an item of it is begun   when that began
//!     looked, not begun                the time of the look
//!   of one that begins nothing       the moment at which it is given up
//! ```
//!
//! A look may show that the item is overdue, or that the worker has begun nothing for so
//! long that it must have been stopped. Then it is *accused*: it may finish or begin the
//! item in the same moment, and the answer to `Fence` tells which was first.

use std::collections::btree_map::Entry;
use std::time::Duration;

use super::returns::{Accusation, Asked};
use super::{Command, ItemFailure, KillReason, Life, Scheduler, Verdict};
use crate::ids::{Moment, Slot, Worker};

impl Scheduler {
    /// When [`Scheduler::expire`] will have something to do.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        let timer = self.timers.first().map(|&(moment, _)| moment);
        self.slots.next_deadline().into_iter().chain(timer).chain(self.exhaustion.until()).min()
    }

    /// The slots whose deadline has come. Those that are watched are to be looked at.
    pub(crate) fn overdue(&self, now: Moment) -> Vec<Slot> {
        self.slots.overdue(now)
    }

    /// Whether a look at this worker is wanted.
    pub(crate) fn is_watched(&self, slot: Slot) -> bool {
        self.slots.is_watched(slot)
    }

    /// Neither this program nor its workers have run for so long before `now`, as in a
    /// container that was frozen: what a worker may take is counted without that time. What
    /// a caller has asked for by the clock, the deadline of a job, stays.
    pub(crate) fn postpone(&mut self, by: Duration, now: Moment) {
        self.slots.postpone(by, now);
    }

    /// Acts on every deadline that has come, but for those of the watched: who was not
    /// looked at may be at an item that has just begun.
    pub(crate) fn expire(&mut self, now: Moment) {
        while let Some(worker) = self.slots.expired(now) {
            let slot = worker.slot;
            let why = match self.slots.life(slot) {
                Life::Starting { .. } => KillReason::StartTimeout,
                Life::Stopping { .. } => KillReason::StopGrace,
                &Life::Dying { why, .. } => why,
                Life::Leaving { .. } => {
                    self.end_worker(worker, KillReason::ItemTimeout, now);
                    continue;
                }
                other => unreachable!("{other:?} has no deadline"),
            };
            self.commands.push_back(Command::Kill { worker, why });
            let fruitless = match self.slots.life(slot) {
                &Life::Dying { fruitless, .. } => fruitless,
                _ => why == KillReason::StartTimeout,
            };
            self.slots.set(slot, Life::Dying { why, fruitless, kill_at: None });
        }
        while let Some(&(moment, job)) = self.timers.first()
            && moment <= now
        {
            self.wake_job(job, now);
        }
        self.exhaustion.wake(now);
        self.decide(|| now);
    }

    /// Somebody has looked at a watched worker.
    pub(super) fn check_progress(
        &mut self,
        worker: Worker,
        began: Option<Moment>,
        now: Moment,
    ) -> Verdict {
        let slot = worker.slot;
        if self.slots.current(slot) != worker || !self.slots.is_watched(slot) {
            return Verdict::Ignored;
        }
        self.slots.see(slot, began, now);
        let front = self.slots.front(worker).expect("who is watched has a chunk");
        let overdue = front.timeout.map(|limit| front.since.saturating_add(limit));
        let is_overdue = began.is_some() && overdue.is_some_and(|overdue| overdue <= now);
        let is_given_up = self.slots.gives_up_at(slot).is_some_and(|moment| moment <= now);
        if is_overdue {
            self.accuse(worker, Accusation::Overdue);
        } else if is_given_up {
            self.accuse(worker, Accusation::Unresponsive);
        } else {
            self.slots.watch(slot);
        }
        Verdict::Accepted
    }

    /// The worker is to begin nothing after the item that it is at, or is before.
    pub(super) fn accuse(&mut self, worker: Worker, why: Accusation) {
        let assignment = self.slots.front(worker).expect("who is accused has a chunk");
        let (job, item) = (assignment.job, assignment.items.start);
        self.slots.set_due(worker.slot, None);
        // Who is asked already for what it has not begun is watched again at its answer.
        if let Entry::Vacant(unasked) = self.recalls.entry(worker) {
            unasked.insert(Asked::Fenced { why, job, item });
            self.commands.push_back(Command::Fence { worker, job, item });
        }
    }

    /// The worker is at an overdue item, and will begin no other: the item fails, and
    /// what is behind it goes elsewhere.
    pub(super) fn time_out(&mut self, worker: Worker, now: Moment) {
        let mut assignments = self.end_worker(worker, KillReason::ItemTimeout, now);
        let mut assignment = assignments.pop_front().expect("it is at an item");
        let (job, item) = (assignment.job, assignment.items.start);
        self.commands.push_back(Command::FailItem {
            worker,
            job,
            item,
            why: ItemFailure::TimedOut,
        });
        self.hold_item(job, item);
        assignment.items.start += 1;
        self.put_back(assignment);
        assert!(assignments.is_empty(), "all but the first were recalled");
    }
}
