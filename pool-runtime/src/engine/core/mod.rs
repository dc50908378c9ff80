//! The engine's state under its lock: workers, jobs and the scheduler, and how
//! events and commands pass between them.

mod attend;
mod commands;
mod ends;
mod events;
mod gaps;
mod jobs;
mod outcomes;
mod output;
mod partings;
mod seen;
mod tokens;

use std::sync::Arc;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use super::job::{Due, JobState};
use super::packs::Packs;
use crate::channel::{Attention, ParentEnd};
use crate::error::Panic;
use crate::ids::{JobId, JobMap, Moment, Slot, Worker};
use crate::scheduler::{Config, Event, Scheduler};
use crate::supervisor::{Doom, Group, Launch, Obituary, Reaper, Start, Stream, Tap};
use crate::sys::child::Child;
use crate::sys::clock;
use crate::sys::dying::Note;
use crate::sys::poller::{BELL, Poller};
use ends::Ends;
use gaps::Gaps;
pub(super) use outcomes::Question;
use partings::Partings;
use tokens::Token;

/// A worker's process and the program's end of its channel.
#[derive(Debug)]
struct Member {
    worker: Worker,
    start: Start,
    child: Child,
    channel: ParentEnd,
    reported_in: bool,
    /// The bell is among the descriptors waited on.
    listening: bool,
    /// What the worker was told last; it may have rung since.
    attention: Attention,
    /// The map that all chunks are of that it has, if they are of one.
    map: Option<JobId>,
    /// What of its working time is counted to some job.
    worked: u64,
    /// Items and chunks whose outcomes have come.
    finished_items: u64,
    finished_chunks: u64,
    doom: Option<Doom>,
    last_words: Option<Panic>,
    /// The latest item that it was seen at, counted as it counts, and when that began.
    seen_at: Option<(u64, Moment)>,
    /// Why it leaves by itself.
    replaced: Option<Replaced>,
    /// Where its output is read.
    tap: Option<Tap>,
    /// Where its memory is counted. What is left in there is killed with it.
    group: Option<Group>,
    /// What it could not do to become a worker of this pool.
    unfit: Option<String>,
    /// It was killed while its core was dumped.
    cut_short: bool,
}

/// Why a worker has been replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    Died,
    /// Its item, or its job, was to run no longer.
    Ended,
    /// It had run as many items, or lived for as long, or grown as large as it may.
    Tasks,
    Age,
    Memory,
}

impl Member {
    /// Whether it has sent what is not read. Of one that makes no sense nothing is
    /// read any more, so its news would stay news for ever.
    fn has_news(&self) -> bool {
        self.doom != Some(Doom::Nonsense) && self.channel.has_news()
    }

    /// How many items it has begun after those whose outcomes were read: with more than
    /// one, their outcomes are there to be read, since each is sent before the next item
    /// begins.
    fn ahead(&self) -> u64 {
        self.channel.begun().wrapping_sub(self.finished_items)
    }

    /// Whether it says that a signal is about to end it.
    fn has_crashed(&self) -> bool {
        Note::read(self.channel.sign()).is_some()
    }

    /// Kills a worker that has crashed: it has ended by what it noted.
    fn cut_dump_short(&mut self) {
        self.cut_short = true;
        self.child.kill_group();
        self.channel.cut_lifeline();
    }

    /// Kills the worker, for this reason if it is the first.
    fn condemn(&mut self, doom: Doom) {
        self.doom.get_or_insert(doom);
        self.child.kill_group();
        self.channel.cut_lifeline();
    }
}

/// See the module. `None` in `outside` once the engine has finished.
#[derive(Debug)]
pub(super) struct Core {
    scheduler: Scheduler,
    /// By slot.
    members: Vec<Option<Member>>,
    /// How the latest worker of each slot ended.
    obituaries: Vec<Option<Obituary>>,
    /// Why the worker before the present one of each slot is gone.
    replaced: Vec<Option<Replaced>>,
    jobs: JobMap<Box<JobState>>,
    next_job: u64,
    outside: Option<Outside>,
    epoch: Instant,
    /// The same, on the clock that workers know.
    epoch_nanos: u64,
    start_timeout: Duration,
    ends: Ends,
    partings: Partings,
    gaps: Gaps,
    /// First incarnations that have not reported in; the builder waits for them.
    awaited: usize,
    life_changed: bool,
    /// Of how many departures those know who wait for one.
    departures_told: u64,
    /// What commands have led to is not decided upon.
    undecided: bool,
    /// Whom to tell when the lock is released.
    due: Vec<Due>,
    /// Callers that sleep until something arrives, and futures that are to be woken.
    pub(super) waiters: usize,
    /// Callers that sleep until their map needs them.
    pub(super) patient: usize,
    /// Workers with more to read than one turn takes.
    unread: Vec<Slot>,
    /// Output that is not read before the mailbox has place.
    held_output: Vec<(Slot, Stream)>,
    /// Somebody has rung who does so for others too, and which of these is next; see
    /// [`Core::look_around`].
    look_around: bool,
    next_look: usize,
    cores: usize,
    /// Kept for their memory, empty between uses: a chunk's head, and the slots that
    /// were sent something.
    head: Vec<u8>,
    sent_to: Vec<Slot>,
    /// And for the packs of the job that is opened next.
    spare: Packs,
    /// Until when the engine's thread sleeps.
    asleep_until: Option<Moment>,
}

/// What holds descriptors.
#[derive(Debug)]
pub(super) struct Outside {
    poller: Arc<Poller>,
    launch: Launch,
    reaper: Reaper,
}

impl Core {
    pub(super) fn new(config: Config, launch: Launch, poller: Arc<Poller>) -> Core {
        Core {
            members: (0..config.workers).map(|_| None).collect(),
            obituaries: (0..config.workers).map(|_| None).collect(),
            replaced: vec![None; config.workers],
            jobs: JobMap::default(),
            next_job: 0,
            outside: Some(Outside { poller, launch, reaper: Reaper::new() }),
            epoch: Instant::now(),
            epoch_nanos: clock::monotonic(),
            start_timeout: config.start_timeout,
            ends: Ends::default(),
            partings: Partings::default(),
            gaps: Gaps::default(),
            awaited: config.workers,
            life_changed: false,
            departures_told: 0,
            undecided: false,
            due: Vec::new(),
            waiters: 0,
            patient: 0,
            unread: Vec::new(),
            held_output: Vec::new(),
            look_around: false,
            next_look: 0,
            head: Vec::new(),
            sent_to: Vec::new(),
            spare: Packs::default(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            asleep_until: None,
            scheduler: Scheduler::new(config, Duration::ZERO),
        }
    }

    /// Takes a fact; [`Core::decide`] follows.
    pub(super) fn tell(&mut self, event: Event) {
        let _ = self.scheduler.note(event);
    }

    /// Lets the scheduler decide, and carries out what it does.
    pub(super) fn decide(&mut self) {
        self.redecide();
        self.carry_out();
    }

    /// The same, for a caller.
    pub(super) fn act(&mut self) {
        self.decide();
        self.wake_thread();
    }

    /// Lets the scheduler decide; [`Core::carry_out`] follows, or is under way.
    fn redecide(&mut self) {
        let epoch = self.epoch;
        self.scheduler.decide(|| epoch.elapsed());
    }

    /// Ends everything. What workers have sent is taken in first: one whose outcomes are
    /// all there is not at work, and leaves in order.
    pub(super) fn terminate(&mut self) {
        for slot in (0..self.members.len()).map(Slot) {
            if self.members[slot.0].is_some() {
                self.drain(slot);
            }
        }
        let now = self.now();
        self.tell(Event::Terminate { now });
        self.act();
    }

    fn outside(&self) -> &Outside {
        self.outside.as_ref().expect("workers come and go only before the engine has finished")
    }

    fn now(&self) -> Moment {
        self.epoch.elapsed()
    }

    /// Handles whatever the tokens stand for, and what time has brought.
    pub(super) fn turn(&mut self, tokens: &[u64]) {
        self.notice_gap();
        for slot in std::mem::take(&mut self.unread) {
            self.serve_channel(slot);
        }
        for &token in tokens.iter().filter(|&&token| token != BELL) {
            match Token::of(token) {
                Token::Bell(slot) => self.serve_bell(slot),
                Token::Exit(slot) => self.serve_exit(slot),
                Token::Output(slot, stream) => self.serve_output(slot, stream),
            }
        }
        if tokens.contains(&BELL) {
            self.resume_output();
        }
        if self.look_around {
            self.look_around();
        }
        let now = self.now();
        // Who has reported in by now is in time, though it has not been heard yet.
        for slot in self.scheduler.overdue(now) {
            self.serve_channel(slot);
        }
        // When all are heard: what one says may have another asked for its chunks and
        // heard again, and then that is at an item which nobody has looked at.
        for slot in self.scheduler.overdue(now) {
            if self.scheduler.is_watched(slot) {
                self.look_at(slot, now);
            }
        }
        self.end_parting(now);
        self.scheduler.expire(now);
        self.carry_out();
    }

    /// How long the engine's thread may sleep; it must ask right before.
    pub(super) fn timeout(&mut self) -> Option<Duration> {
        if !self.unread.is_empty() || self.look_around {
            return Some(Duration::ZERO);
        }
        let now = self.now();
        let wait = self.next_deadline().map(|deadline| gaps::part(deadline.saturating_sub(now)));
        self.asleep_until = wait.map(|wait| now.saturating_add(wait));
        wait
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.scheduler.next_deadline().into_iter().chain(self.partings.next()).min()
    }

    /// Wakes the engine's thread if it would sleep past what has changed.
    pub(super) fn wake_thread(&mut self) {
        let sooner = match (self.next_deadline(), self.asleep_until) {
            (Some(deadline), Some(until)) => deadline < until,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if (sooner || self.is_finished() || !self.unread.is_empty())
            && let Some(outside) = &self.outside
        {
            outside.poller.ring();
        }
    }

    /// Whom to tell now that the lock is being released.
    pub(super) fn take_due(&mut self) -> Vec<Due> {
        std::mem::take(&mut self.due)
    }

    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty() || self.life_changed || self.departures_told != self.departures()
    }

    pub(super) fn is_open(&self) -> bool {
        self.scheduler.is_open()
    }

    pub(super) fn is_hungry(&self) -> bool {
        self.scheduler.is_hungry()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.scheduler.is_finished()
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

    /// Nothing is left to do: gives what holds descriptors, to be dropped once the lock is
    /// released, as the last of what was killed with workers may take a moment to go.
    pub(super) fn let_go(&mut self) -> Option<Outside> {
        assert!(self.is_finished() && self.members.iter().all(Option::is_none));
        let outside = self.outside.take();
        if let Some(outside) = &outside {
            outside.launch.close_mailbox();
        }
        // The last to go need not have been a worker: with none left, as while none can be
        // started, it is a job that ends by its deadline or is taken back.
        self.life_changed = true;
        outside
    }

    /// A panic has left the core in pieces. Dropping the channels lets the kernel
    /// end the workers; gives the futures to wake, which will find the lock
    /// poisoned, as whoever waits does.
    pub(super) fn abandon(&mut self) -> Vec<Due> {
        for mut member in self.members.iter_mut().filter_map(Option::take) {
            member.channel.abandon();
        }
        if let Some(outside) = self.outside.take() {
            // The engine's thread may sleep on it.
            outside.poller.ring();
            outside.launch.close_mailbox();
        }
        let mut due = self.take_due();
        due.extend(self.jobs.values_mut().map(|job| job.abandon()));
        due
    }
}
