//! The books of what is short, so that processes cannot be made.

use super::super::FRUITLESS_LIVES;
use super::super::exhaustion::{EXHAUSTED_STARTS, FIRST_PAUSE, LONGEST_PAUSE};
use super::books::Books;
use super::broken::{Broken, Rule, broken};
use super::ledger::Serial;
use crate::ids::{Moment, Worker};

#[derive(Debug, Default)]
pub(super) struct Lack {
    /// The pauses so far, of which each but the first was followed by a failure.
    pauses: Vec<Moment>,
    /// Until when no process is started.
    pub(super) until: Option<Moment>,
    /// The latest process that was started to see whether there is enough again.
    scout: Option<Serial>,
}

impl Lack {
    pub(super) fn is_on(&self) -> bool {
        !self.pauses.is_empty()
    }

    /// The pause that is next if there is one: twice the last.
    fn next(&self) -> Moment {
        self.pauses.last().map_or(FIRST_PAUSE, |last| (*last * 2).min(LONGEST_PAUSE))
    }
}

impl Books {
    /// A process could not be made for lack of something.
    pub(super) fn lacks(&mut self, worker: Worker, now: Moment) {
        let place = &mut self.places[worker.slot.0];
        let post = place.post.take().expect("news comes from a process");
        place.starts = place.starts.saturating_sub(1);
        let is_scout = self.lack.scout == Some(post.serial);
        if self.lack.until.is_some() && !is_scout {
            return;
        }
        let pause = self.lack.next();
        self.lack.pauses.push(pause);
        (self.lack.until, self.lack.scout) = (Some(now + pause), None);
        let nobody_is_there = self.places.iter().all(|place| place.post.is_none());
        if self.lack.pauses.len() >= EXHAUSTED_STARTS as usize && nobody_is_there {
            self.lack = Lack::default();
            self.places.iter_mut().for_each(|place| place.fruitless = FRUITLESS_LIVES);
        }
    }

    /// A process is started, which must not be while nobody may be, and alone if it is
    /// to see whether there is enough.
    pub(super) fn scout(&mut self, serial: Serial, now: Moment) -> Result<(), Broken> {
        if let Some(until) = self.lack.until {
            let detail = format!("{serial:?} was started in the pause until {until:?}");
            return broken(Rule::ShortagesAreWaitedOut, detail);
        }
        if let Some(&pause) = self.lack.pauses.last() {
            (self.lack.until, self.lack.scout) = (Some(now + pause), Some(serial));
        }
        Ok(())
    }

    /// What was waited for until now may be tried again.
    pub(super) fn wake_lack(&mut self, now: Moment) {
        self.lack.until = self.lack.until.filter(|&until| until > now);
    }
}
