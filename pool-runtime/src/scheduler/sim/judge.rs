//! Whether a command may be given, and whether all is well between two events.

use super::super::slots::{Life, Load};
use super::super::{Command, FRUITLESS_LIVES, JobFailure, KillReason, Mode, Scheduler};
use super::books::{Books, Held, Post};
use super::broken::{Broken, Rule, broken};
use super::ledger::{Fate, Serial};
use crate::ids::{Moment, Slot, Worker};

impl Books {
    /// Enters a command, if it may be given.
    pub(super) fn obey(&mut self, command: &Command, now: Moment) -> Result<(), Broken> {
        match *command {
            Command::Start { worker } => self.start(worker, now),
            Command::Send { worker, job, ref items } => {
                let terminated = self.mode == Mode::Terminated;
                let post = self.commanded(worker)?;
                if terminated || !post.is_idle() {
                    let detail = format!("{items:?} of {job:?} sent to {post:?}");
                    return broken(Rule::OneChunkAtATime, detail);
                }
                let serial = post.serial;
                post.held = Some(Held { job, items: items.clone(), begun: false });
                self.ledger.sent(job, items, serial)
            }
            Command::Stop { worker } => {
                let too_early = self.mode != Mode::Closing || self.has_jobs();
                let deadline = now.saturating_add(self.config.stop_grace);
                let post = self.commanded(worker)?;
                if too_early || !post.is_idle() {
                    return broken(Rule::CloseLosesNothing, format!("goodbye to {post:?}"));
                }
                post.stopped = true;
                post.deadline = Some(deadline);
                Ok(())
            }
            Command::Kill { worker, why } => {
                self.pay(command)?;
                let post = self.commanded(worker)?;
                post.killed = Some(why);
                post.deadline = None;
                post.held = None;
                Ok(())
            }
            Command::FailItem { job, item, .. } => {
                self.pay(command)?;
                let serial = self.buried.expect("an item fails by a death");
                self.ledger.failed(job, item, serial)
            }
            Command::FailJob { job, why } => {
                match why {
                    JobFailure::Terminated => self.pay(command)?,
                    JobFailure::NoWorkers if self.all_given_up() && self.ledger.is_live(job) => {}
                    JobFailure::NoWorkers => {
                        return broken(Rule::StrandedJobsFail, format!("{job:?} failed too early"));
                    }
                }
                self.ledger.leave(job, Fate::Failed);
                Ok(())
            }
        }
    }

    fn start(&mut self, worker: Worker, now: Moment) -> Result<(), Broken> {
        let wanted = self.wants_workers();
        let given_up = self.is_given_up(worker.slot.0);
        let place = &mut self.places[worker.slot.0];
        if place.post.is_some() || place.past.contains(&worker) {
            return broken(Rule::OneProcessPerSlot, format!("{worker:?} started beside {place:?}"));
        }
        if !wanted {
            return broken(Rule::Replacement, format!("nobody needs {worker:?}"));
        }
        place.starts += 1;
        if given_up || place.starts > FRUITLESS_LIVES {
            return broken(Rule::BoundedStarts, format!("{worker:?} started after {place:?}"));
        }
        place.past.push(worker);
        place.post = Some(Post {
            serial: Serial(self.processes),
            name: worker,
            ready: false,
            held: None,
            deadline: Some(now.saturating_add(self.config.start_timeout)),
            stopped: false,
            killed: None,
            fruitful: false,
        });
        self.processes += 1;
        Ok(())
    }

    /// The process that a command is for.
    fn commanded(&mut self, worker: Worker) -> Result<&mut Post, Broken> {
        let place = self.places.get_mut(worker.slot.0);
        match place.and_then(|place| place.post.as_mut()) {
            Some(post) if post.name == worker => Ok(post),
            other => broken(
                Rule::CommandsMeetTheirWorker,
                format!("a command for {worker:?} met {other:?}"),
            ),
        }
    }

    /// A command that must come only when it is due.
    fn pay(&mut self, command: &Command) -> Result<(), Broken> {
        let Some(index) = self.owed.iter().position(|owed| owed == command) else {
            return broken(rule_of(command), format!("{command:?} was not due"));
        };
        self.owed.swap_remove(index);
        Ok(())
    }

    /// What must hold when all commands of a step are carried out.
    pub(super) fn check(&self, scheduler: &Scheduler) -> Result<(), Broken> {
        if let Some(owed) = self.owed.first() {
            return broken(rule_of(owed), format!("{owed:?} did not come"));
        }
        if self.all_given_up() && self.has_jobs() {
            return broken(Rule::StrandedJobsFail, "no worker will come, but the jobs wait");
        }
        for (slot, place) in self.places.iter().enumerate() {
            if self.wants_workers() && place.post.is_none() && !self.is_given_up(slot) {
                return broken(Rule::Replacement, format!("slot {slot} stays empty: {place:?}"));
            }
        }
        let idle = self.posts().any(Post::is_idle);
        let waiting = self.ledger.is_anything_waiting();
        if idle && waiting {
            return broken(Rule::WorkConservation, "a worker is idle while items wait");
        }
        if idle && self.mode == Mode::Closing && !self.has_jobs() {
            return broken(Rule::Progress, "an idle worker was not told goodbye");
        }
        if scheduler.is_hungry() != (idle && !waiting) {
            return broken(Rule::WorkConservation, format!("hunger is {}", scheduler.is_hungry()));
        }
        if scheduler.next_deadline() != self.next_deadline() {
            let (is, should) = (scheduler.next_deadline(), self.next_deadline());
            return broken(Rule::Deadlines, format!("the next is {is:?}, should be {should:?}"));
        }
        let empty = self.posts().next().is_none();
        let finished = self.mode != Mode::Open && empty && !self.has_jobs();
        if scheduler.is_finished() != finished || scheduler.is_open() != (self.mode == Mode::Open) {
            return broken(Rule::Progress, format!("is_finished() should be {finished}"));
        }
        self.check_lives(scheduler)
    }

    fn check_lives(&self, scheduler: &Scheduler) -> Result<(), Broken> {
        for (slot, place) in self.places.iter().enumerate() {
            let life = scheduler.life(Slot(slot));
            let is_true = match (life, &place.post) {
                (Life::Vacant, None) => true,
                (Life::Dying { .. }, Some(post)) => post.killed.is_some(),
                (_, Some(Post { killed: Some(_), .. })) => false,
                (Life::Stopping { deadline }, Some(post)) => {
                    post.stopped && post.deadline == Some(*deadline)
                }
                (Life::Starting { deadline }, Some(post)) => {
                    !post.ready && post.deadline == Some(*deadline)
                }
                (Life::Serving { load }, Some(post)) => {
                    post.ready && !post.stopped && is_same(load.as_ref(), post.held.as_ref())
                }
                _ => false,
            };
            if !is_true {
                let detail = format!("slot {slot} is said to be {life:?}, but is {place:?}");
                return broken(Rule::LivesAreTrue, detail);
            }
        }
        Ok(())
    }
}

fn is_same(load: Option<&Load>, held: Option<&Held>) -> bool {
    match (load, held) {
        (Some(Load { job, items, begun }), Some(held)) => {
            *job == held.job && *items == held.items && *begun == held.begun
        }
        (load, held) => load.is_none() && held.is_none(),
    }
}

/// The promise that a command keeps, or breaks when it comes unasked.
fn rule_of(command: &Command) -> Rule {
    match command {
        Command::FailItem { .. } => Rule::DeathCostsOneItem,
        Command::Kill { why: KillReason::JobDropped, .. } => Rule::DropFreesWorkers,
        Command::Kill { why: KillReason::Terminated, .. } => Rule::TerminationIsComplete,
        Command::Kill { .. } => Rule::Deadlines,
        Command::FailJob { why: JobFailure::Terminated, .. } => Rule::TerminationIsComplete,
        Command::FailJob { why: JobFailure::NoWorkers, .. } => Rule::StrandedJobsFail,
        Command::Start { .. } | Command::Send { .. } | Command::Stop { .. } => {
            unreachable!("{command:?} is never owed")
        }
    }
}
