//! Chunks that come back from workers: recalled ones, and those of workers that retire, are
//! killed or have died.

use std::collections::VecDeque;
use std::collections::btree_map::Entry;

use super::slots::Assignment;
use super::{Chunk, Command, ItemFailure, Kept, KillReason, Life, Scheduler, Verdict};
use crate::ids::{Item, JobId, Moment, Worker};

/// Why a worker's unbegun chunks were recalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// For other workers, or for a job that is over.
    Plainly,
    /// It must begin nothing after this item.
    Fenced { why: Accusation, job: JobId, item: Item },
}

/// Why a worker must begin nothing after an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accusation {
    /// The item has run for as long as it may.
    Overdue,
    /// It should have begun long ago.
    Unresponsive,
    /// Its job was dropped, and leaves it to finish.
    Spared,
}

impl Scheduler {
    /// Recalls a worker's unbegun chunks, unless a recall is unanswered: the answer is judged by
    /// the state at that time.
    pub(super) fn recall(&mut self, worker: Worker) {
        if let Entry::Vacant(unasked) = self.recalls.entry(worker) {
            unasked.insert(Asked::Plainly);
            self.commands.push_back(Command::Recall { worker });
        }
    }

    /// A worker has answered a recall.
    pub(super) fn take_back(&mut self, worker: Worker, kept: Kept, now: Moment) -> Verdict {
        let Some(asked) = self.recalls.remove(&worker) else {
            return Verdict::Ignored;
        };
        let is_at = |job, item| {
            let front = self.slots.front(worker);
            front.is_some_and(|assignment| (assignment.job, assignment.items.start) == (job, item))
        };
        let accusation = match asked {
            // It has not finished that item since.
            Asked::Fenced { why, job, item } if is_at(job, item) => Some(why),
            _ => None,
        };
        if kept == Kept::Item {
            self.slots.begin(worker.slot);
        }
        // A chunk that had not begun is no reason to kill, as it is back.
        for assignment in self.slots.recall(worker.slot, usize::from(kept != Kept::Nothing)) {
            self.put_back(assignment);
        }
        self.go_on(worker, kept, accusation, now);
        Verdict::Accepted
    }

    /// Decides on a worker that has at most its first chunk left.
    fn go_on(&mut self, worker: Worker, kept: Kept, accusation: Option<Accusation>, now: Moment) {
        let Some(assignment) = self.slots.front(worker) else {
            return self.go_without(worker, accusation, now);
        };
        let is_overdue = kept == Kept::Item && accusation == Some(Accusation::Overdue);
        let (id, spared, left) =
            (assignment.job, assignment.spared, assignment.items.end - assignment.items.start);
        let deadline = assignment.timeout.map(|limit| now.saturating_add(limit));
        match self.jobs.get(&id).map(|job| job.expired) {
            Some(false) if is_overdue => self.time_out(worker, now),
            Some(false) => {
                // It seemed to begin nothing, but has begun this very item.
                if kept == Kept::Item {
                    let behind = self.slots.split(worker.slot);
                    self.requeue(id, behind);
                }
                self.slots.watch(worker.slot);
            }
            Some(true) => {
                for assignment in self.end_worker(worker, KillReason::JobDeadline, now) {
                    self.put_back(assignment);
                }
            }
            None if !spared => {
                self.end_worker(worker, KillReason::JobDropped, now);
            }
            None if is_overdue => {
                self.end_worker(worker, KillReason::ItemTimeout, now);
            }
            None if kept == Kept::Item => {
                self.slots.set(worker.slot, Life::Leaving { deadline });
            }
            None if left > 1 => self.accuse(worker, Accusation::Spared),
            // It finishes its item, which no caller waits for.
            None => self.slots.watch(worker.slot),
        }
    }

    /// The same for a worker that has nothing left. If it was fenced before it began, it begins
    /// nothing more.
    fn go_without(&mut self, worker: Worker, accusation: Option<Accusation>, now: Moment) {
        match accusation {
            Some(Accusation::Unresponsive) => {
                self.end_worker(worker, KillReason::Unresponsive, now);
            }
            Some(Accusation::Spared) => {
                let deadline = now.saturating_add(self.config.stop_grace);
                self.slots.set(worker.slot, Life::Stopping { deadline });
            }
            Some(Accusation::Overdue) | None => {}
        }
    }

    /// Ends a worker whose item is no longer wanted: it is asked to end, and killed if it has not
    /// ended in time. Gives its assignments.
    pub(super) fn end_worker(
        &mut self,
        worker: Worker,
        why: KillReason,
        now: Moment,
    ) -> VecDeque<Assignment> {
        let grace = self.config.kill_grace;
        let kill_at = (!grace.is_zero()).then(|| now.saturating_add(grace));
        self.commands.push_back(match kill_at {
            Some(_) => Command::Ask { worker, why },
            None => Command::Kill { worker, why },
        });
        let fruitless = why == KillReason::Unresponsive && !self.slots.is_fruitful(worker.slot);
        self.slots.set(worker.slot, Life::Dying { why, fruitless, kill_at })
    }

    /// Queues an assignment again, unless its job was dropped.
    pub(super) fn put_back(&mut self, assignment: Assignment) {
        let Assignment { job, items, weight, .. } = assignment;
        if self.jobs.contains_key(&job) {
            self.requeue(job, Chunk { items, weight });
            self.unassign(job);
        }
    }

    /// A worker leaves by itself, with no unfinished item begun.
    pub(super) fn retire(&mut self, worker: Worker, now: Moment) -> Verdict {
        let serves = matches!(self.slots.life(worker.slot), Life::Serving | Life::Leaving { .. });
        if self.slots.current(worker.slot) != worker || !serves {
            return Verdict::Ignored;
        }
        self.recalls.remove(&worker);
        self.slots.begin(worker.slot);
        let deadline = now.saturating_add(self.config.stop_grace);
        for assignment in self.slots.set(worker.slot, Life::Stopping { deadline }) {
            self.put_back(assignment);
        }
        Verdict::Accepted
    }

    /// A worker has exited. The item that it ran fails; its unbegun items go back to the queue,
    /// before those later in the input.
    pub(super) fn worker_exited(&mut self, worker: Worker, begun: bool) -> Verdict {
        if self.slots.current(worker.slot) != worker || self.slots.is_vacant(worker.slot) {
            return Verdict::Ignored;
        }
        // All its chunks are back, so a recall needs no answer.
        self.recalls.remove(&worker);
        let at_work = begun && !self.slots.assignments(worker.slot).is_empty();
        if at_work {
            self.slots.begin(worker.slot);
        }
        let (fruitless, unasked) = match self.slots.life(worker.slot) {
            Life::Vacant => unreachable!("checked above"),
            Life::Starting { .. } => (true, true),
            Life::Serving => (!self.slots.is_fruitful(worker.slot), true),
            Life::Stopping { .. } | Life::Leaving { .. } => (false, false),
            Life::Dying { fruitless, .. } => (*fruitless, false),
        };
        self.untold_deaths += u32::from(unasked);
        let mut assignments = self.slots.vacate(worker.slot, fruitless);
        if !self.config.replace {
            self.slots.give_up(worker.slot);
        }
        if let Some(assignment) = assignments.front_mut().filter(|_| at_work) {
            let (job, item, why) = (assignment.job, assignment.items.start, ItemFailure::Died);
            if self.jobs.contains_key(&job) {
                self.commands.push_back(Command::FailItem { worker, job, item, why });
                self.hold_item(job, item);
            }
            assignment.items.start += 1;
        }
        for assignment in assignments {
            self.put_back(assignment);
        }
        Verdict::Accepted
    }

    /// The pool is terminated. A worker that runs an item is killed. A worker that is idle or
    /// leaving already may exit by itself within `kill_grace`, since the output of finished items
    /// may still be in its buffers.
    pub(super) fn end_all(&mut self, now: Moment) {
        let (grace, why) = (self.config.kill_grace, KillReason::Terminated);
        for worker in self.slots.alive() {
            let latest = now.saturating_add(grace);
            let until = match self.slots.life(worker.slot) {
                _ if grace.is_zero() => None,
                Life::Serving if self.slots.assignments(worker.slot).is_empty() => {
                    self.commands.push_back(Command::Stop { worker });
                    Some(latest)
                }
                &Life::Stopping { deadline } => Some(latest.min(deadline)),
                _ => None,
            };
            let life = match until {
                Some(deadline) => Life::Stopping { deadline },
                None => {
                    self.commands.push_back(Command::Kill { worker, why });
                    Life::Dying { why, fruitless: false, kill_at: None }
                }
            };
            self.slots.set(worker.slot, life);
        }
    }
}
