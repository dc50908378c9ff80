//! Who runs what next, decided without bytes, descriptors, threads or a clock.
//!
//! Facts go in through [`Scheduler::handle`] and [`Scheduler::expire`], each
//! with the time it is; decisions come out of [`Scheduler::poll_command`]; when
//! to look again is [`Scheduler::next_deadline`]. In a process pool the bugs are
//! orders of events (a result crosses a kill, a caller leaves during a
//! restart): here each order is a row of a match, and a seed of the simulator
//! in `sim/`.
//!
//! What holds after every event, and is asserted there:
//!
//! 1. An item is in exactly one place: a queue, a worker's load, or settled.
//! 2. A worker holds items of at most one job, and only while it serves.
//! 3. A job's queue is not empty exactly when the job is in the rotation.
//! 4. `idle` names exactly the serving workers without a load.
//! 5. `deadlines` holds exactly the slots whose state has a deadline.

#[cfg(test)]
mod sim;
#[macro_use]
mod planted;
mod decide;
mod protocol;
mod slots;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::ids::{Item, Items, JobId, Moment, Slot, Worker};
#[cfg(test)]
pub(crate) use planted::Mutation;
pub(crate) use protocol::{Command, Event, JobFailure, KillReason, Verdict};
pub(crate) use slots::Life;
use slots::{Load, Slots};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    Closing,
    Terminated,
}

#[derive(Debug, Default)]
struct Job {
    /// Chunks that no worker has, in input order.
    queue: VecDeque<Items>,
    /// Workers that hold items of this job.
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
    jobs: BTreeMap<JobId, Job>,
    /// Jobs with queued chunks; the first is served next, then goes last.
    rotation: VecDeque<JobId>,
    commands: VecDeque<Command>,
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
            jobs: BTreeMap::new(),
            rotation: VecDeque::new(),
            commands: VecDeque::new(),
            #[cfg(test)]
            mutation: None,
        };
        scheduler.decide(now);
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
        self.rotation.is_empty() && self.slots.has_idle()
    }

    /// What the worker of a slot is doing, for `Pool::workers`.
    pub(crate) fn life(&self, slot: Slot) -> &Life {
        self.slots.life(slot)
    }

    /// Takes a fact and decides what follows.
    pub(crate) fn handle(&mut self, event: Event, now: Moment) -> Verdict {
        let verdict = self.note(event);
        self.decide(now);
        verdict
    }

    /// Takes a fact without deciding yet, where more became known in the same
    /// moment: that an item finished and that its job is over by that, say, so
    /// that its worker is not given more of the job. [`Scheduler::decide`] must
    /// follow.
    pub(crate) fn note(&mut self, event: Event) -> Verdict {
        match event {
            Event::JobOpened { job } => self.open_job(job),
            Event::ItemsQueued { job, items } => self.queue_items(job, items),
            Event::JobEnded { job } => self.end_job(job),
            Event::JobDropped { job } => self.drop_job(job),
            Event::WorkerReady { mut worker } => {
                if planted!(self, StaleReadyCounts) {
                    worker = self.slots.current(worker.slot);
                }
                self.slots.ready(worker)
            }
            Event::ItemBegan { worker, job, item } => self.slots.begin(worker, job, item),
            Event::ItemFinished { worker, job, item } => self.finish_item(worker, job, item),
            Event::StartFailed { worker } | Event::WorkerExited { worker } => self.bury(worker),
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
        self.decide(now);
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

    fn queue_items(&mut self, job: JobId, items: Items) -> Verdict {
        let Some(state) = self.jobs.get_mut(&job) else {
            return Verdict::Ignored;
        };
        assert!(!state.ended, "{job:?} got items after its end");
        assert!(!items.is_empty(), "a chunk has at least one item");
        let runs = planted!(self, RunningJobNotInRotation) && state.loads > 0;
        if state.queue.is_empty() && !runs {
            self.rotation.push_back(job);
        }
        state.queue.push_back(items);
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
        for worker in self.slots.holders(job) {
            if planted!(self, DroppedJobKeepsWorkers) {
                continue;
            }
            self.kill(worker, KillReason::JobDropped);
        }
        Verdict::Accepted
    }

    fn finish_item(&mut self, worker: Worker, job: JobId, item: Item) -> Verdict {
        let worker = match planted!(self, StaleResultCounts) {
            true => self.slots.current(worker.slot),
            false => worker,
        };
        let Some(load) = self.slots.load_mut(worker) else {
            return Verdict::Ignored;
        };
        let repeated =
            planted!(self, RepeatedResultCounts) && load.job == job && item < load.items.start;
        if repeated {
            return Verdict::Accepted;
        }
        let is_its_job = load.job == job || planted!(self, OtherJobsResultCounts);
        let begun = load.begun || planted!(self, UnbegunResultCounts);
        if !is_its_job || !begun || load.items.start != item {
            return Verdict::Ignored;
        }
        load.items.start += 1;
        load.begun = false;
        if load.items.is_empty() {
            self.slots.set(worker.slot, Life::Serving { load: None });
            self.unload(job);
        }
        Verdict::Accepted
    }

    /// A worker is gone. What it was running fails; what it had not begun goes
    /// back to its queue, before all that comes later in the input.
    fn bury(&mut self, worker: Worker) -> Verdict {
        let stale = self.slots.current(worker.slot) != worker;
        if (stale && !planted!(self, StaleExitCounts)) || self.slots.is_vacant(worker.slot) {
            return Verdict::Ignored;
        }
        let fruitless = match self.slots.life(worker.slot) {
            Life::Vacant => unreachable!("checked above"),
            Life::Starting { .. } => true,
            Life::Serving { .. } => {
                !self.slots.is_fruitful(worker.slot) || planted!(self, EveryDeathIsFruitless)
            }
            Life::Stopping { .. } => false,
            Life::Dying { fruitless } => *fruitless,
        };
        let load = self.slots.vacate(worker.slot, fruitless);
        if !self.config.replace {
            self.slots.give_up(worker.slot);
        }
        let Some(Load { job, mut items, begun }) = load else {
            if planted!(self, IdleDeathUnnoticed) {
                self.slots.give_up(worker.slot);
            }
            return Verdict::Accepted;
        };
        if begun && !planted!(self, BegunItemRunsAgain) {
            let item = items.start;
            if !planted!(self, BegunItemForgotten) {
                self.commands.push_back(Command::FailItem { worker, job, item });
            }
            items.start += 1;
        }
        if !items.is_empty() && !planted!(self, UnbegunItemsLost) {
            self.requeue(job, items);
        }
        self.unload(job);
        Verdict::Accepted
    }

    fn requeue(&mut self, job: JobId, items: Items) {
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
            _ => state.queue.partition_point(|other| other.start < items.start),
        };
        state.queue.insert(place, items);
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
        for job in std::mem::take(&mut self.jobs).into_keys() {
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
