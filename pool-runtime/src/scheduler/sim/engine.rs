//! The engine, as the scheduler knows it.
//!
//! Commands are carried out in order before the next event, save that a `Recall`
//! is answered while others wait. What a process has said is heard before its
//! answer and before its exit.

use super::super::{Command, Event, JobFailure, KillReason, Verdict};
use super::broken::{Broken, Rule, broken};
use super::caller::{Caller, Stage};
use super::child::Child;
use super::glimpse::Glimpse;
use super::habits::Habits;
use super::tally::Happening;
use super::world::World;
use crate::ids::{JobId, Moment, Slot};

/// How much was done in one step.
#[derive(Default)]
struct Toil {
    recalls: usize,
    /// Those of jobs that spare what runs are repeated while workers move on.
    fences: usize,
    /// All but those, and but sends and failures, each of which uses up a chunk.
    others: usize,
}

impl World {
    /// Tells the scheduler an event and carries out what comes of it; says whether
    /// it was news.
    pub(super) fn tell(&mut self, event: Event) -> Result<bool, Broken> {
        let is_news = self.report(event)?;
        if is_news {
            self.carry_out()?;
        }
        Ok(is_news)
    }

    /// Tells the scheduler an event and enters what it commands.
    pub(super) fn report(&mut self, event: Event) -> Result<bool, Broken> {
        let before = match self.books.is_news(&event) {
            true => None,
            false => Some(Glimpse::of(&self.scheduler, self.children.len())),
        };
        let is_live = |job| self.books.ledger.is_live(job);
        let is_awaited = matches!(event, Event::ItemsFinished { job, .. } if is_live(job));
        self.note_and_enter(event.clone())?;
        if let Some(before) = before {
            self.decide();
            let after = Glimpse::of(&self.scheduler, self.children.len());
            let command = self.scheduler.poll_command();
            if before != after || command.is_some() {
                let detail = format!("{event:?} led to {command:?} and {before:?} to {after:?}");
                return broken(Rule::OnlyNewsCounts, detail);
            }
            return Ok(false);
        }
        match event {
            Event::JobDropped { .. } => self.overs += 1,
            Event::ItemsFinished { job, items, .. } if is_awaited => {
                for item in items {
                    self.caller(job).arrive(item, false)?;
                }
                self.perhaps_over(job)?;
            }
            Event::ItemHeld { job, item, .. } => {
                self.tally.count(Happening::HeldForJudgement);
                if let Some(verdict) = self.perhaps_judge(job, item) {
                    self.note_and_enter(verdict.clone())?;
                    self.after_verdict(&verdict)?;
                }
            }
            Event::ItemJudged { .. } => self.after_verdict(&event)?,
            _ => {}
        }
        self.decide();
        self.collect()?;
        Ok(true)
    }

    /// Notes an event; says whether it was news.
    pub(super) fn note_and_enter(&mut self, event: Event) -> Result<bool, Broken> {
        self.tally.events += 1;
        let is_news = self.books.is_news(&event);
        self.note(|| format!("{event:?}{}", if is_news { "" } else { "  (no news)" }));
        let verdict = self.scheduler.note(event.clone());
        if (verdict == Verdict::Accepted) != is_news {
            let detail = format!("{event:?} was {verdict:?}, news: {is_news}");
            return broken(Rule::OnlyNewsCounts, detail);
        }
        if is_news {
            let was_short = self.books.lack.is_on();
            self.books.enter(&event)?;
            match event {
                _ if !was_short || self.books.lack.is_on() => {}
                Event::StartFailed { .. } => self.tally.count(Happening::ShortageWasTooLong),
                _ => self.tally.count(Happening::ShortageEnded),
            }
        }
        Ok(is_news)
    }

    fn decide(&mut self) {
        let now = self.now;
        self.books.count_deaths(now);
        if self.books.tripping {
            let at_work = self.books.posts().any(|post| !post.held.is_empty());
            self.tally.count(match at_work {
                true => Happening::BreakerTrippedAtWork,
                false => Happening::BreakerTripped,
            });
        }
        self.scheduler.decide(|| now);
    }

    /// Now and then the outcome of an item is one that ends its job, which the
    /// scheduler learns in the same moment.
    fn perhaps_over(&mut self, job: JobId) -> Result<(), Broken> {
        let over = Event::JobDropped { job };
        if !self.books.is_news(&over) || !self.rng.percent(5) {
            return Ok(());
        }
        self.tally.count(Happening::OverByAnOutcome);
        self.caller(job).stage = Stage::Leaving;
        self.caller(job).left = true;
        self.overs += 1;
        let is_news = self.note_and_enter(over)?;
        assert!(is_news, "the books say so");
        Ok(())
    }

    pub(super) fn caller(&mut self, job: JobId) -> &mut Caller {
        &mut self.callers[job.0 as usize]
    }

    /// Enters what the scheduler commands, each command checked, and checks that it
    /// has nothing to add and asks for items only when it may.
    pub(super) fn collect(&mut self) -> Result<(), Broken> {
        while let Some(command) = self.scheduler.poll_command() {
            self.note(|| format!("    {command:?}"));
            self.books.obey(&command, self.now)?;
            if let Command::ExpireJob { .. } | Command::FailJob { .. } = command {
                self.overs += 1;
            }
            self.pending.push_back(command);
            self.tally.commands += 1;
        }
        if self.books.depart() && self.books.has_jobs() {
            self.tally.count(Happening::LeftForJoin);
        }
        let now = self.now;
        self.scheduler.decide(|| now);
        self.books.check_trip()?;
        match self.scheduler.poll_command() {
            None => {
                self.books.check_hunger(&self.scheduler)?;
                self.books.check_watches(&self.scheduler)
            }
            Some(command) => broken(Rule::DecidesOnce, format!("an afterthought: {command:?}")),
        }
    }

    /// Carries out all commands, then looks at the whole.
    pub(super) fn carry_out(&mut self) -> Result<(), Broken> {
        let mut toil = Toil::default();
        while let Some(command) = self.pending.pop_front() {
            match command {
                Command::Recall { .. } => toil.recalls += 1,
                Command::Fence { .. } => toil.fences += 1,
                Command::Send { .. } | Command::FailItem { .. } | Command::FailItems { .. } => {}
                _ => toil.others += 1,
            }
            self.carry_out_one(command)?;
            self.check_toil(&toil)?;
        }
        self.overs = 0;
        self.books.ledger.seal();
        self.books.check(&self.scheduler)?;
        self.check_watches()?;
        for caller in &self.callers {
            if self.books.ledger.is_live(caller.job) {
                caller.check(self.books.ledger.unsettled(caller.job))?;
            }
        }
        Ok(())
    }

    /// Nobody looks at a worker too late.
    fn check_watches(&self) -> Result<(), Broken> {
        let next = self.scheduler.next_deadline().unwrap_or(Moment::MAX);
        for slot in 0..self.children.len() {
            if let Some(deadline) = self.deadline_in(slot)
                && deadline < next
            {
                let detail =
                    format!("slot {slot} is overdue at {deadline:?}, not seen till {next:?}");
                return broken(Rule::LimitsAreKept, detail);
            }
        }
        Ok(())
    }

    /// A job that is over is recalled from each worker at most once. Before the
    /// first and after each, every worker is asked for its stock at most once: it has
    /// none then, and is sent one only when nobody is idle any more.
    fn check_toil(&self, toil: &Toil) -> Result<(), Broken> {
        let workers = self.children.len();
        let recalls = workers * (1 + 2 * self.overs);
        let others = 4 * workers + 2 * self.callers.len() + 2 * toil.recalls;
        let is_little = toil.recalls <= recalls && toil.fences <= 40 * workers;
        if is_little && toil.others <= others + 2 * toil.fences {
            return Ok(());
        }
        let Toil { recalls, fences, others } = toil;
        let detail = format!("{recalls} recalls, {fences} fences and {others} others");
        broken(Rule::Progress, detail)
    }

    fn carry_out_one(&mut self, command: Command) -> Result<(), Broken> {
        let happening = match command {
            Command::Start { worker } => {
                if self.books.departures > 0 {
                    self.tally.count(Happening::CameBackAfterJoin);
                }
                let (child, happening) = self.start(worker.slot.0);
                let before = self.children[worker.slot.0].replace(child);
                assert!(before.is_none(), "the books forbid two processes in a slot");
                happening
            }
            Command::Send { worker, job, items } => {
                let terms = self.caller(job).terms;
                if self.books.ledger.tried_again(job, items.start) > 0 {
                    self.tally.count(Happening::TriedOnceMore);
                }
                self.child(worker.slot).receive(job, items, terms)
            }
            Command::Recall { worker } => {
                self.answer(worker, None)?;
                None
            }
            Command::Fence { worker, job, item } => {
                self.answer(worker, Some((job, item)))?;
                None
            }
            Command::Stop { worker } => {
                self.child(worker.slot).goodbye();
                None
            }
            Command::Kill { worker, why } => {
                match why {
                    KillReason::StartTimeout => self.tally.count(Happening::NeverReportedIn),
                    KillReason::StopGrace => {
                        let has_retired = self.child(worker.slot).has_retired();
                        self.tally.count(match has_retired {
                            true => Happening::NeverLeftAfterRetiring,
                            false => Happening::NeverLeft,
                        });
                    }
                    KillReason::JobDropped => self.tally.count(Happening::KilledForDroppedJob),
                    KillReason::Terminated
                    | KillReason::ItemTimeout
                    | KillReason::JobDeadline
                    | KillReason::Unresponsive => {}
                }
                if self.child(worker.slot).was_asked() && why != KillReason::Terminated {
                    self.tally.count(Happening::KilledAfterGrace);
                }
                self.child(worker.slot).kill()
            }
            Command::Ask { worker, why } => {
                if why == KillReason::JobDropped {
                    self.tally.count(Happening::KilledForDroppedJob);
                }
                self.child(worker.slot).ask()
            }
            Command::FailItem { job, item, .. } => {
                self.fail_item(job, item)?;
                None
            }
            Command::ExpireJob { .. } => None,
            Command::FailItems { job, items } => {
                let caller = self.caller(job);
                let items = if caller.left { 0..0 } else { items };
                for item in items {
                    caller.arrive(item, true)?;
                }
                None
            }
            Command::FailJob { job, why } => {
                self.caller(job).stage = Stage::Leaving;
                match (why, self.plan.config.replace) {
                    (JobFailure::Terminated, _) => None,
                    (JobFailure::NoWorkers, true) => Some(Happening::NoWorkersLeft),
                    (JobFailure::NoWorkers, false) => Some(Happening::SingleLifePoolDied),
                }
            }
        };
        if let Some(happening) = happening {
            self.tally.count(happening);
        }
        Ok(())
    }

    /// What is heard next of the process of a slot, and is kept for repeating it.
    pub(super) fn next_word(&mut self, slot: usize) -> Event {
        let child = self.children[slot].as_mut().expect("somebody speaks");
        let event = match child.hear(&mut self.rng) {
            Event::WorkerRetired { worker, .. } => Event::WorkerRetired { worker, now: self.now },
            Event::StartFailed { worker, exhausted, .. } => {
                Event::StartFailed { worker, exhausted, now: self.now }
            }
            // Nobody knows any more that its job has retries.
            Event::ItemHeld { worker, job, item } if !self.books.ledger.is_live(job) => {
                Event::ItemsFinished { worker, job, items: item..item + 1 }
            }
            event => event,
        };
        if matches!(event, Event::StartFailed { .. } | Event::WorkerExited { .. }) {
            self.children[slot] = None;
        }
        self.past.push(event.clone());
        event
    }

    pub(super) fn child(&mut self, slot: Slot) -> &mut Child {
        self.children[slot.0].as_mut().expect("the books know of a process")
    }

    fn start(&mut self, slot: usize) -> (Child, Option<Happening>) {
        let post = self.books.post(slot);
        let (serial, name) = (post.serial, post.name);
        let is_calm = self.is_calm();
        if self.rng.percent(self.plan.stillborn) && !is_calm {
            let exhausted = self.rng.percent(self.plan.exhausted);
            let happening =
                if exhausted { Happening::StartFailedScarce } else { Happening::StartFailed };
            return (Child::stillborn(serial, name, exhausted), Some(happening));
        }
        (Child::new(serial, name, Habits::draw(&mut self.rng, &self.plan, is_calm)), None)
    }
}
