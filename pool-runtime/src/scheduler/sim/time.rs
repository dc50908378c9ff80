//! What time brings, and how it is told.

use super::super::Event;
use super::broken::{Broken, Rule, broken};
use super::posts::{Accusation, Post};
use super::tally::Happening;
use super::world::World;
use crate::ids::{Moment, Slot};

impl World {
    /// Time passes, often to the very moment of a deadline.
    pub(super) fn pass_time(&mut self) -> Result<(), Broken> {
        let step = Moment::from_micros(self.rng.below(50_000));
        match self.scheduler.next_deadline() {
            Some(deadline) if deadline < Moment::MAX && self.rng.percent(50) => {
                let late = if self.rng.percent(30) { step } else { Moment::ZERO };
                self.expire_at(deadline.max(self.now) + late)
            }
            _ => self.expire_at(self.now + step),
        }
    }

    /// Nobody can do anything now, so time passes until somebody can.
    pub(super) fn wait(&mut self) -> Result<(), Broken> {
        let is_calm = self.is_calm();
        let children = self.children.iter().flatten();
        let next = children.filter_map(|child| child.goes_on_at(is_calm)).min();
        let next = next.filter(|&moment| moment < Moment::MAX);
        let deadline = self.scheduler.next_deadline().filter(|&moment| moment < Moment::MAX);
        match (next, deadline) {
            (Some(next), _) if deadline.is_none_or(|deadline| next < deadline) => {
                self.now = next.max(self.now);
                Ok(())
            }
            (_, Some(deadline)) => self.expire_at(deadline.max(self.now)),
            _ if self.wants_to_shut() => self.shut_in_the_end(),
            // Some process has stopped, for now.
            _ if !is_calm => Ok(()),
            _ => broken(Rule::Progress, "nothing can happen any more"),
        }
    }

    /// What the engine does when it wakes: who is overdue is heard and looked at before
    /// time is told.
    pub(super) fn expire_at(&mut self, now: Moment) -> Result<(), Broken> {
        self.tally.count(match self.books.next_deadline() {
            Some(deadline) if deadline == now => Happening::ExpiredOnTheDot,
            Some(deadline) if deadline < now => Happening::ExpiredLate,
            _ => Happening::ExpiredForNothing,
        });
        self.now = now;
        self.note(|| "expire".into());
        let overdue = self.scheduler.overdue(now);
        if !self.books.are_overdue(&overdue, now) {
            return broken(Rule::Deadlines, format!("{overdue:?} are said to be overdue"));
        }
        self.check_all_overrun_are(&overdue)?;
        let mut looked_at = Vec::new();
        for slot in overdue {
            self.hear_overdue(slot)?;
            if self.scheduler.is_watched(slot) && self.look_at(slot)? {
                looked_at.push(slot);
            }
        }
        self.count_expiries();
        self.scheduler.expire(now);
        self.books.expire(now);
        self.collect()?;
        let overdue = self.scheduler.overdue(now);
        if let Some(slot) = looked_at.iter().find(|slot| overdue.contains(slot)) {
            return broken(Rule::Deadlines, format!("a look at {slot:?} has changed nothing"));
        }
        self.carry_out()
    }

    /// Nobody is found overdue too late.
    fn check_all_overrun_are(&self, overdue: &[Slot]) -> Result<(), Broken> {
        for slot in (0..self.children.len()).filter(|&slot| !overdue.contains(&Slot(slot))) {
            if let Some(deadline) = self.deadline_in(slot)
                && deadline <= self.now
            {
                return broken(Rule::LimitsAreKept, format!("nobody sees that {slot} is overdue"));
            }
        }
        Ok(())
    }

    /// When the item that the worker of a slot is really at is overdue, if somebody is
    /// to see to it.
    pub(super) fn deadline_in(&self, slot: usize) -> Option<Moment> {
        let child = self.children[slot].as_ref()?;
        let (.., terms) = child.running()?;
        self.books.places[slot].post.as_ref().filter(|post| post.is_watched())?;
        Some(child.began().saturating_add(terms.timeout?))
    }

    fn hear_overdue(&mut self, slot: Slot) -> Result<(), Broken> {
        let hears_all = self.rng.percent(80);
        while self.children[slot.0].as_ref().is_some_and(|child| child.unheard() > 0)
            && (hears_all || self.rng.percent(50))
        {
            self.hear(slot.0)?;
        }
        Ok(())
    }

    /// Says whether all is well there.
    fn look_at(&mut self, slot: Slot) -> Result<bool, Broken> {
        let Some(child) = &self.children[slot.0] else {
            return broken(Rule::Deadlines, format!("nobody to be looked at in {slot:?}"));
        };
        let (worker, now) = (child.name, self.now);
        let (halted, look) = (child.halted, child.look());
        if halted && self.rng.percent(20) {
            self.child(slot).halted = false;
        }
        // There is more to be heard first.
        let Some(began) = look else {
            self.tally.count(Happening::LookedAsUnheard);
            return Ok(false);
        };
        let look = Event::ProgressChecked { worker, began, now };
        self.past.push(look.clone());
        if !self.note_and_enter(look)? {
            return broken(Rule::Deadlines, format!("a look at {slot:?} for nothing"));
        }
        let post = self.books.post(slot.0);
        self.tally.count(match (post.accused, began) {
            (Some(Accusation::Overdue), _) => Happening::LookedOverdue,
            (Some(_), _) => Happening::FoundUnresponsive,
            (None, Some(_)) => Happening::LookedInTime,
            (None, None) => Happening::LookedBetweenItems,
        });
        let post = self.books.post(slot.0);
        let limit = post.limit();
        if began.zip(limit).is_some_and(|(began, limit)| began.saturating_add(limit) == now) {
            self.tally.count(Happening::OverdueOnTheDot);
        }
        let is_accused = post.accused.is_some();
        self.collect()?;
        Ok(!is_accused)
    }

    fn count_expiries(&mut self) {
        let now = self.now;
        for job in self.books.ledger.expiring(now) {
            let posts = || self.books.posts().filter(|post: &&Post| post.holds(job));
            let is_running = posts().next().is_some();
            let [queue, unjudged, delayed] = self.books.ledger.left_of(job);
            for (happening, has) in [
                (Happening::Expired, true),
                (Happening::ExpiredWithItemsRunning, is_running),
                (Happening::ExpiredWithQueue, queue),
                (Happening::ExpiredWithUnjudged, unjudged),
                (Happening::ExpiredWithDelayed, delayed),
            ] {
                if has {
                    self.tally.count(happening);
                }
            }
        }
    }
}
