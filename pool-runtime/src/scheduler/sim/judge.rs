//! Whether a command may be given, and whether all is well between two events.

use std::collections::VecDeque;

use super::super::slots::Load;
use super::super::{Command, FRUITLESS_LIVES, JobFailure, KillReason, Life, Mode, Scheduler};
use super::books::{Books, Held, Post};
use super::broken::{Broken, Rule, broken};
use super::ledger::{Fate, Serial};
use crate::ids::{Items, JobId, Moment, Slot, Worker};

impl Books {
    /// Enters a command when it is given, if it may be. It may be carried out later,
    /// when others were, but nothing that is heard in between makes it wrong.
    pub(super) fn obey(&mut self, command: &Command, now: Moment) -> Result<(), Broken> {
        match *command {
            Command::Start { worker } => self.start(worker, now),
            Command::Send { worker, job, ref items } => self.send(worker, job, items),
            Command::Recall { worker } => self.recall(worker),
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
                post.held.clear();
                Ok(())
            }
            Command::FailItem { job, item, .. } => {
                self.pay(command)?;
                if !self.ledger.is_live(job) {
                    let detail = format!("item {item} of {job:?} failed, which is gone");
                    return broken(Rule::GoneJobsAreLeftAlone, detail);
                }
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
                if why == JobFailure::NoWorkers {
                    self.tripped = self.config.replace && self.mode == Mode::Open;
                }
                self.ledger.leave(job, Fate::Failed);
                Ok(())
            }
            Command::Condemn { .. }
            | Command::Ask { .. }
            | Command::ExpireJob { .. }
            | Command::FailItems { .. } => {
                broken(Rule::Deadlines, format!("{command:?}, though nothing has a limit"))
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
            held: VecDeque::new(),
            asked: false,
            deadline: Some(now.saturating_add(self.config.start_timeout)),
            stopped: false,
            killed: None,
            fruitful: false,
        });
        self.processes += 1;
        Ok(())
    }

    fn send(&mut self, worker: Worker, job: JobId, items: &Items) -> Result<(), Broken> {
        if let Some(asked) = self.posts().find(|post| post.asked) {
            let detail = format!("{items:?} of {job:?} sent before the answer of {asked:?}");
            return broken(Rule::NothingCrossesRecall, detail);
        }
        let terminated = self.mode == Mode::Terminated;
        let least = self.posts().filter(|post| post.has_room()).map(Post::weight).min();
        let post = self.commanded(worker)?;
        if terminated || !post.has_room() || Some(post.weight()) != least {
            let detail = format!("{items:?} of {job:?} sent to {post:?}, the least is {least:?}");
            return broken(Rule::RoomIsKept, detail);
        }
        let serial = post.serial;
        let weight = self.ledger.sent(job, items, serial)?;
        self.commanded(worker)?.held.push_back(Held { job, items: items.clone(), weight });
        Ok(())
    }

    /// Owed for a dropped job; else there must be need and stock. To ask a worker
    /// that may have begun all that it has would be to ask for ever.
    fn recall(&mut self, worker: Worker) -> Result<(), Broken> {
        let owed = self.pay(&Command::Recall { worker }).is_ok();
        let is_needed = self.is_idle_beside_stock() && !self.ledger.is_anything_waiting();
        let is_turn = !self.posts().any(|post| post.asked);
        let post = self.commanded(worker)?;
        if post.asked || !(owed || (is_needed && is_turn && post.is_stocked())) {
            return broken(Rule::StockIsShared, format!("a recall from {post:?}"));
        }
        post.asked = true;
        Ok(())
    }

    fn is_idle_beside_stock(&self) -> bool {
        self.posts().any(Post::is_idle) && self.posts().any(Post::is_stocked)
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

    /// What must hold after every decision, also while a recall is unanswered.
    pub(super) fn check_hunger(&self, scheduler: &Scheduler) -> Result<(), Broken> {
        let idle = self.posts().any(Post::is_idle);
        match scheduler.is_hungry() == (idle && !self.ledger.is_anything_waiting()) {
            true => Ok(()),
            false => broken(Rule::WorkConservation, format!("hunger is {}", scheduler.is_hungry())),
        }
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
        if waiting && self.posts().any(Post::has_room) {
            return broken(Rule::WorkConservation, "a worker has room while items wait");
        }
        if self.is_idle_beside_stock() {
            return broken(Rule::StockIsShared, "a worker is idle beside one with a stock");
        }
        if idle && self.mode == Mode::Closing && !self.has_jobs() {
            return broken(Rule::Progress, "an idle worker was not told goodbye");
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
                (Life::Serving, Some(post)) => post.ready && !post.stopped,
                _ => false,
            };
            let loads = scheduler.slots.loads(Slot(slot));
            let is_same = |(load, held): (&Load, &Held)| {
                (load.job, &load.items, load.weight) == (held.job, &held.items, held.weight)
            };
            let none = VecDeque::new();
            let held = place.post.as_ref().map_or(&none, |post| &post.held);
            let has_that = loads.len() == held.len() && loads.iter().zip(held).all(is_same);
            if !is_true || !has_that {
                let what = format!("{life:?} with {loads:?}");
                let detail = format!("slot {slot} is said to be {what}, but is {place:?}");
                return broken(Rule::LivesAreTrue, detail);
            }
        }
        Ok(())
    }
}

/// The promise that a command keeps, or breaks when it comes unasked.
fn rule_of(command: &Command) -> Rule {
    match command {
        Command::FailItem { .. } => Rule::DeathCostsOneItem,
        Command::Recall { .. } | Command::Kill { why: KillReason::JobDropped, .. } => {
            Rule::DropFreesWorkers
        }
        Command::Kill { why: KillReason::Terminated, .. } => Rule::TerminationIsComplete,
        Command::Kill { .. } => Rule::Deadlines,
        Command::FailJob { why: JobFailure::Terminated, .. } => Rule::TerminationIsComplete,
        Command::FailJob { why: JobFailure::NoWorkers, .. } => Rule::StrandedJobsFail,
        Command::Start { .. }
        | Command::Send { .. }
        | Command::Stop { .. }
        | Command::Condemn { .. }
        | Command::Ask { .. }
        | Command::ExpireJob { .. }
        | Command::FailItems { .. } => {
            unreachable!("{command:?} is never owed")
        }
    }
}
