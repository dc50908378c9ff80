//! What the world expects of the scheduler: a second account of the pool, kept
//! only from what the scheduler was told and from what it commanded.
//!
//! Its own identities are serial numbers of processes. A name that the
//! scheduler gives is only ever compared with the name that the process in
//! that place was given at its start.

use std::collections::VecDeque;

use super::super::{Command, Config, Event, JobFailure, Judgement, Mode, Terms};
use super::broken::Broken;
use super::lack::Lack;
use super::ledger::{Fate, Ledger, Serial};
use super::posts::{Held, Place, Post};
use crate::ids::{Item, JobId, Moment, Slot, Worker};

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
    /// Deaths that count for the breaker, and those of this step.
    pub(super) deaths: VecDeque<Moment>,
    pub(super) untold_deaths: usize,
    pub(super) lack: Lack,
    /// Jobs fail in this step because no worker will do.
    pub(super) tripping: bool,
    /// No process is started and no job opened until somebody says so.
    pub(super) tripped: bool,
    /// Somebody waits for all processes to be gone, and how often they were since.
    pub(super) joining: bool,
    pub(super) departures: u64,
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
            deaths: VecDeque::new(),
            untold_deaths: 0,
            lack: Lack::default(),
            tripping: false,
            tripped: false,
            joining: false,
            departures: 0,
        }
    }

    pub(super) fn posts(&self) -> impl Iterator<Item = &Post> + '_ {
        self.places.iter().filter_map(|place| place.post.as_ref())
    }

    pub(super) fn post(&self, slot: usize) -> &Post {
        self.places[slot].post.as_ref().expect("a process in the slot")
    }

    pub(super) fn post_mut(&mut self, worker: Worker) -> &mut Post {
        self.places[worker.slot.0].post.as_mut().expect("news comes from a process")
    }

    pub(super) fn has_jobs(&self) -> bool {
        self.ledger.live().next().is_some()
    }

    pub(super) fn wants_workers(&self) -> bool {
        match self.mode {
            Mode::Open => !self.tripped,
            Mode::Closing => !self.ledger.rests(),
            Mode::Terminated => false,
        }
    }

    /// Whether processes that have nothing to do are to leave.
    pub(super) fn may_leave(&self) -> bool {
        let rests = self.joining && self.ledger.rests();
        self.mode == Mode::Closing && (!self.has_jobs() || rests)
    }

    /// Whoever has joined has waited long enough when nothing is left to do and nobody to
    /// do it.
    pub(super) fn depart(&mut self) -> bool {
        let is_empty = self.posts().next().is_none();
        let departs = self.joining && self.mode == Mode::Closing && is_empty && self.ledger.rests();
        if departs {
            self.joining = false;
            self.departures += 1;
        }
        departs
    }

    /// Whether a place stands empty for good, as far as is known now.
    pub(super) fn is_given_up(&self, slot: usize) -> bool {
        self.places[slot].is_given_up(self.config.replace)
    }

    pub(super) fn all_given_up(&self) -> bool {
        self.places.iter().all(|place| place.is_given_up(self.config.replace))
    }

    /// When something is due, but for looks at the watched.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        let posts = self.posts().filter_map(|post| post.deadline);
        posts.chain(self.ledger.next_moment()).chain(self.lack.until).min()
    }

    /// Whether these may be the slots whose deadline has come: all that have one, and
    /// watched ones at which an item may be overdue.
    pub(super) fn are_overdue(&self, slots: &[Slot], now: Moment) -> bool {
        let is_due = |post: &Post| post.deadline.is_some_and(|deadline| deadline <= now);
        let may_be = |post: &Post| post.soonest_overdue().is_some_and(|moment| moment <= now);
        let mut all_there = self.posts().filter(|post| is_due(post));
        all_there.all(|post| slots.contains(&post.name.slot))
            && slots.iter().all(|slot| {
                let post = self.places[slot.0].post.as_ref();
                post.is_some_and(|post| is_due(post) || may_be(post))
            })
    }

    /// Whether the event says something that was not known and still matters.
    pub(super) fn is_news(&self, event: &Event) -> bool {
        match *event {
            Event::JobOpened { job, .. } => self.ledger.fate(job).is_none(),
            Event::JobEnded { job } => self.ledger.is_live(job) && !self.ledger.has_ended(job),
            Event::ItemsQueued { job, .. } | Event::JobDropped { job } => self.ledger.is_live(job),
            Event::WorkerReady { worker } => {
                self.named(worker).is_some_and(|post| !post.ready && post.ended.is_none())
            }
            Event::ItemsFinished { worker, job, ref items } => {
                let begins_it = |held: &Held| {
                    let is_next = held.job == job && held.items.start == items.start;
                    is_next && !items.is_empty() && items.end <= held.items.end
                };
                self.named(worker).and_then(|post| post.held.front()).is_some_and(begins_it)
            }
            Event::ItemHeld { worker, job, item } => {
                self.named(worker).is_some_and(|post| post.is_at(job, item))
            }
            Event::ItemJudged { job, item, .. } => self.ledger.is_unjudged(job, item),
            Event::Recalled { worker, .. } => {
                self.named(worker).is_some_and(|post| post.asked.is_some())
            }
            Event::ProgressChecked { worker, .. } => {
                self.named(worker).is_some_and(Post::is_watched)
            }
            Event::WorkerRetired { worker, .. } => self
                .named(worker)
                .is_some_and(|post| post.ready && !post.stopped && post.ended.is_none()),
            Event::StartFailed { worker, .. } | Event::WorkerExited { worker, .. } => {
                self.named(worker).is_some()
            }
            Event::Reset => self.tripped,
            Event::Close => self.mode == Mode::Open,
            Event::Join => self.mode == Mode::Closing && !self.joining,
            Event::Terminate { .. } => self.mode != Mode::Terminated,
        }
    }

    fn named(&self, worker: Worker) -> Option<&Post> {
        let post = self.places.get(worker.slot.0)?.post.as_ref()?;
        (post.name == worker).then_some(post)
    }

    /// Enters an event that is news.
    pub(super) fn enter(&mut self, event: &Event) -> Result<(), Broken> {
        match *event {
            Event::JobOpened { job, terms } => self.open(job, terms),
            Event::ItemsQueued { job, ref items, weight } => {
                self.ledger.queue(job, items);
                self.wait(job, items, weight);
            }
            Event::JobEnded { job } => self.ledger.end(job),
            Event::JobDropped { job } => {
                self.ledger.leave(job, Fate::Dropped);
                self.owe_recalls(|post| post.holds(job));
            }
            Event::WorkerReady { worker } => {
                let post = self.post_mut(worker);
                post.ready = true;
                post.deadline = None;
                self.lack = Lack::default();
            }
            Event::ItemsFinished { worker, job, ref items } => {
                let serial = self.progress(worker, items.end);
                for item in items.clone() {
                    self.ledger.finished(job, item, serial)?;
                }
            }
            Event::ItemHeld { worker, job, item } => {
                let serial = self.progress(worker, item + 1);
                self.ledger.failed(job, item, serial)?;
            }
            Event::ItemJudged { job, item, verdict } => self.judged(job, item, verdict),
            Event::Recalled { worker, kept, now } => self.take_back(worker, kept, now),
            Event::ProgressChecked { worker, began, now } => self.looked(worker, began, now),
            Event::WorkerRetired { worker, now } => self.retire(worker, now),
            Event::StartFailed { worker, exhausted, now } => {
                let is_wanted = self.config.replace && self.post_mut(worker).ended.is_none();
                match exhausted && is_wanted {
                    true => self.lacks(worker, now),
                    false => self.worker_exited(worker, false),
                }
            }
            Event::WorkerExited { worker, begun } => self.worker_exited(worker, begun),
            Event::Reset => {
                self.tripped = false;
                self.deaths.clear();
                self.lack = Lack::default();
                self.forgive();
            }
            Event::Close => self.mode = Mode::Closing,
            Event::Join => self.joining = true,
            Event::Terminate { now } => {
                self.mode = Mode::Terminated;
                let why = JobFailure::Terminated;
                let fails = self.ledger.live().map(|job| Command::FailJob { job, why });
                self.owed.extend(fails);
                self.end_all(now);
                for post in self.places.iter().filter_map(|place| place.post.as_ref()) {
                    post.held.iter().for_each(|held| self.ledger.leave_with(held.job, post.serial));
                }
            }
        }
        Ok(())
    }

    fn open(&mut self, job: JobId, terms: Terms) {
        self.ledger.open(job, terms);
        self.forgive();
    }

    fn forgive(&mut self) {
        for place in &mut self.places {
            place.starts = 0;
            place.fruitless = 0;
        }
    }

    /// A process has outcomes for what it was at, up to this item.
    fn progress(&mut self, worker: Worker, end: Item) -> Serial {
        let place = &mut self.places[worker.slot.0];
        place.bear_fruit();
        let post = place.post.as_mut().expect("news comes from a process");
        let held = post.held.front_mut().expect("it finishes what it holds");
        held.items.start = end;
        if held.items.is_empty() {
            post.held.pop_front();
        }
        post.serial
    }

    fn judged(&mut self, job: JobId, item: Item, verdict: Judgement) {
        match verdict {
            Judgement::Settled => self.ledger.settled(job, item),
            Judgement::Again { .. } if self.ledger.has_expired(job) => {
                self.owed.push(Command::FailItems { job, items: item..item + 1 });
            }
            Judgement::Again { not_before, weight } => {
                self.ledger.again(job, item, not_before, weight);
            }
        }
    }
}
