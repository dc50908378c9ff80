//! A worker process as it really is, whatever the scheduler believes.

use std::collections::VecDeque;

use super::super::{Event, Kept, Terms};
use super::broken::Broken;
use super::habits::Habits;
use super::ledger::{Ledger, Serial};
use super::rng::Rng;
use super::said::{Channel, Said};
use super::tally::Happening;
use crate::ids::{Item, Items, JobId, Moment, Worker};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Booting,
    Up,
    /// Has said that it leaves.
    Retired,
    Gone,
}

/// A chunk that it has, or is at; never empty.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) job: JobId,
    pub(super) items: Items,
    terms: Terms,
}

#[derive(Debug)]
struct Claimed {
    chunk: Sent,
    /// Inside the first of its items, which is not done before a moment.
    inside: Option<Moment>,
    /// No item of the chunk has begun.
    fresh: bool,
    /// It was fenced here: what has not begun has gone elsewhere.
    cut: bool,
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) serial: Serial,
    /// What the engine calls it; it only signs its messages so.
    pub(super) name: Worker,
    pub(super) habits: Habits,
    stage: Stage,
    /// What it may still claim, in the order in which it was sent.
    queue: VecDeque<Sent>,
    /// Stays as it is when the process dies, for the engine to look at.
    claimed: Option<Claimed>,
    channel: Channel,
    /// Items that have begun, ever, and of those the outcomes that were heard.
    begun: u64,
    heard: u64,
    /// When the latest item began.
    began: Moment,
    /// It begins no other item with care.
    fenced: bool,
    stopped: bool,
    asked: bool,
    killed: bool,
    /// Runs no further, for now.
    pub(super) halted: bool,
}

impl Child {
    pub(super) fn new(serial: Serial, name: Worker, habits: Habits) -> Self {
        Child {
            serial,
            name,
            habits,
            stage: Stage::Booting,
            queue: VecDeque::new(),
            claimed: None,
            channel: Channel::default(),
            begun: 0,
            heard: 0,
            began: Moment::ZERO,
            fenced: false,
            stopped: false,
            asked: false,
            killed: false,
            halted: false,
        }
    }

    /// A process that could not be made: all there is of it is that news.
    pub(super) fn stillborn(serial: Serial, name: Worker, exhausted: bool) -> Self {
        let mut child = Child::new(serial, name, Habits::default());
        child.stage = Stage::Gone;
        child.channel.say(Said::StartFailed { exhausted });
        child
    }

    pub(super) fn is_gone(&self) -> bool {
        self.stage == Stage::Gone
    }

    /// Whether nothing will be heard of it but its exit.
    pub(super) fn is_silent(&self) -> bool {
        self.is_gone() && self.channel.is_empty()
    }

    /// Whether the engine can hear something of it: a word, or at last its exit.
    pub(super) fn can_be_heard(&self) -> bool {
        self.is_gone() || !self.channel.is_empty()
    }

    /// How many words of it are under way.
    pub(super) fn unheard(&self) -> usize {
        self.channel.len()
    }

    /// Whether it is inside an item of the job.
    pub(super) fn runs(&self, job: JobId) -> bool {
        self.running().is_some_and(|(other, ..)| other == job)
    }

    /// The item that it is inside, and its limits.
    pub(super) fn running(&self) -> Option<(JobId, Item, Terms)> {
        let claimed = self.claimed.as_ref().filter(|_| !self.is_gone())?;
        claimed.inside?;
        let Sent { job, ref items, terms } = claimed.chunk;
        Some((job, items.start, terms))
    }

    pub(super) fn is_at_chunk(&self) -> bool {
        self.claimed.is_some()
    }

    /// Whether it has begun an item after those whose outcomes were heard, and when it
    /// has begun the latest. Nobody can tell if there is more to be heard first.
    pub(super) fn look(&self) -> Option<Option<Moment>> {
        match self.begun - self.heard {
            0 => Some(None),
            1 => Some(Some(self.began)),
            _ => None,
        }
    }

    /// When its latest item began.
    pub(super) fn began(&self) -> Moment {
        self.began
    }

    /// What is heard next; its exit once all is said and the process is gone.
    pub(super) fn hear(&mut self, rng: &mut Rng) -> Event {
        let worker = self.name;
        if let Some((event, outcomes)) = self.channel.hear(worker, rng) {
            self.heard += outcomes;
            return event;
        }
        let inside = |claimed: &Claimed| claimed.inside.is_some();
        let begun = self.claimed.as_ref().is_some_and(inside);
        Event::WorkerExited { worker, begun }
    }

    pub(super) fn receive(&mut self, job: JobId, items: Items, terms: Terms) -> Option<Happening> {
        let behind = self.claimed.is_some() || !self.queue.is_empty();
        self.queue.push_back(Sent { job, items, terms });
        match self.stage {
            Stage::Booting => unreachable!("the books forbid it"),
            Stage::Gone => Some(Happening::ChunkCrossedDeath),
            Stage::Retired => Some(Happening::ChunkCrossedRetirement),
            Stage::Up => behind.then_some(Happening::ChunkWentBehind),
        }
    }

    /// What it has not claimed is its no more.
    pub(super) fn recall(&mut self) -> VecDeque<Sent> {
        std::mem::take(&mut self.queue)
    }

    /// After a recall: whether a chunk is left of which not all was heard.
    pub(super) fn has_begun_chunk(&self) -> bool {
        let is_its = |claimed: &Claimed| !claimed.cut || claimed.inside.is_some();
        self.claimed.as_ref().is_some_and(is_its) || self.channel.has_outcomes()
    }

    /// Lets it begin no other item, if it is at the next whose outcome was not heard, or
    /// right before it; tells what it keeps then. What it has not begun of that chunk
    /// comes back.
    pub(super) fn fence(&mut self) -> Option<(Kept, Option<(JobId, Items)>)> {
        let kept = match (self.begun - self.heard, &mut self.claimed) {
            (0, Some(Claimed { chunk, cut: false, .. })) => {
                (Kept::Nothing, Some((chunk.job, chunk.items.clone())))
            }
            (1, _) => (Kept::Item, None),
            _ => return None,
        };
        self.fenced = true;
        self.claimed.iter_mut().for_each(|claimed| claimed.cut = true);
        Some(kept)
    }

    pub(super) fn goodbye(&mut self) {
        self.stopped = true;
    }

    /// It is asked to end. Whatever it does not handle, ends it.
    pub(super) fn ask(&mut self) -> Option<Happening> {
        self.asked = true;
        let is_up = matches!(self.stage, Stage::Up | Stage::Booting);
        (is_up && (self.habits.stubborn || self.halted)).then_some(Happening::AskedInVain)
    }

    pub(super) fn was_asked(&self) -> bool {
        self.asked
    }

    pub(super) fn has_retired(&self) -> bool {
        self.stage == Stage::Retired
    }

    pub(super) fn kill(&mut self) -> Option<Happening> {
        self.killed = true;
        let crossed = self.is_gone() || !self.channel.is_empty();
        crossed.then_some(Happening::KillCrossedNews)
    }

    fn is_ending(&self) -> bool {
        self.killed || (self.asked && !self.habits.stubborn && !self.halted)
    }

    /// When it can go on by itself, if it can. Who was halted is let go on when faults
    /// are over, save where a limit must see to it.
    pub(super) fn goes_on_at(&self, is_calm: bool) -> Option<Moment> {
        // What was cut off comes back, and is nothing that a limit is for.
        let at = self.claimed.as_ref().filter(|claimed| !claimed.cut || claimed.inside.is_some());
        let next = at.map(|claimed| &claimed.chunk);
        let limited =
            next.or(self.queue.front()).is_some_and(|chunk| chunk.terms.timeout.is_some());
        let goes_on = match self.stage {
            Stage::Gone => false,
            _ if self.is_ending() => true,
            _ if self.halted && (!is_calm || limited) => false,
            Stage::Booting => !self.habits.mute,
            Stage::Retired => !self.habits.clingy,
            Stage::Up if self.claimed.is_none() && self.queue.is_empty() => {
                self.habits.is_spent() || (self.stopped && !self.habits.clingy)
            }
            Stage::Up => true,
        };
        let until = match &self.claimed {
            _ if self.is_ending() => Moment::ZERO,
            Some(Claimed { inside: Some(until), chunk, .. }) => match (*until, chunk.terms) {
                // Nobody ends an item for ever that has no limit.
                (Moment::MAX, Terms { timeout: None, .. }) if is_calm => Moment::ZERO,
                (until, _) => until,
            },
            _ => Moment::ZERO,
        };
        goes_on.then_some(until)
    }

    /// The process does the next thing; a kill arrives some time.
    pub(super) fn go_on(
        &mut self,
        ledger: &mut Ledger,
        rng: &mut Rng,
        now: Moment,
        is_calm: bool,
    ) -> Result<Option<Happening>, Broken> {
        if self.is_ending() && (self.asked || rng.percent(60)) {
            self.stage = Stage::Gone;
            return Ok(None);
        }
        match self.stage {
            Stage::Booting if !self.habits.mute => {
                self.channel.say(Said::Ready);
                self.stage = Stage::Up;
                Ok(None)
            }
            Stage::Retired if !self.habits.clingy => {
                self.stage = Stage::Gone;
                Ok(None)
            }
            Stage::Up => self.work(ledger, rng, now, is_calm),
            Stage::Booting | Stage::Retired | Stage::Gone => Ok(None),
        }
    }

    /// Claims a chunk, begins an item, finishes one, or retires.
    fn work(
        &mut self,
        ledger: &mut Ledger,
        rng: &mut Rng,
        now: Moment,
        is_calm: bool,
    ) -> Result<Option<Happening>, Broken> {
        if self.is_between() && self.habits.is_spent() {
            return Ok(Some(self.retire(Happening::RetiredAfterItems)));
        }
        let Some(claimed) = &mut self.claimed else {
            if let Some(chunk) = self.queue.pop_front() {
                self.claimed = Some(Claimed { chunk, inside: None, fresh: true, cut: false });
            } else if self.stopped && !self.habits.clingy {
                self.stage = Stage::Gone;
            }
            return Ok(None);
        };
        let Sent { job, ref items, terms } = claimed.chunk;
        let item = items.start;
        if claimed.inside.is_none() {
            if terms.timeout.is_some() || terms.spares_running {
                if self.fenced {
                    return Ok(Some(self.retire(Happening::RetiredCondemned)));
                }
            } else {
                self.fenced = false;
            }
            claimed.inside = Some(self.habits.until(rng, terms, now, is_calm));
            claimed.fresh = false;
            (self.begun, self.began) = (self.begun + 1, now);
            ledger.begins(job, item, self.serial, now)?;
            return Ok(None);
        }
        claimed.inside = None;
        claimed.chunk.items.start += 1;
        let last = claimed.chunk.items.is_empty();
        self.channel.say(match terms.retries && rng.percent(self.habits.flaky) {
            true => Said::Failed { job, item },
            false => Said::Finished { job, item, last },
        });
        self.habits.spend();
        if last {
            self.claimed = None;
        }
        let is_late = terms.timeout.is_some_and(|limit| self.began.saturating_add(limit) <= now);
        Ok(is_late.then_some(Happening::FinishedOverdue))
    }

    /// Whether it is up, and inside no item.
    pub(super) fn is_between(&self) -> bool {
        let is_inside = |claimed: &Claimed| claimed.inside.is_some();
        self.stage == Stage::Up && !self.claimed.as_ref().is_some_and(is_inside)
    }

    /// Whether its age may end it now: it has run an item.
    pub(super) fn may_be_old(&self) -> bool {
        self.is_between() && self.begun > 0
    }

    pub(super) fn retire(&mut self, why: Happening) -> Happening {
        self.channel.say(Said::Retired);
        self.stage = Stage::Retired;
        why
    }

    /// The process ends for a reason of its own; says in the middle of what.
    /// A result that was under way when it died is not heard.
    pub(super) fn die(&mut self, rng: &mut Rng) -> Happening {
        let at_work = match (self.stage, &self.claimed) {
            (Stage::Gone, _) => unreachable!("it is gone already"),
            (Stage::Booting, _) => Happening::DiedStarting,
            (Stage::Retired, _) => Happening::DiedStopping,
            (Stage::Up, None) if self.queue.is_empty() => Happening::DiedIdle,
            (Stage::Up, None) => Happening::DiedBeforeClaiming,
            (Stage::Up, Some(Claimed { inside: Some(_), .. })) if rng.percent(50) => {
                Happening::DiedInItem
            }
            (Stage::Up, Some(Claimed { inside: Some(_), .. })) => Happening::DiedMidResult,
            (Stage::Up, Some(Claimed { fresh: true, .. })) => Happening::DiedBeforeBegan,
            (Stage::Up, Some(_)) => Happening::DiedBetweenItems,
        };
        self.stage = Stage::Gone;
        match (self.killed || self.asked, self.stopped) {
            (true, _) => Happening::DiedDying,
            (false, true) => Happening::DiedStopping,
            (false, false) => at_work,
        }
    }
}
