//! Whether a command may be given.

use super::super::{Command, FRUITLESS_LIVES, ItemFailure, JobFailure, KillReason, Mode};
use super::books::Books;
use super::broken::{Broken, Rule, broken};
use super::ledger::{Fate, Serial};
use super::posts::{Asked, Held, Post};
use crate::ids::{Items, JobId, Moment, Worker};

impl Books {
    /// Enters a command when it is given, if it may be. It may be carried out later,
    /// when others were, but nothing that is heard in between makes it wrong.
    pub(super) fn obey(&mut self, command: &Command, now: Moment) -> Result<(), Broken> {
        match *command {
            Command::Start { worker } => self.start(worker, now),
            Command::Send { worker, job, ref items } => self.send(worker, job, items, now),
            Command::Recall { worker } => self.recall(worker),
            Command::Fence { worker, job, item } => {
                self.pay(command)?;
                let post = self.commanded(worker)?;
                let why = post.accused.take().expect("what is due has a reason");
                if let Some(asked) = post.asked {
                    return broken(Rule::StockIsShared, format!("{asked:?}, and {command:?}"));
                }
                post.asked = Some(Asked::Fenced(why, job, item));
                Ok(())
            }
            Command::Stop { worker } => {
                let terminated = self.mode == Mode::Terminated;
                if terminated {
                    self.pay(command)?;
                }
                let too_early = !terminated && !self.may_leave();
                let (stop_grace, kill_grace) = (self.config.stop_grace, self.config.kill_grace);
                let grace = if terminated { kill_grace } else { stop_grace };
                let deadline = now.saturating_add(grace);
                let post = self.commanded(worker)?;
                if too_early || !post.is_idle() {
                    return broken(Rule::CloseLosesNothing, format!("goodbye to {post:?}"));
                }
                post.stopped = true;
                post.deadline = Some(deadline);
                Ok(())
            }
            Command::Ask { worker, why } => {
                self.pay(command)?;
                let grace = self.config.kill_grace;
                self.end(worker, why, Some(now.saturating_add(grace)))
            }
            Command::Kill { worker, why } => {
                self.pay(command)?;
                self.end(worker, why, None)?;
                self.commanded(worker)?.killed = true;
                Ok(())
            }
            Command::FailItem { worker, job, item, why } => {
                self.pay(command)?;
                if !self.ledger.is_live(job) {
                    let detail = format!("item {item} of {job:?} failed, which is gone");
                    return broken(Rule::GoneJobsAreLeftAlone, detail);
                }
                match why {
                    ItemFailure::Died => {
                        let serial = self.buried.expect("an item fails by a death");
                        self.ledger.failed(job, item, serial)
                    }
                    ItemFailure::TimedOut => {
                        let serial = self.commanded(worker)?.serial;
                        self.ledger.overran(job, item, serial, now)
                    }
                }
            }
            Command::ExpireJob { .. } => self.pay(command),
            Command::FailItems { job, ref items } => {
                self.pay(command)?;
                self.ledger.failed_late(job, items)
            }
            Command::FailJob { job, why } => self.fail_job(job, why),
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
            let rule = if self.tripped { Rule::TrippedPoolRests } else { Rule::Replacement };
            return broken(rule, format!("nobody needs {worker:?}"));
        }
        place.starts += 1;
        if given_up || place.starts > FRUITLESS_LIVES {
            return broken(Rule::BoundedStarts, format!("{worker:?} started after {place:?}"));
        }
        place.past.push(worker);
        let deadline = now.saturating_add(self.config.start_timeout);
        let serial = Serial(self.processes);
        place.post = Some(Post::new(serial, worker, deadline));
        self.processes += 1;
        self.scout(serial, now)
    }

    fn send(
        &mut self,
        worker: Worker,
        job: JobId,
        items: &Items,
        sent: Moment,
    ) -> Result<(), Broken> {
        if let Some(asked) = self.posts().find(|post| post.asked.is_some()) {
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
        let terms = self.ledger.terms(job);
        let held = Held { job, items: items.clone(), weight, terms, sent };
        self.commanded(worker)?.held.push_back(held);
        Ok(())
    }

    /// Owed for a job that is over; else there must be need and stock. To ask a worker
    /// that may have begun all that it has would be to ask for ever.
    fn recall(&mut self, worker: Worker) -> Result<(), Broken> {
        let owed = self.pay(&Command::Recall { worker }).is_ok();
        let is_needed = self.is_idle_beside_stock() && !self.ledger.is_anything_waiting();
        let is_turn = !self.posts().any(|post| post.asked.is_some());
        let post = self.commanded(worker)?;
        if post.asked.is_some() || !(owed || (is_needed && is_turn && post.is_stocked())) {
            return broken(Rule::StockIsShared, format!("a recall from {post:?}"));
        }
        post.asked = Some(Asked::ToShare);
        Ok(())
    }

    pub(super) fn is_idle_beside_stock(&self) -> bool {
        self.posts().any(Post::is_idle) && self.posts().any(Post::is_stocked)
    }

    /// A process must end: at once, or before this moment.
    fn end(
        &mut self,
        worker: Worker,
        why: KillReason,
        deadline: Option<Moment>,
    ) -> Result<(), Broken> {
        let post = self.commanded(worker)?;
        post.ended = Some(why);
        (post.leaving, post.deadline) = (false, deadline);
        post.held.clear();
        Ok(())
    }

    fn fail_job(&mut self, job: JobId, why: JobFailure) -> Result<(), Broken> {
        match why {
            JobFailure::Terminated => self.pay(&Command::FailJob { job, why })?,
            JobFailure::NoWorkers if !self.ledger.is_live(job) => {
                return broken(Rule::GoneJobsAreLeftAlone, format!("{job:?} failed, but is gone"));
            }
            JobFailure::NoWorkers if self.tripping => {}
            JobFailure::NoWorkers if self.all_given_up() => self.trip(),
            JobFailure::NoWorkers => {
                let breaker = self.config.restart_limit;
                let rule = breaker.map_or(Rule::StrandedJobsFail, |_| Rule::BreakerTrips);
                return broken(rule, format!("{job:?} failed too early"));
            }
        }
        self.ledger.leave(job, Fate::Failed);
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
}

/// The promise that a command keeps, or breaks when it comes unasked.
pub(super) fn rule_of(command: &Command) -> Rule {
    match command {
        Command::FailItem { why: ItemFailure::Died, .. } => Rule::DeathCostsOneItem,
        Command::FailItem { why: ItemFailure::TimedOut, .. } | Command::Fence { .. } => {
            Rule::LimitsAreKept
        }
        Command::ExpireJob { .. } | Command::FailItems { .. } => Rule::ExpiredJobsEnd,
        Command::Recall { .. } => Rule::DropFreesWorkers,
        Command::Ask { why, .. } | Command::Kill { why, .. } => match why {
            KillReason::JobDropped => Rule::DropFreesWorkers,
            KillReason::Terminated => Rule::TerminationIsComplete,
            KillReason::JobDeadline => Rule::ExpiredJobsEnd,
            KillReason::ItemTimeout | KillReason::Unresponsive => Rule::LimitsAreKept,
            KillReason::StartTimeout | KillReason::StopGrace => Rule::Deadlines,
        },
        Command::FailJob { why: JobFailure::Terminated, .. } => Rule::TerminationIsComplete,
        Command::FailJob { why: JobFailure::NoWorkers, .. } => Rule::StrandedJobsFail,
        Command::Stop { .. } => Rule::TerminationIsComplete,
        Command::Start { .. } | Command::Send { .. } => {
            unreachable!("{command:?} is never owed")
        }
    }
}
