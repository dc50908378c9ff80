//! What the world expects of the scheduler: a second account of the pool, kept
//! only from what the scheduler was told and from what it commanded.
//!
//! Its own identities are serial numbers of processes. A name that the
//! scheduler gives is only ever compared with the name that the process in
//! that place was given at its start.

use super::super::{Command, Config, Event, FRUITLESS_LIVES, JobFailure, KillReason, Mode};
use super::broken::Broken;
use super::ledger::{Fate, Ledger, Serial};
use crate::ids::{Items, JobId, Moment, Worker};

/// The chunk that a process was sent, as far as it has told.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) job: JobId,
    pub(super) items: Items,
    pub(super) begun: bool,
}

/// A process, as far as it was told something and has told something.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) serial: Serial,
    pub(super) name: Worker,
    pub(super) ready: bool,
    pub(super) held: Option<Held>,
    pub(super) deadline: Option<Moment>,
    pub(super) stopped: bool,
    pub(super) killed: Option<KillReason>,
    /// An item has begun in it.
    pub(super) fruitful: bool,
}

impl Post {
    pub(super) fn is_idle(&self) -> bool {
        self.ready && self.held.is_none() && !self.stopped && self.killed.is_none()
    }
}

#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) post: Option<Post>,
    /// The names of all that were here before.
    pub(super) past: Vec<Worker>,
    /// Processes in a row that ended before an item began in them.
    fruitless: u32,
    /// Processes started since the last job was opened or item begun, save
    /// those that a dropped job took with it.
    pub(super) starts: u32,
}

impl Place {
    fn is_given_up(&self, replace: bool) -> bool {
        let used_up = !replace && !self.past.is_empty();
        self.post.is_none() && (used_up || self.fruitless >= FRUITLESS_LIVES)
    }
}

#[derive(Debug)]
pub(super) struct Books {
    pub(super) config: Config,
    pub(super) mode: Mode,
    pub(super) places: Vec<Place>,
    pub(super) ledger: Ledger,
    /// Commands that must come in this step.
    pub(super) owed: Vec<Command>,
    /// How many processes were started.
    pub(super) processes: u64,
    /// The process that ended last.
    pub(super) buried: Option<Serial>,
}

impl Books {
    pub(super) fn new(config: Config) -> Self {
        let places = std::iter::repeat_with(Place::default).take(config.workers).collect();
        Books {
            config,
            mode: Mode::Open,
            places,
            ledger: Ledger::default(),
            owed: Vec::new(),
            processes: 0,
            buried: None,
        }
    }

    pub(super) fn posts(&self) -> impl Iterator<Item = &Post> + '_ {
        self.places.iter().filter_map(|place| place.post.as_ref())
    }

    pub(super) fn post(&self, slot: usize) -> &Post {
        self.places[slot].post.as_ref().expect("a process in the slot")
    }

    pub(super) fn has_jobs(&self) -> bool {
        self.ledger.live().next().is_some()
    }

    pub(super) fn wants_workers(&self) -> bool {
        match self.mode {
            Mode::Open => true,
            Mode::Closing => self.has_jobs(),
            Mode::Terminated => false,
        }
    }

    /// Whether a place stands empty for good, as far as is known now.
    pub(super) fn is_given_up(&self, slot: usize) -> bool {
        self.places[slot].is_given_up(self.config.replace)
    }

    pub(super) fn all_given_up(&self) -> bool {
        self.places.iter().all(|place| place.is_given_up(self.config.replace))
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.posts().filter_map(|post| post.deadline).min()
    }

    /// Whether the event says something that was not known and still matters.
    pub(super) fn is_news(&self, event: &Event) -> bool {
        match *event {
            Event::JobOpened { job } => self.ledger.fate(job).is_none(),
            Event::JobEnded { job } => self.ledger.is_live(job) && !self.ledger.has_ended(job),
            Event::ItemsQueued { job, .. } | Event::JobDropped { job } => self.ledger.is_live(job),
            Event::WorkerReady { worker } => {
                self.named(worker).is_some_and(|post| !post.ready && post.killed.is_none())
            }
            Event::ItemBegan { worker, job, item } => self
                .held(worker)
                .is_some_and(|held| held.job == job && held.items.start == item && !held.begun),
            Event::ItemFinished { worker, job, item } => self
                .held(worker)
                .is_some_and(|held| held.job == job && held.items.start == item && held.begun),
            Event::StartFailed { worker } | Event::WorkerExited { worker } => {
                self.named(worker).is_some()
            }
            Event::Close => self.mode == Mode::Open,
            Event::Terminate => self.mode != Mode::Terminated,
        }
    }

    fn named(&self, worker: Worker) -> Option<&Post> {
        let post = self.places.get(worker.slot.0)?.post.as_ref()?;
        (post.name == worker).then_some(post)
    }

    fn held(&self, worker: Worker) -> Option<&Held> {
        self.named(worker)?.held.as_ref()
    }

    fn held_mut(&mut self, worker: Worker) -> &mut Option<Held> {
        let post = self.places[worker.slot.0].post.as_mut();
        &mut post.expect("news comes from a process").held
    }

    /// Enters an event that is news.
    pub(super) fn enter(&mut self, event: &Event) -> Result<(), Broken> {
        match *event {
            Event::JobOpened { job } => self.open(job),
            Event::ItemsQueued { job, ref items } => self.ledger.queue(job, items),
            Event::JobEnded { job } => self.ledger.end(job),
            Event::JobDropped { job } => {
                self.ledger.leave(job, Fate::Dropped);
                let holds = |held: &Held| held.job == job;
                self.owe_kills(KillReason::JobDropped, |post| {
                    post.held.as_ref().is_some_and(holds)
                });
            }
            Event::WorkerReady { worker } => {
                let post = self.places[worker.slot.0].post.as_mut();
                let post = post.expect("news comes from a process");
                post.ready = true;
                post.deadline = None;
            }
            Event::ItemBegan { worker, .. } => {
                let place = &mut self.places[worker.slot.0];
                place.fruitless = 0;
                place.starts = 0;
                let post = place.post.as_mut().expect("news comes from a process");
                post.fruitful = true;
                post.held.as_mut().expect("it begins what it holds").begun = true;
            }
            Event::ItemFinished { worker, job, item } => {
                let serial = self.post(worker.slot.0).serial;
                self.ledger.finished(job, item, serial)?;
                let held = self.held_mut(worker);
                let rest = held.as_mut().expect("it finishes what it holds");
                rest.begun = false;
                rest.items.start += 1;
                if rest.items.is_empty() {
                    *held = None;
                }
            }
            Event::StartFailed { worker } | Event::WorkerExited { worker } => self.bury(worker),
            Event::Close => self.mode = Mode::Closing,
            Event::Terminate => {
                self.mode = Mode::Terminated;
                let why = JobFailure::Terminated;
                let fails = self.ledger.live().map(|job| Command::FailJob { job, why });
                self.owed.extend(fails);
                self.owe_kills(KillReason::Terminated, |_| true);
            }
        }
        Ok(())
    }

    /// Enters that the deadlines up to now are acted on.
    pub(super) fn expire(&mut self, now: Moment) {
        let due = |post: &Post| post.deadline.is_some_and(|deadline| deadline <= now);
        self.owe_kills(KillReason::StartTimeout, |post| due(post) && !post.stopped);
        self.owe_kills(KillReason::StopGrace, |post| due(post) && post.stopped);
    }

    fn owe_kills(&mut self, why: KillReason, whom: impl Fn(&Post) -> bool) {
        let posts = self.places.iter().filter_map(|place| place.post.as_ref());
        let whom = posts.filter(|post| post.killed.is_none() && whom(post));
        self.owed.extend(whom.map(|post| Command::Kill { worker: post.name, why }));
    }

    fn open(&mut self, job: JobId) {
        self.ledger.open(job);
        for place in &mut self.places {
            place.starts = 0;
            place.fruitless = 0;
        }
    }

    fn bury(&mut self, worker: Worker) {
        let place = &mut self.places[worker.slot.0];
        let post = place.post.take().expect("news comes from a process");
        self.buried = Some(post.serial);
        let by_its_own_fault = matches!(post.killed, None | Some(KillReason::StartTimeout));
        if by_its_own_fault && !post.stopped && !post.fruitful {
            place.fruitless += 1;
        }
        if post.killed == Some(KillReason::JobDropped) {
            place.starts = place.starts.saturating_sub(1);
        }
        let Some(Held { job, mut items, begun }) = post.held else {
            return;
        };
        if begun {
            let item = items.start;
            self.owed.push(Command::FailItem { worker, job, item });
            items.start += 1;
        }
        self.ledger.come_back(job, &items);
    }
}
