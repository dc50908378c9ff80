//! Who runs what next, decided without bytes, descriptors, threads or a clock.
//!
//! Facts go in through [`Scheduler::note`] and [`Scheduler::expire`], each
//! with the time it is; decisions come out of [`Scheduler::poll_command`]; when
//! to look again is [`Scheduler::next_deadline`]. In a process pool the bugs are
//! orders of events (a result crosses a kill, a caller leaves during a
//! restart): here each order is a row of a match, and a seed of the simulator
//! in `sim/`.
//!
//! What holds after every event, and is asserted there:
//!
//! 1. An item is in exactly one place: a queue, a worker's load, or settled.
//! 2. A worker has loads only while it serves, and runs them in their order. What
//!    is behind the first can be recalled. No worker is idle while another has
//!    such a stock, no room is left while a chunk is queued, and no load is of a
//!    dropped job, unless a recall is unanswered.
//! 3. A job's queue is not empty exactly when the job is in the rotation.
//! 4. `open` names exactly the serving workers with room, `stocked` those with
//!    loads behind the first.
//! 5. `deadlines` holds exactly the slots whose state has a deadline.

#[cfg(test)]
mod sim;
#[macro_use]
mod planted;
mod decide;
mod protocol;
mod returns;
mod slots;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::ids::{Items, JobId, JobMap, Moment, Slot, Worker};
#[cfg(test)]
pub(crate) use planted::Mutation;
pub(crate) use protocol::{Command, Event, JobFailure, KillReason, Verdict};
pub(crate) use slots::Life;
use slots::Slots;

/// How a pool behaves; fixed when it is built.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The number of slots, at least 1.
    pub(crate) workers: usize,
    /// How long a worker may take to report in.
    pub(crate) start_timeout: Duration,
    /// How long a worker that was told goodbye may take to leave.
    pub(crate) stop_grace: Duration,
    /// Whether a worker that ended is followed by another. Not so for a
    /// `Process`, which is one worker for one call.
    pub(crate) replace: bool,
}

/// How many lives in a row may end in a slot before an item has begun in it.
/// Then the slot is given up until somebody opens another job.
pub(crate) const FRUITLESS_LIVES: u32 = 3;

/// How much weight of chunks a worker is sent ahead. A chunk that weighs this much
/// travels alone; of the lightest this many do, which is what lets a worker run
/// through items of a microsecond without waiting for each.
pub(crate) const DEPTH: u32 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    Closing,
    Terminated,
}

/// Items that travel together.
#[derive(Clone, Debug)]
struct Chunk {
    items: Items,
    weight: u32,
}

#[derive(Debug, Default)]
struct Job {
    /// Chunks that no worker has, in input order.
    queue: VecDeque<Chunk>,
    /// Loads of workers that are of this job.
    loads: usize,
    /// No more items will come.
    ended: bool,
}

/// The state machine; see the module.
#[derive(Debug)]
pub(crate) struct Scheduler {
    config: Config,
    mode: Mode,
    slots: Slots,
    jobs: JobMap<Job>,
    /// Jobs with queued chunks; the first is served next, then goes last.
    rotation: VecDeque<JobId>,
    commands: VecDeque<Command>,
    /// The workers whose `Recall` is not answered. None of them is asked twice.
    recalls: BTreeSet<Worker>,
    #[cfg(test)]
    mutation: Option<Mutation>,
}

impl Scheduler {
    pub(crate) fn new(config: Config, now: Moment) -> Self {
        assert!(config.workers > 0, "a pool has at least one slot");
        let mut scheduler = Scheduler {
            slots: Slots::new(config.workers),
            config,
            mode: Mode::Open,
            jobs: JobMap::default(),
            rotation: VecDeque::new(),
            commands: VecDeque::new(),
            recalls: BTreeSet::new(),
            #[cfg(test)]
            mutation: None,
        };
        scheduler.decide(|| now);
        scheduler
    }

    /// The next decision; the engine carries it out before the next event.
    pub(crate) fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When [`Scheduler::expire`] will have something to do.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.slots.next_deadline()
    }

    /// The slots whose deadline has come.
    pub(crate) fn overdue(&self, now: Moment) -> Vec<Slot> {
        self.slots.overdue(now)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.mode == Mode::Open
    }

    /// Closed or terminated, and nothing is left: no job, no process.
    pub(crate) fn is_finished(&self) -> bool {
        self.mode != Mode::Open && self.jobs.is_empty() && self.slots.all_vacant()
    }

    /// Whether the job could use more items at once: nothing of any job is
    /// queued, and a worker has nothing to do.
    pub(crate) fn is_hungry(&self) -> bool {
        (self.rotation.is_empty() || planted!(self, HungryBesideQueue)) && self.slots.has_idle()
    }

    /// How many chunks of a job no worker has.
    pub(crate) fn queued(&self, job: JobId) -> usize {
        self.jobs.get(&job).map_or(0, |job| job.queue.len())
    }

    /// What the worker of a slot is doing, for `Pool::workers`.
    pub(crate) fn life(&self, slot: Slot) -> &Life {
        self.slots.life(slot)
    }

    /// Takes a fact. [`Scheduler::decide`] must follow, once all is noted that became
    /// known in the same moment: that an item finished and that its job is over by
    /// that, say, so that its worker is not given more of the job.
    pub(crate) fn note(&mut self, event: Event) -> Verdict {
        match event {
            Event::JobOpened { job } => self.open_job(job),
            Event::ItemsQueued { job, items, mut weight } => {
                if planted!(self, WeightIgnored) {
                    weight = 1;
                }
                self.queue_items(job, Chunk { items, weight })
            }
            Event::JobEnded { job } => self.end_job(job),
            Event::JobDropped { job } => self.drop_job(job),
            Event::WorkerReady { mut worker } => {
                if planted!(self, StaleReadyCounts) {
                    worker = self.slots.current(worker.slot);
                }
                self.slots.ready(worker)
            }
            Event::ItemsFinished { worker, job, items } => self.finish_items(worker, job, &items),
            Event::Recalled { worker, begun } => self.take_back(worker, begun),
            Event::StartFailed { worker } => self.bury(worker, false),
            Event::WorkerExited { worker, begun } => self.bury(worker, begun),
            Event::Close => self.close(),
            Event::Terminate => self.terminate(),
        }
    }

    /// Acts on every deadline that has come.
    pub(crate) fn expire(&mut self, now: Moment) {
        let late = Duration::from_nanos(planted!(self, DeadlineActedOnLate).into());
        while let Some(worker) = self.slots.expired(now.saturating_sub(late)) {
            let why = match self.slots.life(worker.slot) {
                Life::Starting { .. } => KillReason::StartTimeout,
                Life::Stopping { .. } => KillReason::StopGrace,
                other => unreachable!("{other:?} has no deadline"),
            };
            self.commands.push_back(Command::Kill { worker, why });
            if planted!(self, DeadlineStays) {
                break;
            }
            let fruitless = why == KillReason::StartTimeout && !planted!(self, TimeoutsAreForgiven);
            self.slots.set(worker.slot, Life::Dying { fruitless });
        }
        self.decide(|| now);
    }

    fn open_job(&mut self, job: JobId) -> Verdict {
        assert!(self.is_open(), "a job was opened on a closed pool");
        let before = self.jobs.insert(job, Job::default());
        assert!(before.is_none(), "{job:?} was opened twice");
        if self.config.replace && !planted!(self, GivenUpForGood) {
            // Whatever kept workers from starting may be over.
            self.slots.forgive();
        }
        Verdict::Accepted
    }

    fn queue_items(&mut self, job: JobId, chunk: Chunk) -> Verdict {
        let Some(state) = self.jobs.get_mut(&job) else {
            return Verdict::Ignored;
        };
        assert!(!state.ended, "{job:?} got items after its end");
        assert!(!chunk.items.is_empty(), "a chunk has at least one item");
        assert!((1..=DEPTH).contains(&chunk.weight), "a chunk's weight is 1 to {DEPTH}");
        let runs = planted!(self, RunningJobNotInRotation) && state.loads > 0;
        if state.queue.is_empty() && !runs {
            self.rotation.push_back(job);
        }
        state.queue.push_back(chunk);
        Verdict::Accepted
    }

    fn end_job(&mut self, job: JobId) -> Verdict {
        let Some(state) = self.jobs.get_mut(&job) else {
            return Verdict::Ignored;
        };
        if state.ended {
            return Verdict::Ignored;
        }
        state.ended = true;
        self.remove_if_done(job);
        Verdict::Accepted
    }

    fn drop_job(&mut self, job: JobId) -> Verdict {
        let Some(state) = self.jobs.get_mut(&job) else {
            return Verdict::Ignored;
        };
        if planted!(self, DroppedJobStillServed) {
            state.ended = true;
            self.remove_if_done(job);
            return Verdict::Accepted;
        }
        self.jobs.remove(&job);
        self.rotation.retain(|&other| other != job);
        // Whether a worker is at a chunk of this job, or has it before it, the answer
        // tells.
        for worker in self.slots.holders(job) {
            if planted!(self, DroppedStockStays)
                && self.slots.front(worker).is_some_and(|load| load.job != job)
            {
                continue;
            }
            self.recall(worker);
        }
        Verdict::Accepted
    }

    fn finish_items(&mut self, worker: Worker, job: JobId, items: &Items) -> Verdict {
        let worker = match planted!(self, StaleResultCounts) {
            true => self.slots.current(worker.slot),
            false => worker,
        };
        let Some(load) = self.slots.front(worker) else {
            return Verdict::Ignored;
        };
        let repeated = planted!(self, RepeatedResultCounts)
            && load.job == job
            && items.end <= load.items.start;
        if repeated {
            return Verdict::Accepted;
        }
        let is_its_job = load.job == job || planted!(self, OtherJobsResultCounts);
        let is_next = items.start == load.items.start
            || (planted!(self, SkippingResultCounts) && load.items.contains(&items.start));
        let is_within = items.end <= load.items.end || planted!(self, OverlongResultCounts);
        let is_something = !items.is_empty() || planted!(self, EmptyResultCounts);
        if !is_its_job || !is_next || !is_within || !is_something {
            return Verdict::Ignored;
        }
        let job = load.job;
        if self.slots.advance(worker.slot, items.end - items.start) {
            self.unload(job);
        }
        Verdict::Accepted
    }

    /// What the present worker of a slot is at: its job, and what is left of its
    /// chunk. `None` for one that has nothing, is dying, or is not the present one.
    pub(crate) fn front(&self, worker: Worker) -> Option<(JobId, Items)> {
        self.slots.front(worker).map(|load| (load.job, load.items.clone()))
    }

    fn close(&mut self) -> Verdict {
        if self.mode != Mode::Open {
            return Verdict::Ignored;
        }
        self.mode = Mode::Closing;
        Verdict::Accepted
    }

    fn terminate(&mut self) -> Verdict {
        if self.mode == Mode::Terminated {
            return Verdict::Ignored;
        }
        self.mode = Mode::Terminated;
        if !planted!(self, TerminatedJobsWait) {
            self.fail_jobs(JobFailure::Terminated);
        }
        for worker in self.slots.alive() {
            self.kill(worker, KillReason::Terminated);
        }
        Verdict::Accepted
    }

    fn kill(&mut self, worker: Worker, why: KillReason) {
        self.commands.push_back(Command::Kill { worker, why });
        self.slots.set(worker.slot, Life::Dying { fruitless: false });
    }

    fn fail_jobs(&mut self, why: JobFailure) {
        self.rotation.clear();
        let mut failed: Vec<JobId> = self.jobs.drain().map(|(job, _)| job).collect();
        failed.sort_unstable();
        for job in failed {
            self.commands.push_back(Command::FailJob { job, why });
        }
    }

    /// A worker has no more items of the job.
    fn unload(&mut self, job: JobId) {
        if let Some(state) = self.jobs.get_mut(&job) {
            state.loads -= 1;
            if !planted!(self, DoneJobStays) {
                self.remove_if_done(job);
            }
        }
    }

    fn remove_if_done(&mut self, job: JobId) {
        let state = &self.jobs[&job];
        if state.ended && state.queue.is_empty() && state.loads == 0 {
            self.jobs.remove(&job);
        }
    }
}
