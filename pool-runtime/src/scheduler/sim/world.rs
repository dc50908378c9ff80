//! The engine, the processes and the callers around one scheduler, all of them
//! played from one seed.
//!
//! The world keeps the engine's rules (see `engine`). All else comes in any order. When
//! faults are over, every run must come to its end within a bounded number of steps.

use std::collections::VecDeque;

use super::super::{Command, Event, Mode, Scheduler};
use super::books::Books;
use super::broken::{Broken, Rule, broken};
use super::caller::{Caller, Stage, Wish};
use super::child::Child;
use super::ledger::Fate;
use super::plan::Plan;
use super::rng::Rng;
use super::tally::{Happening, Tally};
use crate::ids::{Item, JobId, Moment};

/// Steps that a run may take after faults are over.
const LAST_STEPS: u64 = 20_000;

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) plan: Plan,
    pub(super) scheduler: Scheduler,
    pub(super) books: Books,
    pub(super) children: Vec<Option<Child>>,
    pub(super) callers: Vec<Caller>,
    /// What processes have said, for repeating it.
    pub(super) past: Vec<Event>,
    pub(super) now: Moment,
    pub(super) tally: Tally,
    /// Commands that are not carried out, in order.
    pub(super) pending: VecDeque<Command>,
    /// Jobs that were dropped in this step, or came to an end before theirs.
    pub(super) overs: usize,
    /// Items that have failed and are not judged yet.
    pub(super) questions: Vec<(JobId, Item)>,
    step: u64,
    trace: Option<Vec<String>>,
}

impl World {
    pub(super) fn new(seed: u64, traced: bool) -> Self {
        let mut rng = Rng::new(seed);
        let (plan, callers) = Plan::draw(&mut rng);
        let now = Moment::from_millis(rng.below(1000));
        World {
            rng,
            scheduler: Scheduler::new(plan.config.clone(), now),
            books: Books::new(plan.config.clone()),
            children: std::iter::repeat_with(|| None).take(plan.config.workers).collect(),
            plan,
            callers,
            past: Vec::new(),
            now,
            tally: Tally::new(),
            pending: VecDeque::new(),
            overs: 0,
            questions: Vec::new(),
            step: 0,
            trace: traced.then(Vec::new),
        }
    }

    pub(super) fn into_trace(self) -> Vec<String> {
        self.trace.unwrap_or_default()
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9.3} ms  {}", self.now.as_secs_f64() * 1e3, line()));
        }
    }

    /// Lives the whole life of the pool.
    pub(super) fn run(&mut self) -> Result<(), Broken> {
        self.tally.lives += 1;
        if !self.plan.config.replace {
            self.tally.count(Happening::SingleLifePool);
        }
        self.collect()?;
        self.carry_out()?;
        while !self.is_over() {
            self.step += 1;
            if self.step > self.plan.calm_at + LAST_STEPS {
                return broken(Rule::Progress, "the run does not end");
            }
            self.act()?;
        }
        self.books.ledger.audit()?;
        for caller in &self.callers {
            if self.books.ledger.fate(caller.job) == Some(Fate::Done) {
                caller.check_served()?;
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.scheduler.is_finished() && self.are_callers_away()
    }

    /// Faults are over.
    pub(super) fn is_calm(&self) -> bool {
        self.step >= self.plan.calm_at
    }

    fn are_callers_away(&self) -> bool {
        self.callers.iter().all(|caller| caller.stage == Stage::Away)
    }

    fn act(&mut self) -> Result<(), Broken> {
        self.now += Moment::from_micros(self.rng.below(500));
        let is_calm = self.is_calm();
        if self.step == self.plan.calm_at {
            self.callers.iter_mut().for_each(Caller::run_dry);
        }
        if self.plan.close_at == Some(self.step) && self.books.mode == Mode::Open {
            return self.shut(Event::Close);
        }
        let terminated = self.books.mode == Mode::Terminated;
        let impatient = self.plan.impatient && self.books.mode == Mode::Closing;
        let has_enough = impatient && self.rng.percent(5);
        if (self.plan.terminate_at == Some(self.step) || has_enough) && !terminated {
            return self.shut(Event::Terminate { now: self.now });
        }
        if self.books.mode == Mode::Closing && !self.books.joining && self.rng.percent(4) {
            return self.join();
        }
        if !is_calm && self.rng.per_mille(self.plan.trouble) && self.trouble()? {
            return Ok(());
        }
        if self.rng.percent(self.plan.clock) {
            return self.pass_time();
        }
        if self.wants_to_shut() && self.rng.percent(5) {
            return self.shut_in_the_end();
        }
        if self.rng.percent(10) && self.let_judge_act()? {
            return Ok(());
        }
        if self.books.tripped && self.books.mode == Mode::Open && self.rng.percent(3) {
            return self.reset();
        }
        let done = match self.rng.percent(self.plan.haste) {
            true => self.let_process_act()? || self.let_caller_act()?,
            false => self.let_caller_act()? || self.let_process_act()?,
        };
        match done || self.let_judge_act()? {
            true => Ok(()),
            false => self.wait(),
        }
    }

    pub(super) fn wants_to_shut(&self) -> bool {
        self.books.mode == Mode::Open && self.are_callers_away()
    }

    /// Somebody lets workers start again.
    fn reset(&mut self) -> Result<(), Broken> {
        self.tally.count(Happening::Reset);
        self.past.push(Event::Reset);
        self.tell(Event::Reset).map(drop)
    }

    pub(super) fn shut_in_the_end(&mut self) -> Result<(), Broken> {
        match self.rng.percent(70) {
            true => self.shut(Event::Close),
            false => self.shut(Event::Terminate { now: self.now }),
        }
    }

    fn shut(&mut self, event: Event) -> Result<(), Broken> {
        let happening = match (&event, self.books.mode, self.books.has_jobs()) {
            (Event::Close, _, true) => Happening::ClosedWithWork,
            (Event::Close, _, false) => Happening::ClosedIdle,
            (_, Mode::Open, _) => Happening::TerminatedOpen,
            (_, _, _) => Happening::TerminatedClosing,
        };
        self.tally.count(happening);
        self.tell(event).map(drop)
    }

    /// Somebody waits for all processes to be gone.
    fn join(&mut self) -> Result<(), Broken> {
        self.tally.count(match self.books.ledger.rests() {
            true => Happening::JoinedAtRest,
            false => Happening::JoinedAtWork,
        });
        self.tell(Event::Join).map(drop)
    }

    /// Some process that can goes on, or is heard.
    fn let_process_act(&mut self) -> Result<bool, Broken> {
        let first = self.rng.index(self.children.len());
        let is_calm = self.is_calm();
        for offset in 0..self.children.len() {
            let slot = (first + offset) % self.children.len();
            let Some(child) = &self.children[slot] else { continue };
            let goes_on = child.goes_on_at(is_calm).is_some_and(|moment| moment <= self.now);
            let is_heard = child.can_be_heard();
            if goes_on && (!is_heard || self.rng.percent(50)) {
                self.let_go_on(slot)?;
                return Ok(true);
            }
            if is_heard {
                self.hear(slot)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The process of a slot does the next thing, if it can.
    pub(super) fn let_go_on(&mut self, slot: usize) -> Result<(), Broken> {
        let (now, is_calm) = (self.now, self.is_calm());
        let Some(child) = &mut self.children[slot] else { return Ok(()) };
        if child.goes_on_at(is_calm).is_some_and(|moment| moment <= now) {
            let happening = child.go_on(&mut self.books.ledger, &mut self.rng, now, is_calm)?;
            happening.into_iter().for_each(|happening| self.tally.count(happening));
        }
        Ok(())
    }

    pub(super) fn hear(&mut self, slot: usize) -> Result<(), Broken> {
        let event = self.next_word(slot);
        let gives_back =
            matches!(event, Event::WorkerRetired { .. }) && !self.books.post(slot).held.is_empty();
        if gives_back {
            self.tally.count(Happening::RetirementGaveBack);
        }
        if !self.tell(event)? {
            let post = self.books.post(slot);
            let is_over = post.ended.is_some() || post.leaving;
            assert!(is_over || post.stopped, "who is wanted tells nothing that is no news");
            self.tally.count(match is_over {
                true => Happening::NewsAfterKill,
                false => Happening::GoodbyeCrossedRetirement,
            });
        }
        Ok(())
    }

    /// Some caller that is not blocked acts.
    fn let_caller_act(&mut self) -> Result<bool, Broken> {
        let count = self.callers.len();
        let first = if count == 0 { 0 } else { self.rng.index(count) };
        let hungry = self.scheduler.is_hungry();
        let able = |&index: &usize| self.callers[index].can_act(hungry);
        let Some(index) = (0..count).map(|offset| (first + offset) % count).find(able) else {
            return Ok(false);
        };
        let caller = &mut self.callers[index];
        let job = caller.job;
        if caller.stage == Stage::Leaving {
            caller.stage = Stage::Away;
            if self.rng.percent(50) {
                self.talk_of_gone_job(job)?;
            }
            return Ok(true);
        }
        match caller.act(&mut self.rng, hungry) {
            None => {}
            Some(Wish::Open) => self.open(index)?,
            Some(Wish::Queue(items, weight)) => {
                if caller.is_window_full() {
                    self.tally.count(Happening::WindowWasFull);
                }
                if self.books.ledger.is_live(job) && self.books.ledger.has_expired(job) {
                    self.tally.count(Happening::QueuedAfterExpiry);
                }
                self.tell(Event::ItemsQueued { job, items, weight })?;
            }
            Some(Wish::End) => {
                caller.stage = Stage::Taking;
                self.tally.count(Happening::CallerEnded);
                self.tell(Event::JobEnded { job })?;
            }
            Some(Wish::Drop) => {
                self.tally.count(Happening::CallerLeftAtFailure);
                self.drop_job(index)?;
            }
        }
        Ok(true)
    }

    fn open(&mut self, index: usize) -> Result<(), Broken> {
        let caller = &mut self.callers[index];
        if self.books.mode != Mode::Open {
            caller.stage = Stage::Away;
            return Ok(());
        }
        if self.books.tripped {
            if self.rng.percent(50) {
                caller.stage = Stage::Away;
                self.tally.count(Happening::RefusedWhileTripped);
                return Ok(());
            }
            self.reset()?;
        }
        let caller = &mut self.callers[index];
        caller.stage = Stage::Pulling;
        let job = caller.job;
        match caller.supply {
            Some(0) => self.tally.count(Happening::EmptyJob),
            Some(_) => {}
            None => self.tally.count(Happening::EndlessCaller),
        }
        if self.books.all_given_up() {
            self.tally.count(Happening::OpenedAfterGivingUp);
        }
        let terms = &mut self.callers[index].terms;
        terms.deadline = terms.deadline.map(|deadline| self.now.saturating_add(deadline));
        let terms = *terms;
        self.tell(Event::JobOpened { job, terms }).map(drop)
    }

    pub(super) fn drop_job(&mut self, index: usize) -> Result<(), Broken> {
        self.callers[index].stage = Stage::Leaving;
        self.callers[index].left = true;
        let job = self.callers[index].job;
        self.tell(Event::JobDropped { job }).map(drop)
    }
}
