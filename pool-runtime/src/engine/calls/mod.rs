//! The calls of a pool: its jobs, what the scheduler knows of them, and who is to be told of
//! what has become of them.

mod ends;
mod jobs;
mod outcomes;
mod reports;

use std::thread::ThreadId;
use std::time::{Duration, Instant};

use super::batches::Batches;
use super::job::JobState;
use super::locked::Notification;
use crate::ids::{JobId, JobMap, Moment, Worker};
use crate::scheduler::{Command, Config, Event, Scheduler, Verdict};
use crate::sys::clock;
pub(super) use ends::End;
use ends::Ends;
pub(super) use outcomes::Question;

/// See the module.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) scheduler: Scheduler,
    jobs: JobMap<Box<JobState>>,
    next_job: u64,
    /// Kept for their memory: for the batches of the job that is opened next.
    spare: Batches,
    epoch: Instant,
    /// The same, on the clock that workers know.
    epoch_nanos: u64,
    start_timeout: Duration,
    ends: Ends,
    /// First incarnations that have not reported in; the builder waits for them.
    awaited: usize,
    life_changed: bool,
    /// Of how many departures those know who wait for one.
    departures_told: u64,
    /// Something was told that the scheduler has not decided upon.
    undecided: bool,
    /// Whom to tell when the lock is released.
    notifications: Vec<Notification>,
    /// Callers that sleep until something arrives, and futures that are to be woken.
    pub(super) waiters: usize,
    /// Callers that sleep until their map needs them.
    pub(super) patient: usize,
}

impl Calls {
    pub(super) fn new(config: Config) -> Calls {
        Calls {
            jobs: JobMap::default(),
            next_job: 0,
            spare: Batches::default(),
            epoch: Instant::now(),
            epoch_nanos: clock::monotonic(),
            start_timeout: config.start_timeout,
            ends: Ends::default(),
            awaited: config.workers,
            life_changed: false,
            departures_told: 0,
            undecided: false,
            notifications: Vec::new(),
            waiters: 0,
            patient: 0,
            scheduler: Scheduler::new(config, Duration::ZERO),
        }
    }

    /// Takes a fact, which the scheduler decides upon when the core settles.
    pub(super) fn tell(&mut self, event: Event) {
        let _ = self.note(event);
    }

    fn note(&mut self, event: Event) -> Verdict {
        self.undecided = true;
        self.scheduler.note(event)
    }

    fn accept(&mut self, event: Event) {
        let accepted = self.note(event);
        assert_eq!(accepted, Verdict::Accepted, "the worker is at these items");
    }

    /// Whether facts were told that the scheduler has not decided upon.
    pub(super) fn is_undecided(&self) -> bool {
        self.undecided
    }

    /// The next of what the scheduler has decided; else of what it decides upon all that it
    /// was told meanwhile. Not before: an item that is still to fail may end its job, of which
    /// nothing must be sent then.
    pub(super) fn next_command(&mut self) -> Option<Command> {
        let decided = self.scheduler.poll_command();
        if decided.is_none() && std::mem::take(&mut self.undecided) {
            let epoch = self.epoch;
            self.scheduler.decide(|| epoch.elapsed());
            return self.scheduler.poll_command();
        }
        decided
    }

    pub(super) fn now(&self) -> Moment {
        self.epoch.elapsed()
    }

    /// The moment of a time of the machine's monotonic clock, in nanoseconds.
    pub(super) fn moment(&self, nanos: u64) -> Moment {
        Moment::from_nanos(nanos.saturating_sub(self.epoch_nanos))
    }

    /// Workers came or went.
    pub(super) fn note_life(&mut self) {
        self.life_changed = true;
    }

    /// Whom to tell now that the lock is being released.
    pub(super) fn take_notifications(&mut self) -> Vec<Notification> {
        std::mem::take(&mut self.notifications)
    }

    pub(super) fn has_notifications(&self) -> bool {
        !self.notifications.is_empty()
            || self.life_changed
            || self.departures_told != self.departures()
    }

    /// Whether workers came or went, or all have left, or the engine finished, since this
    /// was last asked.
    pub(super) fn life_changed(&mut self) -> bool {
        let departures = self.departures();
        let departed = std::mem::replace(&mut self.departures_told, departures) != departures;
        std::mem::take(&mut self.life_changed) || departed
    }

    /// Whether a call is not at its end that this thread is inside of.
    pub(super) fn waits_for(&self, thread: ThreadId) -> bool {
        self.jobs.values().any(|job| job.is_pulled_on(thread))
    }

    /// See `scheduler/leave.rs`.
    pub(super) fn departures(&self) -> u64 {
        self.scheduler.departures()
    }

    /// Whether a worker is at a chunk of a job.
    pub(super) fn is_at(&self, worker: Worker, id: JobId) -> bool {
        self.scheduler.front(worker).is_some_and(|(job, _)| job == id)
    }

    /// Whether the builder waits for a worker of the first ones.
    pub(super) fn is_awaiting(&self) -> bool {
        self.awaited > 0
    }

    pub(super) fn get(&self, id: JobId) -> Option<&JobState> {
        self.jobs.get(&id).map(|job| &**job)
    }

    /// Gives the futures to wake of all jobs, for which nobody will do anything any more.
    pub(super) fn abandon(&mut self) -> Vec<Notification> {
        let mut notifications = self.take_notifications();
        notifications.extend(self.jobs.values_mut().map(|job| job.abandon()));
        notifications
    }
}
