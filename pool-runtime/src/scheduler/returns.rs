//! What comes back from workers: chunks that were recalled, and those of the dead.

use super::slots::Load;
use super::{Chunk, Command, KillReason, Life, Scheduler, Verdict};
use crate::ids::{JobId, Worker};

impl Scheduler {
    /// Asks for what a worker has not begun, unless it is asked already: its answer is
    /// judged by what is known when it comes.
    pub(super) fn recall(&mut self, worker: Worker) {
        if self.recalls.insert(worker) || planted!(self, RecallsTwice) {
            self.commands.push_back(Command::Recall { worker });
        }
    }

    /// What a worker had not begun is back.
    pub(super) fn take_back(&mut self, worker: Worker, begun: bool) -> Verdict {
        if !self.recalls.remove(&worker) && !planted!(self, UnaskedRecallCounts) {
            return Verdict::Ignored;
        }
        let kept = match begun {
            true => !planted!(self, BegunChunkIsRecalled),
            false => planted!(self, UnbegunChunkIsKept),
        };
        let back = self.slots.recall(worker.slot, kept.into());
        let dropped = |load: &Load| !self.jobs.contains_key(&load.job);
        // A chunk that had not begun is no reason to kill: it is back.
        let is_at_dropped = self.slots.loads(worker.slot).iter().any(dropped)
            || (planted!(self, UnbegunChunkKills) && back.iter().any(dropped));
        for load in back {
            if !planted!(self, RecalledChunksLost) {
                self.put_back(load);
            }
        }
        if is_at_dropped && !planted!(self, DroppedJobKeepsWorkers) {
            self.kill(worker, KillReason::JobDropped);
        }
        Verdict::Accepted
    }

    /// A load comes back from a worker, unless its job was dropped.
    fn put_back(&mut self, load: Load) {
        let Load { job, items, weight } = load;
        if self.jobs.contains_key(&job) {
            if !items.is_empty() {
                self.requeue(job, Chunk { items, weight });
            }
            self.unload(job);
        }
    }

    /// A worker is gone. What it was running fails; what it had not begun goes
    /// back to its queue, before all that comes later in the input.
    pub(super) fn bury(&mut self, worker: Worker, begun: bool) -> Verdict {
        let stale = self.slots.current(worker.slot) != worker;
        if (stale && !planted!(self, StaleExitCounts)) || self.slots.is_vacant(worker.slot) {
            return Verdict::Ignored;
        }
        // All is back, so a recall needs no answer any more.
        if !planted!(self, ExitLeavesRecall) {
            self.recalls.remove(&worker);
        }
        let begun = begun || planted!(self, EveryExitFailsAnItem);
        let at_work = begun && !self.slots.loads(worker.slot).is_empty();
        if at_work && !planted!(self, BegunExitIsFruitless) {
            self.slots.begin(worker.slot);
        }
        let fruitless = match self.slots.life(worker.slot) {
            Life::Vacant => unreachable!("checked above"),
            Life::Starting { .. } => true,
            Life::Serving => {
                !self.slots.is_fruitful(worker.slot) || planted!(self, EveryDeathIsFruitless)
            }
            Life::Stopping { .. } => false,
            Life::Dying { fruitless } => *fruitless,
        };
        let mut loads = self.slots.vacate(worker.slot, fruitless);
        if !self.config.replace {
            self.slots.give_up(worker.slot);
        }
        if loads.is_empty() && planted!(self, IdleDeathUnnoticed) {
            self.slots.give_up(worker.slot);
        }
        if let Some(load) = loads.front_mut().filter(|_| at_work)
            && !planted!(self, BegunItemRunsAgain)
        {
            let (job, item) = (load.job, load.items.start);
            if self.jobs.contains_key(&job) && !planted!(self, BegunItemForgotten) {
                self.commands.push_back(Command::FailItem { worker, job, item });
            }
            load.items.start += 1;
        }
        for load in loads {
            if planted!(self, UnbegunItemsLost) {
                self.unload(load.job);
            } else {
                self.put_back(load);
            }
        }
        Verdict::Accepted
    }

    fn requeue(&mut self, job: JobId, chunk: Chunk) {
        let at_the_head = planted!(self, RequeuedAtTheHead);
        let at_the_back = planted!(self, RequeuedAtTheBack);
        let state = self.jobs.get_mut(&job).expect("a loaded job exists");
        if state.queue.is_empty() {
            self.rotation.push_back(job);
        }
        // Not always the head: of two workers that die, the one with the later
        // items may be buried last.
        let place = match (at_the_head, at_the_back) {
            (true, _) => 0,
            (_, true) => state.queue.len(),
            _ => state.queue.partition_point(|other| other.items.start < chunk.items.start),
        };
        state.queue.insert(place, chunk);
    }
}
