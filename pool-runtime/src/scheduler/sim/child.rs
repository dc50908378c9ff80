//! A worker process as it really is, whatever the scheduler believes.

use std::collections::VecDeque;

use super::super::Event;
use super::broken::Broken;
use super::ledger::{Ledger, Serial};
use super::rng::Rng;
use super::tally::Happening;
use crate::ids::{Item, Items, JobId, Worker};

/// A message on the way from a process to the engine.
#[derive(Clone, Copy, Debug)]
enum Said {
    StartFailed,
    Ready,
    Finished {
        job: JobId,
        item: Item,
        /// Of its chunk.
        last: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Booting,
    Up,
    Gone,
}

/// The chunk that it is at; never empty.
#[derive(Debug)]
struct Claimed {
    job: JobId,
    items: Items,
    /// Inside the first of `items`.
    inside: bool,
    /// No item of the chunk has begun.
    fresh: bool,
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) serial: Serial,
    /// What the engine calls it; it only signs its messages so.
    pub(super) name: Worker,
    stage: Stage,
    /// What it may still claim, in the order in which it was sent.
    queue: VecDeque<(JobId, Items)>,
    /// Stays as it is when the process dies, for the engine to look at.
    claimed: Option<Claimed>,
    /// Said and not yet heard, in order. What was said before a death is heard.
    channel: VecDeque<Said>,
    /// Never reports in.
    mute: bool,
    /// Never leaves when told goodbye.
    clingy: bool,
    stopped: bool,
    killed: bool,
}

impl Child {
    pub(super) fn new(serial: Serial, name: Worker, mute: bool, clingy: bool) -> Self {
        Child {
            serial,
            name,
            stage: Stage::Booting,
            queue: VecDeque::new(),
            claimed: None,
            channel: VecDeque::new(),
            mute,
            clingy,
            stopped: false,
            killed: false,
        }
    }

    /// A process that could not be made: all there is of it is that news.
    pub(super) fn stillborn(serial: Serial, name: Worker) -> Self {
        let mut child = Child::new(serial, name, false, false);
        child.stage = Stage::Gone;
        child.channel.push_back(Said::StartFailed);
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
        let inside = |claimed: &Claimed| claimed.job == job && claimed.inside;
        !self.is_gone() && self.claimed.as_ref().is_some_and(inside)
    }

    pub(super) fn is_at_chunk(&self) -> bool {
        self.claimed.is_some()
    }

    /// What is heard next; its exit once all is said and the process is gone. Of
    /// one chunk, several results may be heard as one.
    pub(super) fn hear(&mut self, rng: &mut Rng) -> Event {
        let worker = self.name;
        match self.channel.pop_front() {
            Some(Said::StartFailed) => Event::StartFailed { worker },
            Some(Said::Ready) => Event::WorkerReady { worker },
            Some(Said::Finished { job, item, mut last }) => {
                let mut end = item + 1;
                let together = rng.pick(&[0, 50, 100]);
                while !last && rng.percent(together) {
                    let Some(Said::Finished { last: next_last, .. }) = self.channel.pop_front()
                    else {
                        break;
                    };
                    end += 1;
                    last = next_last;
                }
                Event::ItemsFinished { worker, job, items: item..end }
            }
            None => {
                let begun = self.claimed.as_ref().is_some_and(|claimed| claimed.inside);
                Event::WorkerExited { worker, begun }
            }
        }
    }

    pub(super) fn receive(&mut self, job: JobId, items: Items) -> Option<Happening> {
        let behind = self.claimed.is_some() || !self.queue.is_empty();
        self.queue.push_back((job, items));
        match self.stage {
            Stage::Booting => unreachable!("the books forbid it"),
            Stage::Gone => Some(Happening::ChunkCrossedDeath),
            Stage::Up => behind.then_some(Happening::ChunkWentBehind),
        }
    }

    /// What it has not claimed is its no more.
    pub(super) fn recall(&mut self) -> VecDeque<(JobId, Items)> {
        std::mem::take(&mut self.queue)
    }

    /// After a recall: whether a chunk is left of which not all was heard.
    pub(super) fn has_begun_chunk(&self) -> bool {
        let unheard = |said: &Said| matches!(said, Said::Finished { .. });
        self.claimed.is_some() || self.channel.iter().any(unheard)
    }

    pub(super) fn goodbye(&mut self) {
        self.stopped = true;
    }

    pub(super) fn kill(&mut self) -> Option<Happening> {
        self.killed = true;
        let crossed = self.is_gone() || !self.channel.is_empty();
        crossed.then_some(Happening::KillCrossedNews)
    }

    /// Whether the process can go on by itself.
    pub(super) fn can_go_on(&self) -> bool {
        match self.stage {
            Stage::Gone => false,
            _ if self.killed => true,
            Stage::Booting => !self.mute,
            Stage::Up if self.claimed.is_none() && self.queue.is_empty() => {
                self.stopped && !self.clingy
            }
            Stage::Up => true,
        }
    }

    /// The process does the next thing; a kill arrives some time.
    pub(super) fn go_on(&mut self, ledger: &mut Ledger, rng: &mut Rng) -> Result<(), Broken> {
        if self.killed && rng.percent(60) {
            self.stage = Stage::Gone;
            return Ok(());
        }
        match self.stage {
            Stage::Booting if !self.mute => {
                self.channel.push_back(Said::Ready);
                self.stage = Stage::Up;
                Ok(())
            }
            Stage::Up => self.work(ledger),
            Stage::Booting | Stage::Gone => Ok(()),
        }
    }

    /// Claims a chunk, begins an item, or finishes one.
    fn work(&mut self, ledger: &mut Ledger) -> Result<(), Broken> {
        let Some(claimed) = &mut self.claimed else {
            if let Some((job, items)) = self.queue.pop_front() {
                self.claimed = Some(Claimed { job, items, inside: false, fresh: true });
            } else if self.stopped && !self.clingy {
                self.stage = Stage::Gone;
            }
            return Ok(());
        };
        let (job, item) = (claimed.job, claimed.items.start);
        if !claimed.inside {
            (claimed.inside, claimed.fresh) = (true, false);
            return ledger.begins(job, item, self.serial);
        }
        claimed.inside = false;
        claimed.items.start += 1;
        let last = claimed.items.is_empty();
        self.channel.push_back(Said::Finished { job, item, last });
        if last {
            self.claimed = None;
        }
        Ok(())
    }

    /// The process ends for a reason of its own; says in the middle of what.
    /// A result that was under way when it died is not heard.
    pub(super) fn die(&mut self, rng: &mut Rng) -> Happening {
        let at_work = match (self.stage, &self.claimed) {
            (Stage::Gone, _) => unreachable!("it is gone already"),
            (Stage::Booting, _) => Happening::DiedStarting,
            (Stage::Up, None) if self.queue.is_empty() => Happening::DiedIdle,
            (Stage::Up, None) => Happening::DiedBeforeClaiming,
            (Stage::Up, Some(Claimed { inside: true, .. })) if rng.percent(50) => {
                Happening::DiedInItem
            }
            (Stage::Up, Some(Claimed { inside: true, .. })) => Happening::DiedMidResult,
            (Stage::Up, Some(Claimed { fresh: true, .. })) => Happening::DiedBeforeBegan,
            (Stage::Up, Some(_)) => Happening::DiedBetweenItems,
        };
        self.stage = Stage::Gone;
        match (self.killed, self.stopped) {
            (true, _) => Happening::DiedDying,
            (false, true) => Happening::DiedStopping,
            (false, false) => at_work,
        }
    }
}
