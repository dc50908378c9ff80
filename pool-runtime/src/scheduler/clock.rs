//! What time brings: deadlines of workers, of items and of jobs.
//!
//! An item's clock starts when it begins in the worker, which the scheduler is not
//! told: news of each item would cost more than most items. So a worker whose first
//! chunk has a time limit is *watched*: a moment is kept that is never later than the
//! deadline of the item that it is at. When that moment comes, somebody looks, and
//! tells when the present item began ([`Event::Looked`](super::Event::Looked)), which
//! moves the watch on or shows that the item is overdue. So there is one look in the
//! time of a limit, however many items are done in it.
//!
//! ```text
//!   chunk sent, or come to the head      watch := sent + limit
//!   looked, the item began at b          watch := b + limit
//!   looked, none has begun               watch := now + limit, but not for ever:
//!                                        whoever begins nothing is recalled and killed
//!   watch has come, after a look         Condemn: the worker may finish the item in the
//!                                        same moment, and the answer tells which was first
//! ```

use std::time::Duration;

use super::{Command, ItemFailure, KillReason, Life, Scheduler, Verdict};
use crate::ids::{Moment, Slot, Worker};
use crate::limits::UNRESPONSIVE;

impl Scheduler {
    /// When [`Scheduler::expire`] will have something to do.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        let timer = self.timers.first().map(|&(moment, _)| moment);
        self.slots.next_deadline().into_iter().chain(timer).min()
    }

    /// The slots whose deadline has come. Of those that are at items with a time limit
    /// [`Event::Looked`](super::Event::Looked) must be told before [`Scheduler::expire`].
    pub(crate) fn overdue(&self, now: Moment) -> Vec<Slot> {
        self.slots.overdue(now)
    }

    /// Whether a look at this worker is wanted.
    pub(crate) fn is_watched(&self, slot: Slot) -> bool {
        self.slots.is_watched(slot)
    }

    /// Acts on every deadline that has come.
    pub(crate) fn expire(&mut self, now: Moment) {
        let late = Duration::from_nanos(planted!(self, DeadlineActedOnLate).into());
        while let Some(worker) = self.slots.expired(now.saturating_sub(late)) {
            let slot = worker.slot;
            let why = match self.slots.life(slot) {
                Life::Starting { .. } => KillReason::StartTimeout,
                Life::Stopping { .. } => KillReason::StopGrace,
                &Life::Dying { why, .. } => why,
                Life::Serving => {
                    self.condemn(worker);
                    continue;
                }
                other => unreachable!("{other:?} has no deadline"),
            };
            self.commands.push_back(Command::Kill { worker, why });
            if planted!(self, DeadlineStays) {
                break;
            }
            let fruitless = match self.slots.life(slot) {
                &Life::Dying { fruitless, .. } => fruitless,
                _ => why == KillReason::StartTimeout && !planted!(self, TimeoutsAreForgiven),
            };
            self.slots.set(slot, Life::Dying { why, fruitless, kill_at: None });
        }
        while let Some(&(moment, job)) = self.timers.first()
            && moment <= now
        {
            self.wake_job(job, now);
        }
        self.decide(|| now);
    }

    /// The item that a watched worker is at is overdue, as far as anybody has looked.
    pub(super) fn condemn(&mut self, worker: Worker) {
        let load = self.slots.front(worker).expect("who is watched has a chunk");
        let (job, item) = (load.job, load.items.start);
        self.slots.unwatch(worker.slot);
        // Who is asked already for what it has not begun is watched again at its answer.
        if self.recalls.insert(worker) {
            self.commands.push_back(Command::Condemn { worker, job, item });
        }
    }

    /// Somebody has looked at a watched worker.
    pub(super) fn look(&mut self, worker: Worker, began: Option<Moment>, now: Moment) -> Verdict {
        if self.slots.current(worker.slot) != worker || !self.slots.is_watched(worker.slot) {
            return Verdict::Ignored;
        }
        let limit = self.slots.front(worker).and_then(|load| load.timeout);
        let limit = limit.expect("who is watched has a limit");
        match began {
            Some(began) => self.slots.watch(worker.slot, began.saturating_add(limit), None),
            None => {
                let since = self.slots.unbegun_since(worker.slot).unwrap_or(now);
                let give_up = since.saturating_add(limit.max(UNRESPONSIVE));
                if give_up <= now && !planted!(self, UnresponsiveIsKept) {
                    self.slots.suspect(worker.slot);
                    self.recall(worker);
                } else {
                    let next = now.saturating_add(limit).min(give_up);
                    self.slots.watch(worker.slot, next, Some(since));
                }
            }
        }
        Verdict::Accepted
    }

    /// The worker is at an overdue item, and will begin no other: the item fails, and
    /// what is behind it goes elsewhere.
    pub(super) fn time_out(&mut self, worker: Worker, now: Moment) {
        let mut loads = self.end_worker(worker, KillReason::ItemTimeout, now);
        let mut load = loads.pop_front().expect("it is at an item");
        let (job, item) = (load.job, load.items.start);
        self.commands.push_back(Command::FailItem {
            worker,
            job,
            item,
            why: ItemFailure::TimedOut,
        });
        self.hold_item(job);
        load.items.start += 1;
        if planted!(self, NeighboursAreLost) {
            load.items.start = load.items.end;
        }
        self.put_back(load);
        assert!(loads.is_empty(), "all but the first were recalled");
    }
}
