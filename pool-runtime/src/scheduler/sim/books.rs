//! What the world expects of the scheduler: a second account of the pool, kept
//! only from what the scheduler was told and from what it commanded.
//!
//! Its own identities are serial numbers of processes. A name that the
//! scheduler gives is only ever compared with the name that the process in
//! that place was given at its start.

use std::collections::VecDeque;

use super::super::{
    Command, Config, DEPTH, Event, FRUITLESS_LIVES, ItemFailure, JobFailure, Kept, KillReason, Mode,
};
use super::broken::Broken;
use super::ledger::{Fate, Ledger, Serial};
use crate::ids::{Items, JobId, Moment, Slot, Worker};

/// A chunk that a process was sent, as far as it has not told that it is done.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) job: JobId,
    pub(super) items: Items,
    pub(super) weight: u32,
}

/// A process, as far as it was told something and has told something.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) serial: Serial,
    pub(super) name: Worker,
    pub(super) ready: bool,
    /// In the order in which it was sent them.
    pub(super) held: VecDeque<Held>,
    /// It was asked for what it has not begun, and has not answered.
    pub(super) asked: bool,
    pub(super) deadline: Option<Moment>,
    pub(super) stopped: bool,
    pub(super) killed: Option<KillReason>,
    /// An item has begun in it, as far as it has told.
    pub(super) fruitful: bool,
}

impl Post {
    fn serves(&self) -> bool {
        self.ready && !self.stopped && self.killed.is_none()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.serves() && self.held.is_empty()
    }

    /// Whether it has chunks behind the one that it may have begun.
    pub(super) fn is_stocked(&self) -> bool {
        self.serves() && self.held.len() > 1
    }

    pub(super) fn weight(&self) -> u32 {
        self.held.iter().map(|held| held.weight).sum()
    }

    pub(super) fn has_room(&self) -> bool {
        self.serves() && self.weight() < DEPTH
    }
}

#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) post: Option<Post>,
    /// The names of all that were here before.
    pub(super) past: Vec<Worker>,
    /// Processes in a row that ended before an item began in them.
    fruitless: u32,
    /// Processes started since the last job was opened or item known to have begun,
    /// save those that a dropped job took with it.
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
    /// No process is started and no job opened until somebody says so.
    pub(super) tripped: bool,
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
            tripped: false,
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
            Mode::Open => !self.tripped,
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
            Event::JobOpened { job, .. } => self.ledger.fate(job).is_none(),
            Event::JobEnded { job } => self.ledger.is_live(job) && !self.ledger.has_ended(job),
            Event::ItemsQueued { job, .. } | Event::JobDropped { job } => self.ledger.is_live(job),
            Event::WorkerReady { worker } => {
                self.named(worker).is_some_and(|post| !post.ready && post.killed.is_none())
            }
            Event::ItemsFinished { worker, job, ref items } => {
                let begins_it = |held: &Held| {
                    let is_next = held.job == job && held.items.start == items.start;
                    is_next && !items.is_empty() && items.end <= held.items.end
                };
                self.named(worker).and_then(|post| post.held.front()).is_some_and(begins_it)
            }
            Event::Recalled { worker, .. } => self.named(worker).is_some_and(|post| post.asked),
            Event::StartFailed { worker } | Event::WorkerExited { worker, .. } => {
                self.named(worker).is_some()
            }
            Event::Reset => self.tripped,
            Event::Close => self.mode == Mode::Open,
            Event::Terminate => self.mode != Mode::Terminated,
            Event::ItemHeld { .. }
            | Event::ItemJudged { .. }
            | Event::Looked { .. }
            | Event::WorkerRetired { .. } => false,
        }
    }

    fn named(&self, worker: Worker) -> Option<&Post> {
        let post = self.places.get(worker.slot.0)?.post.as_ref()?;
        (post.name == worker).then_some(post)
    }

    fn place_mut(&mut self, worker: Worker) -> (&mut Place, &mut Ledger) {
        (&mut self.places[worker.slot.0], &mut self.ledger)
    }

    /// Enters an event that is news.
    pub(super) fn enter(&mut self, event: &Event) -> Result<(), Broken> {
        match *event {
            Event::JobOpened { job, .. } => self.open(job),
            Event::ItemsQueued { job, ref items, weight } => self.ledger.queue(job, items, weight),
            Event::JobEnded { job } => self.ledger.end(job),
            Event::JobDropped { job } => {
                self.ledger.leave(job, Fate::Dropped);
                let has_it = |post: &&Post| post.held.iter().any(|held| held.job == job);
                let posts = self.places.iter().filter_map(|place| place.post.as_ref());
                let posts = posts.filter(has_it).filter(|post| !post.asked);
                self.owed.extend(posts.map(|post| Command::Recall { worker: post.name }));
            }
            Event::WorkerReady { worker } => {
                let post = self.places[worker.slot.0].post.as_mut();
                let post = post.expect("news comes from a process");
                post.ready = true;
                post.deadline = None;
            }
            Event::ItemsFinished { worker, job, ref items } => {
                self.bear_fruit(worker);
                let (place, ledger) = self.place_mut(worker);
                let post = place.post.as_mut().expect("news comes from a process");
                for item in items.clone() {
                    ledger.finished(job, item, post.serial)?;
                }
                let held = post.held.front_mut().expect("it finishes what it holds");
                held.items.start = items.end;
                if held.items.is_empty() {
                    post.held.pop_front();
                }
            }
            Event::Recalled { worker, kept, .. } => self.take_back(worker, kept != Kept::Nothing),
            Event::StartFailed { worker } => self.bury(worker, false),
            Event::WorkerExited { worker, begun } => self.bury(worker, begun),
            Event::Reset => self.reset(),
            Event::Close => self.mode = Mode::Closing,
            Event::ItemHeld { .. }
            | Event::ItemJudged { .. }
            | Event::Looked { .. }
            | Event::WorkerRetired { .. } => unreachable!("no news"),
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

    /// Whether these are the slots whose deadline has come.
    pub(super) fn are_overdue(&self, slots: &[Slot], now: Moment) -> bool {
        let mut slots = slots.to_vec();
        slots.sort();
        let due = |post: &&Post| post.deadline.is_some_and(|deadline| deadline <= now);
        self.posts().filter(due).map(|post| post.name.slot).eq(slots)
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
        self.forgive();
    }

    fn reset(&mut self) {
        self.tripped = false;
        self.forgive();
    }

    fn forgive(&mut self) {
        for place in &mut self.places {
            place.starts = 0;
            place.fruitless = 0;
        }
    }

    /// It is known that an item has begun in the process.
    fn bear_fruit(&mut self, worker: Worker) {
        let (place, _) = self.place_mut(worker);
        (place.fruitless, place.starts) = (0, 0);
        place.post.as_mut().expect("news comes from a process").fruitful = true;
    }

    /// All is back but the first chunk, if that had begun; and if its job is gone,
    /// the process must go too.
    fn take_back(&mut self, worker: Worker, begun: bool) {
        let (place, ledger) = self.place_mut(worker);
        let post = place.post.as_mut().expect("an answer comes from a process");
        post.asked = false;
        let kept = usize::from(begun).min(post.held.len());
        for Held { job, items, weight } in post.held.drain(kept..) {
            ledger.come_back(job, &items, weight);
        }
        if post.held.front().is_some_and(|held| !ledger.is_live(held.job)) {
            self.owed.push(Command::Kill { worker, why: KillReason::JobDropped });
        }
    }

    fn bury(&mut self, worker: Worker, begun: bool) {
        if begun && !self.post(worker.slot.0).held.is_empty() {
            self.bear_fruit(worker);
        }
        let place = &mut self.places[worker.slot.0];
        let post = place.post.take().expect("news comes from a process");
        let by_its_own_fault = matches!(post.killed, None | Some(KillReason::StartTimeout));
        if by_its_own_fault && !post.stopped && !post.fruitful {
            place.fruitless += 1;
        }
        if post.killed == Some(KillReason::JobDropped) {
            place.starts = place.starts.saturating_sub(1);
        }
        for (index, Held { job, mut items, weight }) in post.held.into_iter().enumerate() {
            if begun && index == 0 {
                if self.ledger.is_live(job) {
                    let item = items.start;
                    self.owed.push(Command::FailItem { worker, job, item, why: ItemFailure::Died });
                }
                items.start += 1;
            }
            self.ledger.come_back(job, &items, weight);
        }
        self.buried = Some(post.serial);
    }
}
