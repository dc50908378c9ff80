//! What follows from the present state, whatever brought it about.

#[cfg(test)]
use std::collections::BTreeMap;

use super::slots::Load;
use super::{Chunk, Command, JobFailure, Mode, Scheduler};
use crate::ids::Moment;
#[cfg(test)]
use crate::ids::{JobId, Slot};

impl Scheduler {
    /// Commands whatever the present state calls for. Deciding twice is deciding
    /// once.
    ///
    /// It asks for the time only when a worker starts or stops: a clock takes 40 ns to
    /// read, and a call of a microsecond is decided upon three times.
    pub(crate) fn decide(&mut self, now: impl Fn() -> Moment) {
        self.follow_up(now);
        // A planted mistake must be found from outside.
        #[cfg(test)]
        if self.mutation.is_none() {
            self.check();
        }
    }

    /// Deciding without checking.
    pub(super) fn follow_up(&mut self, now: impl Fn() -> Moment) {
        self.start_workers(&now);
        if !self.jobs.is_empty() && self.slots.all_given_up() && !planted!(self, StrandedJob) {
            self.fail_jobs(JobFailure::NoWorkers);
        }
        self.send_chunks();
        self.recall_chunks();
        let nothing_left = self.jobs.is_empty()
            || (planted!(self, CloseDropsQueue) && self.jobs.values().all(|job| job.loads == 0));
        if self.mode == Mode::Closing && nothing_left {
            self.stop_workers(&now);
        }
    }

    fn start_workers(&mut self, now: &impl Fn() -> Moment) {
        let wanted = match self.mode {
            Mode::Open => true,
            Mode::Closing => !self.jobs.is_empty() && !planted!(self, ClosedPoolGivesUp),
            Mode::Terminated => planted!(self, TerminatedPoolRestarts),
        };
        if !wanted {
            return;
        }
        let (timeout, none) = (self.config.start_timeout, planted!(self, NoStartDeadline));
        let deadline = || if none { Moment::MAX } else { now().saturating_add(timeout) };
        while let Some(worker) = self.slots.start_next(&deadline) {
            self.commands.push_back(Command::Start { worker });
        }
    }

    fn send_chunks(&mut self) {
        // A worker that is asked for what it has not begun is sent nothing before it
        // has answered: it would be asked for that too.
        if !self.recalls.is_empty() && !planted!(self, SendsDuringRecall) {
            return;
        }
        while self.slots.has_room() {
            let Some(job) = self.rotation.pop_front() else {
                return;
            };
            let state = self.jobs.get_mut(&job).expect("a job in the rotation exists");
            let Chunk { items, weight } =
                state.queue.pop_front().expect("a job in the rotation has chunks");
            state.loads += 1;
            if !state.queue.is_empty() {
                if planted!(self, UnfairRotation) {
                    self.rotation.push_front(job);
                } else {
                    self.rotation.push_back(job);
                }
            }
            let worker = self.slots.load(Load { job, items: items.clone(), weight });
            self.commands.push_back(Command::Send { worker, job, items });
        }
    }

    /// Takes back what a worker has not begun, for one that has nothing: chunks are
    /// sent ahead so that a worker need not wait for the next, not to keep them
    /// from others.
    fn recall_chunks(&mut self) {
        if planted!(self, NothingIsRecalled) || !self.slots.has_idle() {
            return;
        }
        // One at a time: what comes back may be enough, and the answer decides anew.
        if (self.recalls.is_empty() || planted!(self, RecallsInHaste))
            && let Some(worker) = self.slots.stocked()
        {
            self.recall(worker);
        }
    }

    fn stop_workers(&mut self, now: &impl Fn() -> Moment) {
        let grace = self.config.stop_grace;
        let deadline = || now().saturating_add(grace);
        while let Some(worker) = self.slots.stop_next_idle(&deadline) {
            self.commands.push_back(Command::Stop { worker });
        }
    }

    /// The numbered invariants of the module.
    #[cfg(test)]
    fn check(&self) {
        self.slots.check();
        let mut held: BTreeMap<JobId, usize> = BTreeMap::new();
        for load in (0..self.config.workers).flat_map(|slot| self.slots.loads(Slot(slot))) {
            *held.entry(load.job).or_default() += 1;
        }
        for (id, job) in &self.jobs {
            assert_eq!(
                !job.queue.is_empty(),
                self.rotation.contains(id),
                "rotation and queue of {id:?}"
            );
            assert_eq!(job.loads, held.remove(id).unwrap_or(0), "loads of {id:?}");
        }
        for id in &self.rotation {
            assert!(self.jobs.contains_key(id), "{id:?} is gone but in the rotation");
        }
        if self.recalls.is_empty() {
            assert!(held.is_empty(), "{held:?} are gone but held");
            assert!(!self.slots.has_room() || self.rotation.is_empty(), "room while chunks wait");
            assert!(!self.slots.has_idle() || self.slots.stocked().is_none(), "idle beside stock");
        }
    }
}
