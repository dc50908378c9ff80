//! The deadlines of workers, items and jobs.
//!
//! An item's time starts when the worker begins it, and the scheduler gets no event of that:
//! an event for each item would cost more than most items. So a worker that has a chunk with
//! a time limit is *watched*: the scheduler keeps a moment that is never later than the
//! deadline of the item that the worker runs. At that moment the engine checks the worker's
//! progress and tells when the present item began
//! ([`Event::ProgressChecked`](super::Event::ProgressChecked)). That moves the watch on, or
//! shows that the item is overdue. So there is one check in the time of a limit, however many
//! items are done meanwhile.
//!
//! The watch covers all chunks of the worker, which may have finished the first and run the
//! next before the engine reads that. It is the least of
//!
//! ```text
//!   of each chunk with a limit       since + limit, where since is
//!     sent, and not checked since      when it was sent
//!     checked, an item is begun        when that began
//!     checked, not begun               the time of the check
//!   of a worker that begins nothing  the moment at which it is given up
//! ```
//!
//! A check may show that the item is overdue, or that the worker has begun nothing for so
//! long that it must be stopped. Then the worker is *accused*: it may finish or begin the item
//! at the same moment, and the answer to `Fence` tells which was first.

use std::collections::btree_map::Entry;
use std::time::Duration;

use super::returns::{Accusation, Asked};
use super::{Command, ItemFailure, KillReason, Life, Scheduler, Verdict};
use crate::ids::{Moment, Slot, Worker};

impl Scheduler {
    /// When [`Scheduler::expire`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        let timer = self.timers.first().map(|&(moment, _)| moment);
        self.slots.next_deadline().into_iter().chain(timer).chain(self.exhaustion.until()).min()
    }

    /// The slots whose deadline has passed. The engine checks the progress of those that are
    /// watched.
    pub(crate) fn overdue(&self, now: Moment) -> Vec<Slot> {
        self.slots.overdue(now)
    }

    /// Whether the progress of this worker is to be checked.
    pub(crate) fn is_watched(&self, slot: Slot) -> bool {
        self.slots.is_watched(slot)
    }

    /// Neither this program nor its workers ran for this long before `now`, as in a frozen
    /// container. The time limits of workers and items do not count that time; the deadline of
    /// a job, which is a caller's and by the clock, does.
    pub(crate) fn postpone(&mut self, by: Duration, now: Moment) {
        self.slots.postpone(by, now);
    }

    /// Acts on every deadline that has passed, except those of watched workers: an unchecked
    /// worker may run an item that has just begun.
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

    /// The engine has checked the progress of a watched worker.
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
        let front = self.slots.front(worker).expect("a watched worker has a chunk");
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

    /// Stops the worker from beginning anything after its present or next item.
    pub(super) fn accuse(&mut self, worker: Worker, why: Accusation) {
        let assignment = self.slots.front(worker).expect("an accused worker has a chunk");
        let (job, item) = (assignment.job, assignment.items.start);
        self.slots.set_due(worker.slot, None);
        // A worker whose recall is unanswered is watched again when it answers.
        if let Entry::Vacant(unasked) = self.recalls.entry(worker) {
            unasked.insert(Asked::Fenced { why, job, item });
            self.commands.push_back(Command::Fence { worker, job, item });
        }
    }

    /// The worker runs an overdue item and begins no other. The item fails, and those behind it
    /// go to other workers.
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
