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
//! 1. An item is in exactly one place: a queue, a worker's assignment, or settled.
//! 2. A worker has assignments only while it serves, and runs them in their order. What
//!    is behind the first can be recalled. No worker is idle while another has
//!    such a stock, no room is left while a chunk is queued, and no assignment is of a
//!    dropped job, unless a recall is unanswered.
//! 3. A job's queue is not empty exactly when the job is in the rotation, once; of other
//!    jobs that has only the names that it counts.
//! 4. `open` names exactly the serving workers with room, `stocked` those with
//!    assignments behind the first.
//! 5. `deadlines` holds exactly the slots whose state has a deadline, or that are
//!    watched. Who has a chunk with a time limit is, unless its answer is awaited.

#[cfg(test)]
mod check;
mod clock;
mod decide;
mod exhaustion;
mod jobs;
mod leave;
mod life;
mod protocol;
mod returns;
mod room;
mod rotation;
#[cfg(test)]
mod sim;
mod slots;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::ids::{Item, Items, JobId, JobMap, Moment, Slot, Worker};
use exhaustion::Exhaustion;
use jobs::{Chunk, Job};
pub(crate) use life::Life;
pub(crate) use protocol::{
    Command, Event, ItemFailure, JobFailure, Judgement, Kept, KillReason, Terms, Verdict,
};
use returns::Asked;
use rotation::Rotation;
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
    /// How long a worker that was asked to end may take before it is killed; it is not
    /// asked if that is nothing.
    pub(crate) kill_grace: Duration,
    /// How many workers may die within how long, for reasons of their own, before the
    /// breaker trips; no number if there is none.
    pub(crate) restart_limit: Option<(u32, Duration)>,
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

/// The state machine; see the module.
#[derive(Debug)]
pub(crate) struct Scheduler {
    config: Config,
    mode: Mode,
    slots: Slots,
    jobs: JobMap<Job>,
    /// The queue of a job that is gone, empty, for the one that is opened next.
    spare: VecDeque<Chunk>,
    /// Jobs with queued chunks.
    rotation: Rotation,
    commands: VecDeque<Command>,
    /// The workers whose `Recall` or `Fence` is not answered. None of them is asked
    /// twice.
    recalls: BTreeMap<Worker, Asked>,
    /// When time will change something for a job.
    timers: BTreeSet<(Moment, JobId)>,
    /// Deaths of the latest past that count for the breaker, and those whose moment is
    /// not known yet.
    deaths: VecDeque<Moment>,
    untold_deaths: u32,
    exhaustion: Exhaustion,
    /// No worker is started and no job taken until somebody says so.
    tripped: bool,
    /// Somebody waits for the workers of a closed pool to be gone; see `leave`.
    joining: bool,
    departures: u64,
}

impl Scheduler {
    pub(crate) fn new(config: Config, now: Moment) -> Self {
        assert!(config.workers > 0, "a pool has at least one slot");
        let mut scheduler = Scheduler {
            slots: Slots::new(config.workers),
            config,
            mode: Mode::Open,
            jobs: JobMap::default(),
            spare: VecDeque::new(),
            rotation: Rotation::default(),
            commands: VecDeque::new(),
            recalls: BTreeMap::new(),
            timers: BTreeSet::new(),
            deaths: VecDeque::new(),
            untold_deaths: 0,
            exhaustion: Exhaustion::default(),
            tripped: false,
            joining: false,
            departures: 0,
        };
        scheduler.decide(|| now);
        scheduler
    }

    /// The next decision; the engine carries it out before the next event.
    pub(crate) fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.mode == Mode::Open
    }

    /// Whether the breaker has tripped: no job is taken until [`Event::Reset`].
    pub(crate) fn has_tripped(&self) -> bool {
        self.tripped
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

    /// How many chunks of a job no worker has.
    pub(crate) fn queued(&self, job: JobId) -> usize {
        self.jobs.get(&job).map_or(0, |job| job.queue.len())
    }

    /// How many slots there are.
    pub(crate) fn size(&self) -> usize {
        self.config.workers
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
            Event::JobOpened { job, terms } => self.open_job(job, terms),
            Event::ItemsQueued { job, items, weight } => {
                self.queue_items(job, Chunk { items, weight })
            }
            Event::JobEnded { job } => self.end_job(job),
            Event::JobDropped { job } => self.drop_job(job),
            Event::WorkerReady { worker } => self.ready(worker),
            Event::ItemsFinished { worker, job, items } => self.finish_items(worker, job, &items),
            Event::ItemHeld { worker, job, item } => self.fail_item(worker, job, item),
            Event::ItemJudged { job, item, verdict } => self.judge(job, item, verdict),
            Event::Recalled { worker, kept, now } => self.take_back(worker, kept, now),
            Event::ProgressChecked { worker, began, now } => {
                self.check_progress(worker, began, now)
            }
            Event::WorkerRetired { worker, now } => self.retire(worker, now),
            Event::StartFailed { worker, exhausted, now } => {
                self.fail_start(worker, exhausted, now)
            }
            Event::WorkerExited { worker, begun } => self.worker_exited(worker, begun),
            Event::Reset => self.reset(),
            Event::Close => self.close(),
            Event::Join => self.join(),
            Event::Terminate { now } => self.terminate(now),
        }
    }

    fn finish_items(&mut self, worker: Worker, job: JobId, items: &Items) -> Verdict {
        let Some(assignment) = self.slots.front(worker) else {
            return Verdict::Ignored;
        };
        let is_next = assignment.job == job && assignment.items.start == items.start;
        if !is_next || items.is_empty() || items.end > assignment.items.end {
            return Verdict::Ignored;
        }
        self.advance(worker, items.end - items.start);
        Verdict::Accepted
    }

    fn fail_item(&mut self, worker: Worker, job: JobId, item: Item) -> Verdict {
        let is_next = |assignment: &slots::Assignment| {
            assignment.job == job && assignment.items.start == item
        };
        if !self.slots.front(worker).is_some_and(is_next) {
            return Verdict::Ignored;
        }
        // Before the chunk may be seen to be done, and with it the job.
        self.hold_item(job, item);
        self.advance(worker, 1);
        Verdict::Accepted
    }

    /// So many items at the head of the worker's first chunk are done.
    fn advance(&mut self, worker: Worker, count: u64) {
        let job = self.slots.front(worker).expect("the caller saw a assignment").job;
        if self.slots.advance(worker.slot, count) {
            self.unassign(job);
        }
    }

    /// What the present worker of a slot is at: its job, and what is left of its
    /// chunk. `None` for one that has nothing, is dying, or is not the present one.
    pub(crate) fn front(&self, worker: Worker) -> Option<(JobId, Items)> {
        self.slots.front(worker).map(|assignment| (assignment.job, assignment.items.clone()))
    }

    /// How many chunks the worker of a slot has.
    pub(crate) fn chunks(&self, slot: Slot) -> usize {
        self.slots.assignments(slot).len()
    }

    /// Items of a job in the chunks that it has behind the one that it is at.
    pub(crate) fn stock(&self, slot: Slot, job: JobId) -> u64 {
        let behind =
            self.slots.assignments(slot).iter().skip(1).filter(|assignment| assignment.job == job);
        behind.map(|assignment| assignment.items.end - assignment.items.start).sum()
    }

    fn close(&mut self) -> Verdict {
        if self.mode != Mode::Open {
            return Verdict::Ignored;
        }
        self.mode = Mode::Closing;
        Verdict::Accepted
    }

    fn terminate(&mut self, now: Moment) -> Verdict {
        if self.mode == Mode::Terminated {
            return Verdict::Ignored;
        }
        self.mode = Mode::Terminated;
        // Before the jobs, of which there may be very many.
        self.end_all(now);
        self.fail_jobs(JobFailure::Terminated);
        Verdict::Accepted
    }
}
