//! Decides which worker runs what next, without bytes, descriptors, threads or a clock.
//!
//! Events go in through [`Scheduler::note`] and [`Scheduler::expire`]; those that depend on
//! the time carry it. Commands come out of [`Scheduler::poll_command`], and
//! [`Scheduler::next_deadline`] tells when time changes something. The bugs of a process pool
//! are orders of events (a result crosses a kill, a caller leaves during a restart): here each
//! order is a row of a match, and a seed of the simulator in `sim/`.
//!
//! These invariants hold after every event, and tests assert them then:
//!
//! 1. An item is in exactly one place: a queue, a worker's assignment, or settled.
//! 2. A worker has assignments only while it serves, and runs them in order. Those behind the
//!    first can be recalled. Unless a recall is unanswered, no worker is idle while another
//!    has such a stock, no worker has room while a chunk is queued, and no assignment belongs
//!    to a dropped job.
//! 3. A job is in the rotation, once, exactly if its queue is not empty. All other names in
//!    the rotation are of jobs that have left it, and are counted.
//! 4. `open` holds exactly the serving workers with room, `stocked` those with assignments
//!    behind the first.
//! 5. `deadlines` holds exactly the slots whose life has a deadline or that are watched. A
//!    worker with a chunk that has a time limit is watched, unless its answer is awaited.

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
    /// How long a worker that was told to leave may take.
    pub(crate) stop_grace: Duration,
    /// How long a worker that was asked to end may take before it is killed; if this is zero,
    /// it is killed without being asked.
    pub(crate) kill_grace: Duration,
    /// How many workers may die within this period, for reasons of their own, before the
    /// breaker trips; `None` if there is no breaker.
    pub(crate) restart_limit: Option<(u32, Duration)>,
    /// Whether a worker that ended is replaced. It is not for a `Process`, which is one worker
    /// for one call.
    pub(crate) replace: bool,
}

/// How many lives in a row may end in a slot before an item has begun. Then the slot is given
/// up until another job is opened.
pub(crate) const FRUITLESS_LIVES: u32 = 3;

/// The weight of chunks that a worker may have at a time. A chunk of this weight travels
/// alone; of the lightest chunks a worker has this many, so that it runs through items of a
/// microsecond without waiting for each.
pub(crate) const DEPTH: u32 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    Closing,
    Terminated,
}

/// The state machine of one pool.
#[derive(Debug)]
pub(crate) struct Scheduler {
    config: Config,
    mode: Mode,
    slots: Slots,
    jobs: JobMap<Job>,
    /// The empty queue of a removed job, whose memory the next job reuses.
    spare: VecDeque<Chunk>,
    /// Jobs with queued chunks.
    rotation: Rotation,
    commands: VecDeque<Command>,
    /// The workers that have not answered a `Recall` or `Fence`. None of them is asked twice.
    recalls: BTreeMap<Worker, Asked>,
    /// When time changes something for a job.
    timers: BTreeSet<(Moment, JobId)>,
    /// Deaths that count for the breaker, and the number of those whose moment is not known
    /// yet.
    deaths: VecDeque<Moment>,
    untold_deaths: u32,
    exhaustion: Exhaustion,
    /// The breaker has tripped: no worker is started and no job taken until it is reset.
    tripped: bool,
    /// A caller waits until the workers of a closed pool have left; see `leave`.
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

    /// The next command. The engine carries it out before the next event.
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

    /// Whether it is closed or terminated, with no job and no process left.
    pub(crate) fn is_finished(&self) -> bool {
        self.mode != Mode::Open && self.jobs.is_empty() && self.slots.all_vacant()
    }

    /// Whether a worker is idle because no chunk of any job is queued.
    pub(crate) fn is_hungry(&self) -> bool {
        self.rotation.is_empty() && self.slots.has_idle()
    }

    /// How many chunks of a job wait for a worker.
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

    /// Takes an event. [`Scheduler::decide`] must follow once all events of the same moment are
    /// noted. If an item finished and its job ends by that, for example, the worker must not
    /// be sent more of the job in between.
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
        // First, as the chunk may be done by this, and the job with it.
        self.hold_item(job, item);
        self.advance(worker, 1);
        Verdict::Accepted
    }

    /// This many items at the head of the worker's first chunk are done.
    fn advance(&mut self, worker: Worker, count: u64) {
        let job = self.slots.front(worker).expect("the caller saw an assignment").job;
        if self.slots.advance(worker.slot, count) {
            self.unassign(job);
        }
    }

    /// The chunk that the worker runs: its job and its unfinished items. `None` if the worker
    /// has no chunk, is dying, or is not the present one of its slot.
    pub(crate) fn front(&self, worker: Worker) -> Option<(JobId, Items)> {
        self.slots.front(worker).map(|assignment| (assignment.job, assignment.items.clone()))
    }

    /// How many chunks the worker of a slot has.
    pub(crate) fn chunks(&self, slot: Slot) -> usize {
        self.slots.assignments(slot).len()
    }

    /// How many items of a job are in the worker's chunks behind the first.
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
        // Before the jobs, as there may be very many.
        self.end_all(now);
        self.fail_jobs(JobFailure::Terminated);
        Verdict::Accepted
    }
}
