//! The calls of a pool: its jobs, the scheduler's state of them, and the notifications for
//! their callers.

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

/// All calls of one pool.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) scheduler: Scheduler,
    jobs: JobMap<Box<JobState>>,
    next_job: u64,
    /// Empty batches, whose memory the next job reuses.
    spare: Batches,
    epoch: Instant,
    /// The same moment, in nanoseconds of the monotonic clock that workers read.
    epoch_nanos: u64,
    start_timeout: Duration,
    ends: Ends,
    /// The first workers that have not reported in yet; the builder waits for them.
    awaited: usize,
    life_changed: bool,
    /// The departures that waiting callers have been notified of.
    departures_told: u64,
    /// The scheduler has events that it has not decided on.
    undecided: bool,
    /// Delivered when the lock is released.
    notifications: Vec<Notification>,
    /// Callers that sleep until an outcome arrives, and futures with a waker.
    pub(super) waiters: usize,
    /// Callers that sleep until their map needs more items.
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

    /// Gives the scheduler an event, on which it decides at the end of the turn.
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

    /// Whether the scheduler has events that it has not decided on.
    pub(super) fn is_undecided(&self) -> bool {
        self.undecided
    }

    /// The next command. When the commands of the last decision are carried out, the scheduler
    /// decides on all events since. Not earlier: an event that follows may end a job, of which
    /// no more items may be sent then.
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

    /// The notifications to deliver now that the lock is being released.
    pub(super) fn take_notifications(&mut self) -> Vec<Notification> {
        std::mem::take(&mut self.notifications)
    }

    pub(super) fn has_notifications(&self) -> bool {
        !self.notifications.is_empty()
            || self.life_changed
            || self.departures_told != self.departures()
    }

    /// Whether workers came or went, all have left, or the engine has finished, since this was
    /// last asked.
    pub(super) fn life_changed(&mut self) -> bool {
        let departures = self.departures();
        let departed = std::mem::replace(&mut self.departures_told, departures) != departures;
        std::mem::take(&mut self.life_changed) || departed
    }

    /// Whether this thread is within a call that still pulls input.
    pub(super) fn waits_for(&self, thread: ThreadId) -> bool {
        self.jobs.values().any(|job| job.is_pulled_on(thread))
    }

    /// See `scheduler/leave.rs`.
    pub(super) fn departures(&self) -> u64 {
        self.scheduler.departures()
    }

    /// Whether a worker runs a chunk of a job.
    pub(super) fn is_at(&self, worker: Worker, id: JobId) -> bool {
        self.scheduler.front(worker).is_some_and(|(job, _)| job == id)
    }

    /// Whether the builder waits for the first workers.
    pub(super) fn is_awaiting(&self) -> bool {
        self.awaited > 0
    }

    pub(super) fn get(&self, id: JobId) -> Option<&JobState> {
        self.jobs.get(&id).map(|job| &**job)
    }

    /// The notifications for the callers of all jobs, none of which will go on.
    pub(super) fn abandon(&mut self) -> Vec<Notification> {
        let mut notifications = self.take_notifications();
        notifications.extend(self.jobs.values_mut().map(|job| job.abandon()));
        notifications
    }
}
