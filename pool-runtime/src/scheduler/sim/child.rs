//! A worker process as it really is, whatever the scheduler believes.

use std::collections::VecDeque;

use super::broken::Broken;
use super::ledger::{Ledger, Serial};
use super::rng::Rng;
use super::tally::Happening;
use crate::ids::{Item, Items, JobId, Worker};

/// A message on the way from a process to the engine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    StartFailed,
    Ready,
    Began { job: JobId, item: Item },
    Finished { job: JobId, item: Item },
}

#[derive(Debug)]
enum Doing {
    Booting,
    Waiting,
    Working {
        job: JobId,
        items: Items,
        /// Inside the first of `items`.
        inside: bool,
        /// No item of the chunk has begun.
        fresh: bool,
    },
    Gone,
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) serial: Serial,
    /// What the engine calls it; it only signs its messages so.
    pub(super) name: Worker,
    doing: Doing,
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
        let channel = VecDeque::new();
        let (doing, stopped, killed) = (Doing::Booting, false, false);
        Child { serial, name, doing, channel, mute, clingy, stopped, killed }
    }

    /// A process that could not be made: all there is of it is that news.
    pub(super) fn stillborn(serial: Serial, name: Worker) -> Self {
        let mut child = Child::new(serial, name, false, false);
        child.doing = Doing::Gone;
        child.channel.push_back(Said::StartFailed);
        child
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.doing, Doing::Gone)
    }

    /// Whether the engine can hear something of it: a word, or at last its exit.
    pub(super) fn can_be_heard(&self) -> bool {
        self.is_gone() || !self.channel.is_empty()
    }

    /// The next word; none once all is said and the process is gone.
    pub(super) fn hear(&mut self) -> Option<Said> {
        self.channel.pop_front()
    }

    pub(super) fn receive(&mut self, job: JobId, items: Items) -> Option<Happening> {
        match self.doing {
            Doing::Waiting => {
                self.doing = Doing::Working { job, items, inside: false, fresh: true };
                None
            }
            Doing::Gone => Some(Happening::ChunkCrossedDeath),
            Doing::Booting | Doing::Working { .. } => unreachable!("the books forbid it"),
        }
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
        match self.doing {
            Doing::Gone => false,
            _ if self.killed => true,
            Doing::Booting => !self.mute,
            Doing::Waiting => self.stopped && !self.clingy,
            Doing::Working { .. } => true,
        }
    }

    /// The process does the next thing; a kill arrives some time.
    pub(super) fn go_on(&mut self, ledger: &mut Ledger, rng: &mut Rng) -> Result<(), Broken> {
        if self.killed && rng.percent(60) {
            self.doing = Doing::Gone;
            return Ok(());
        }
        match &mut self.doing {
            Doing::Booting if !self.mute => {
                self.channel.push_back(Said::Ready);
                self.doing = Doing::Waiting;
            }
            Doing::Waiting if self.stopped && !self.clingy => self.doing = Doing::Gone,
            Doing::Booting | Doing::Waiting | Doing::Gone => {}
            Doing::Working { job, items, inside, fresh } => {
                let (job, item) = (*job, items.start);
                if !*inside {
                    ledger.begins(job, item, self.serial)?;
                    self.channel.push_back(Said::Began { job, item });
                    (*inside, *fresh) = (true, false);
                    return Ok(());
                }
                self.channel.push_back(Said::Finished { job, item });
                *inside = false;
                items.start += 1;
                if items.is_empty() {
                    self.doing = Doing::Waiting;
                }
            }
        }
        Ok(())
    }

    /// The process ends for a reason of its own; says in the middle of what.
    /// A result that was under way when it died is not heard.
    pub(super) fn die(&mut self, rng: &mut Rng) -> Happening {
        let at_work = match &self.doing {
            Doing::Booting => Happening::DiedStarting,
            Doing::Waiting => Happening::DiedIdle,
            Doing::Working { inside: true, .. } if rng.percent(50) => Happening::DiedInItem,
            Doing::Working { inside: true, .. } => Happening::DiedMidResult,
            Doing::Working { fresh: true, .. } => Happening::DiedBeforeBegan,
            Doing::Working { .. } => Happening::DiedBetweenItems,
            Doing::Gone => unreachable!("it is gone already"),
        };
        self.doing = Doing::Gone;
        match (self.killed, self.stopped) {
            (true, _) => Happening::DiedDying,
            (false, true) => Happening::DiedStopping,
            (false, false) => at_work,
        }
    }
}
