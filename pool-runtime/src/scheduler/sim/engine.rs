//! The engine, as the scheduler knows it.
//!
//! Commands are carried out in order before the next event, save that a `Recall`
//! is answered while others wait. What a process has said is heard before its
//! answer and before its exit.

use super::super::{Command, Event, JobFailure, Kept, KillReason, Verdict};
use super::broken::{Broken, Rule, broken};
use super::caller::{Caller, Stage};
use super::child::Child;
use super::glimpse::Glimpse;
use super::tally::Happening;
use super::world::World;
use crate::ids::{JobId, Slot, Worker};

/// How much was done in one step.
#[derive(Default)]
struct Toil {
    recalls: usize,
    /// All but recalls, and but sends, each of which uses up a chunk that waits.
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
    fn report(&mut self, event: Event) -> Result<bool, Broken> {
        self.tally.events += 1;
        let workers = self.children.len();
        let is_news = self.books.is_news(&event);
        let before = (!is_news).then(|| Glimpse::of(&self.scheduler, workers));
        self.note(|| format!("{event:?}{}", if is_news { "" } else { "  (no news)" }));
        let verdict = self.scheduler.note(event.clone());
        if (verdict == Verdict::Accepted) != is_news {
            let detail = format!("{event:?} was {verdict:?}, news: {is_news}");
            return broken(Rule::OnlyNewsCounts, detail);
        }
        if let Some(before) = before {
            self.decide();
            let after = Glimpse::of(&self.scheduler, workers);
            let command = self.scheduler.poll_command();
            if before != after || command.is_some() {
                let detail = format!("{event:?} led to {command:?} and {before:?} to {after:?}");
                return broken(Rule::OnlyNewsCounts, detail);
            }
            return Ok(false);
        }
        self.books.enter(&event)?;
        if let Event::JobDropped { .. } = event {
            self.drops += 1;
        }
        if let Event::ItemsFinished { job, items, .. } = event
            && !self.caller(job).left
        {
            for item in items {
                self.caller(job).arrive(item, false)?;
            }
            self.perhaps_over(job)?;
        }
        self.decide();
        self.collect()?;
        Ok(true)
    }

    fn decide(&mut self) {
        let now = self.now;
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
        self.note(|| format!("{over:?} in the same moment"));
        let verdict = self.scheduler.note(over.clone());
        assert_eq!(verdict, Verdict::Accepted, "the books say that it is news");
        self.drops += 1;
        self.books.enter(&over)
    }

    fn caller(&mut self, job: JobId) -> &mut Caller {
        &mut self.callers[job.0 as usize]
    }

    /// Enters what the scheduler commands, each command checked, and checks that it
    /// has nothing to add and asks for items only when it may.
    pub(super) fn collect(&mut self) -> Result<(), Broken> {
        while let Some(command) = self.scheduler.poll_command() {
            self.note(|| format!("    {command:?}"));
            self.books.obey(&command, self.now)?;
            self.pending.push_back(command);
            self.tally.commands += 1;
        }
        let now = self.now;
        self.scheduler.follow_up(|| now);
        match self.scheduler.poll_command() {
            None => self.books.check_hunger(&self.scheduler),
            Some(command) => broken(Rule::DecidesOnce, format!("an afterthought: {command:?}")),
        }
    }

    /// Carries out all commands, then looks at the whole.
    pub(super) fn carry_out(&mut self) -> Result<(), Broken> {
        let mut toil = Toil::default();
        while let Some(command) = self.pending.pop_front() {
            match command {
                Command::Recall { .. } => toil.recalls += 1,
                Command::Send { .. } => {}
                _ => toil.others += 1,
            }
            self.carry_out_one(command)?;
            self.check_toil(&toil)?;
        }
        self.drops = 0;
        self.books.check(&self.scheduler)?;
        for caller in &self.callers {
            if self.books.ledger.is_live(caller.job) {
                caller.check(self.books.ledger.unsettled(caller.job))?;
            }
        }
        Ok(())
    }

    /// A job that is dropped is recalled from each worker at most once. Before the
    /// first and after each, every worker is asked for its stock at most once: it has
    /// none then, and is sent one only when nobody is idle any more.
    fn check_toil(&self, toil: &Toil) -> Result<(), Broken> {
        let workers = self.children.len();
        let recalls = workers * (1 + 2 * self.drops);
        let others = 4 * workers + self.callers.len() + 2 * toil.recalls;
        if toil.recalls <= recalls && toil.others <= others {
            return Ok(());
        }
        let Toil { recalls, others } = toil;
        broken(Rule::Progress, format!("{recalls} recalls and {others} other commands in a step"))
    }

    fn carry_out_one(&mut self, command: Command) -> Result<(), Broken> {
        let happening = match command {
            Command::Start { worker } => {
                let (child, happening) = self.start(worker.slot.0);
                let before = self.children[worker.slot.0].replace(child);
                assert!(before.is_none(), "the books forbid two processes in a slot");
                happening
            }
            Command::Send { worker, job, items } => self.child(worker.slot).receive(job, items),
            Command::Recall { worker } => {
                self.answer(worker)?;
                None
            }
            Command::Stop { worker } => {
                self.child(worker.slot).goodbye();
                None
            }
            Command::Kill { worker, why } => {
                match why {
                    KillReason::StartTimeout => self.tally.count(Happening::NeverReportedIn),
                    KillReason::StopGrace => self.tally.count(Happening::NeverLeft),
                    KillReason::JobDropped => self.tally.count(Happening::KilledForDroppedJob),
                    KillReason::Terminated => {}
                    KillReason::ItemTimeout
                    | KillReason::JobDeadline
                    | KillReason::Unresponsive => {
                        unreachable!("the books forbid it")
                    }
                }
                self.child(worker.slot).kill()
            }
            Command::Condemn { .. }
            | Command::Ask { .. }
            | Command::ExpireJob { .. }
            | Command::FailItems { .. } => unreachable!("the books forbid it"),
            // The job may have been dropped since.
            Command::FailItem { job, .. } if self.caller(job).left => None,
            Command::FailItem { job, item, .. } => {
                self.caller(job).arrive(item, true)?;
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

    /// What a process has not claimed it loses at once; then it is heard, while it
    /// goes on and others may say what is no news; then it is told what it keeps.
    fn answer(&mut self, worker: Worker) -> Result<(), Broken> {
        let slot = worker.slot.0;
        let child = self.child(worker.slot);
        let back = child.recall();
        let mut due = child.unheard();
        let (had_died, had_news) = (child.is_gone(), due > 0);
        loop {
            if !self.is_calm() && self.rng.per_mille(self.plan.trouble) {
                self.trouble_in_between()?;
            }
            let child = self.children[slot].as_mut().expect("its exit was not heard");
            if child.can_go_on() && self.rng.percent(20) {
                child.go_on(&mut self.books.ledger, &mut self.rng)?;
            }
            if child.unheard() == 0 || (due == 0 && self.rng.percent(50)) {
                break;
            }
            let unheard = child.unheard();
            let word = self.next_word(slot);
            due = due.saturating_sub(unheard - self.child(worker.slot).unheard());
            assert!(self.report(word)?, "it was asked, so it is heard");
        }
        let child = self.child(worker.slot);
        let (begun, is_silent) = (child.has_begun_chunk(), child.is_silent());
        let is_at_chunk = child.is_at_chunk();
        let held = self.books.post(slot).held.iter().skip(begun.into());
        assert!(
            held.map(|held| (held.job, &held.items))
                .eq(back.iter().map(|(job, items)| (*job, items))),
            "what {worker:?} has lost is not what it has not begun"
        );
        let kept = if begun { Kept::Chunk } else { Kept::Nothing };
        let answer = Event::Recalled { worker, kept, now: self.now };
        if is_silent && !self.is_commanded(worker) && self.rng.percent(30) {
            self.tally.count(Happening::ExitBeforeAnswer);
            let exit = self.next_word(slot);
            self.report(exit)?;
            return self.report(answer).map(drop);
        }
        let is_gone = |job| !self.books.ledger.is_live(job);
        let kept_gone = self.books.post(slot).held.front().is_some_and(|held| is_gone(held.job));
        let back_gone = back.iter().any(|&(job, _)| is_gone(job));
        let happened = [
            (Happening::RecallBroughtNothing, back.is_empty()),
            (Happening::RecallFoundChunkBegun, begun && !back.is_empty()),
            (Happening::RecallCrossedResult, begun && !is_at_chunk),
            (Happening::RecallFoundNoneBegun, !begun && !back.is_empty()),
            (Happening::RecallFoundDeath, had_died),
            (Happening::RecallBroughtNews, had_news),
            (Happening::DropSparedWorker, back_gone && begun && !kept_gone),
            (Happening::KillGaveOthersBack, begun && kept_gone && !back.is_empty() && !back_gone),
        ];
        for (happening, _) in happened.into_iter().filter(|&(_, has)| has) {
            self.tally.count(happening);
        }
        self.report(answer).map(drop)
    }

    /// Whether a command is under way that wants to find it.
    fn is_commanded(&self, worker: Worker) -> bool {
        self.pending.iter().any(|command| match *command {
            Command::Stop { worker: whom } | Command::Kill { worker: whom, .. } => whom == worker,
            _ => false,
        })
    }

    /// What is heard next of the process of a slot, and is kept for repeating it.
    pub(super) fn next_word(&mut self, slot: usize) -> Event {
        let child = self.children[slot].as_mut().expect("somebody speaks");
        let event = child.hear(&mut self.rng);
        if matches!(event, Event::StartFailed { .. } | Event::WorkerExited { .. }) {
            self.children[slot] = None;
        }
        self.past.push(event.clone());
        event
    }

    fn child(&mut self, slot: Slot) -> &mut Child {
        self.children[slot.0].as_mut().expect("the books know of a process")
    }

    fn start(&mut self, slot: usize) -> (Child, Option<Happening>) {
        let post = self.books.post(slot);
        let is_calm = self.is_calm();
        let mut befalls = |chance: u64| self.rng.percent(chance) && !is_calm;
        if befalls(self.plan.stillborn) {
            return (Child::stillborn(post.serial, post.name), Some(Happening::StartFailed));
        }
        let (mute, clingy) = (befalls(self.plan.mute), befalls(self.plan.clingy));
        (Child::new(post.serial, post.name, mute, clingy), None)
    }
}
