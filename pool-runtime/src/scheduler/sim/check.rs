//! Whether all is well between two events.

use std::collections::VecDeque;

use super::super::slots::Assignment;
use super::super::{Life, Mode, Scheduler};
use super::books::Books;
use super::broken::{Broken, Rule, broken};
use super::judge::rule_of;
use super::posts::{Held, Post};
use crate::ids::{Moment, Slot};

impl Books {
    /// What must hold when all that follows from a decision is commanded.
    pub(super) fn check_trip(&mut self) -> Result<(), Broken> {
        match std::mem::take(&mut self.tripping) && self.has_jobs() {
            true => broken(Rule::BreakerTrips, "no worker will do, but jobs go on"),
            false => Ok(()),
        }
    }

    /// What must hold after every decision, also while a recall is unanswered.
    pub(super) fn check_hunger(&self, scheduler: &Scheduler) -> Result<(), Broken> {
        let idle = self.posts().any(Post::is_idle);
        match scheduler.is_hungry() == (idle && !self.ledger.is_anything_waiting()) {
            true => Ok(()),
            false => broken(Rule::WorkConservation, format!("hunger is {}", scheduler.is_hungry())),
        }
    }

    /// The same: who has something with a time limit is watched, but not who is accused.
    /// Who is asked for its stock and then accused is not either, until it has answered.
    pub(super) fn check_watches(&self, scheduler: &Scheduler) -> Result<(), Broken> {
        for post in self.posts() {
            let (is, should) = (scheduler.is_watched(post.name.slot), post.is_watched());
            if is != should && (is || post.asked.is_none()) {
                return broken(Rule::LimitsAreKept, format!("a watch, {is}, over {post:?}"));
            }
        }
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
            let is_wanted = self.wants_workers() && self.lack.until.is_none();
            if is_wanted && place.post.is_none() && !self.is_given_up(slot) {
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
        if idle && self.may_leave() {
            return broken(Rule::Progress, "an idle worker was not told goodbye");
        }
        self.check_deadline(scheduler)?;
        if scheduler.has_tripped() != self.tripped {
            return broken(Rule::BreakerTrips, format!("the breaker should be {}", self.tripped));
        }
        let empty = self.posts().next().is_none();
        let finished = self.mode != Mode::Open && empty && !self.has_jobs();
        if scheduler.is_finished() != finished || scheduler.is_open() != (self.mode == Mode::Open) {
            return broken(Rule::Progress, format!("is_finished() should be {finished}"));
        }
        if scheduler.departures() != self.departures {
            return broken(Rule::Progress, format!("there were {} departures", self.departures));
        }
        self.check_answers(scheduler)?;
        self.check_lives(scheduler)
    }

    /// The next deadline is exact but for looks at the watched, which may come too soon,
    /// though not before an item can be overdue.
    fn check_deadline(&self, scheduler: &Scheduler) -> Result<(), Broken> {
        let (is, exact) = (scheduler.next_deadline(), self.next_deadline());
        let soonest = self.posts().filter_map(Post::soonest_overdue).min();
        let first = exact.into_iter().chain(soonest).min();
        let or_never = |moment: Option<Moment>| moment.unwrap_or(Moment::MAX);
        let is_there = is.is_some() == first.is_some();
        if is_there && or_never(first) <= or_never(is) && or_never(is) <= or_never(exact) {
            return Ok(());
        }
        let detail = format!("the next is {is:?}, should be {exact:?}, not before {soonest:?}");
        broken(Rule::Deadlines, detail)
    }

    fn check_lives(&self, scheduler: &Scheduler) -> Result<(), Broken> {
        for (slot, place) in self.places.iter().enumerate() {
            let life = scheduler.life(Slot(slot));
            let is_true = match (life, &place.post) {
                (Life::Vacant, None) => true,
                (Life::Dying { kill_at, why, .. }, Some(post)) => {
                    post.ended == Some(*why) && post.deadline == *kill_at
                }
                (_, Some(Post { ended: Some(_), .. })) => false,
                (Life::Leaving { deadline }, Some(post)) => {
                    post.leaving && post.deadline == *deadline
                }
                (_, Some(Post { leaving: true, .. })) => false,
                (Life::Stopping { deadline }, Some(post)) => {
                    post.stopped && post.deadline == Some(*deadline)
                }
                (Life::Starting { deadline }, Some(post)) => {
                    !post.ready && post.deadline == Some(*deadline)
                }
                (Life::Serving, Some(post)) => post.ready && !post.stopped,
                _ => false,
            };
            let assignments = scheduler.slots.assignments(Slot(slot));
            let is_same = |(assignment, held): (&Assignment, &Held)| {
                (assignment.job, &assignment.items, assignment.weight)
                    == (held.job, &held.items, held.weight)
            };
            let none = VecDeque::new();
            let held = place.post.as_ref().map_or(&none, |post| &post.held);
            let has_that =
                assignments.len() == held.len() && assignments.iter().zip(held).all(is_same);
            if !is_true || !has_that {
                let what = format!("{life:?} with {assignments:?}");
                let detail = format!("slot {slot} is said to be {what}, but is {place:?}");
                return broken(Rule::LivesAreTrue, detail);
            }
        }
        Ok(())
    }
}
