//! One worker: its process, the program's end of its channel, and what it has told.

use rustix::process::Signal;
use std::io;

use super::exit_report::KillCause;
use super::groups::Group;
use super::output::OutputCapture;
use super::start::Start;
use crate::channel::{Body, Claimed, Corrupt, DirectWaiter, ParentEnd, WakePolicy};
use crate::error::Panic;
use crate::ids::{Moment, Worker};
use crate::sys::child::Child;
use crate::sys::dying::Note;
use crate::wire::message::Retirement;

/// A worker's process and the program's end of its channel.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    pub(crate) worker: Worker,
    pub(crate) start: Start,
    pub(super) child: Child,
    pub(crate) channel: ParentEnd,
    reported_in: bool,
    /// The bell is among the descriptors waited on.
    pub(super) listening: bool,
    /// What the worker was told last; it may have rung since.
    wake_policy: WakePolicy,
    /// What of its working time is counted to some job.
    worked: u64,
    /// Items and chunks whose outcomes have come.
    finished_items: u64,
    finished_chunks: u64,
    pub(super) kill_cause: Option<KillCause>,
    pub(super) panic: Option<Panic>,
    /// The latest item that it was seen at, counted as it counts, and when that began.
    seen_at: Option<(u64, Moment)>,
    /// Why it leaves by itself.
    pub(super) replaced: Option<Replaced>,
    /// Where its output is read.
    pub(super) capture: Option<OutputCapture>,
    /// Where its memory is counted. What is left in there is killed with it.
    pub(super) group: Option<Group>,
    /// What it could not do to become a worker of this pool.
    pub(super) unfit: Option<String>,
    /// It was killed while its core was dumped.
    pub(super) cut_short: bool,
}

/// Why a worker has been replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    Died,
    /// Its item, or its job, was to run no longer.
    Ended,
    /// It had run as many items, or lived for as long, or grown as large as it may.
    Tasks,
    Age,
    Memory,
}

impl From<Retirement> for Replaced {
    fn from(why: Retirement) -> Replaced {
        match why {
            Retirement::Condemned => Replaced::Ended,
            Retirement::Tasks => Replaced::Tasks,
            Retirement::Age => Replaced::Age,
            Retirement::Memory => Replaced::Memory,
        }
    }
}

/// What a worker is at, as far as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Between two items, or it has none.
    Nothing,
    /// An item that began at this time of the machine's monotonic clock, in nanoseconds.
    Item { began: u64 },
    /// There is more to be read of it first.
    Unread,
    /// What it says makes no sense.
    Nonsense,
}

impl WorkerProcess {
    pub(super) fn new(
        worker: Worker,
        start: Start,
        child: Child,
        channel: ParentEnd,
        capture: Option<OutputCapture>,
        group: Option<Group>,
    ) -> WorkerProcess {
        WorkerProcess {
            worker,
            start,
            child,
            channel,
            reported_in: false,
            listening: true,
            wake_policy: WakePolicy::Eager,
            worked: 0,
            finished_items: 0,
            finished_chunks: 0,
            kill_cause: None,
            panic: None,
            seen_at: None,
            replaced: None,
            capture,
            group,
            unfit: None,
            cut_short: false,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Whether it has sent what is not read. Of one that makes no sense nothing is
    /// read any more, so its news would stay news for ever.
    pub(crate) fn has_unread(&self) -> bool {
        self.kill_cause != Some(KillCause::Corrupt) && self.channel.has_unread()
    }

    pub(super) fn has_reported_in(&self) -> bool {
        self.reported_in
    }

    /// It has reported in, and can read what it is lent, or not.
    pub(super) fn report_in(&mut self, reads: bool) {
        self.reported_in = true;
        self.channel.lend(reads);
    }

    /// Sends a chunk given as its tag, its head and its items.
    pub(crate) fn send(&mut self, tag: u8, head: &[u8], body: Body<'_>) -> Result<(), Corrupt> {
        if let Some(group) = &mut self.group
            && !self.channel.lends(body.bytes)
        {
            group.make_room(head.len() + body.range.len());
        }
        self.channel.send_chunk(tag, head, body)
    }

    /// How many of the chunks that it has claimed have not all of their outcomes: more than
    /// one of a worker that was asked for the others, and its memory makes no sense.
    pub(crate) fn unfinished(&self, claimed: Claimed) -> u64 {
        claimed.beyond(self.finished_chunks)
    }

    /// How many items it has begun after those whose outcomes were read: with more than
    /// one, their outcomes are there to be read, since each is sent before the next item
    /// begins.
    pub(crate) fn ahead(&self) -> u64 {
        self.channel.begun().wrapping_sub(self.finished_items)
    }

    /// Whether it has begun an item whose outcome was not read.
    pub(super) fn is_inside(&self) -> bool {
        self.channel.begun() != self.finished_items
    }

    /// Lets it begin no other item, if the latest that it has begun is the `ahead`th after
    /// those whose outcomes were read.
    pub(crate) fn fence(&self, ahead: u64) -> bool {
        self.channel.condemn(self.finished_items + ahead)
    }

    /// The first `count` of the items that it is at have their outcomes, and with them
    /// the chunk or not. Gives how long it has worked on them, in nanoseconds.
    pub(super) fn finish(&mut self, count: u64, is_end_of_chunk: bool) -> u64 {
        self.panic = None;
        let worked = self.channel.worked();
        let time = worked.saturating_sub(std::mem::replace(&mut self.worked, worked));
        self.finished_items += count;
        self.finished_chunks += u64::from(is_end_of_chunk);
        self.channel.finish(self.finished_chunks);
        time
    }

    /// It says that it begins nothing more; `false` if that makes no sense. What it did when
    /// nothing of it was `wanted` any more does not count.
    pub(super) fn retire(&mut self, why: Retirement, wanted: bool) -> bool {
        // It has said so; this sees to it.
        let Ok(claimed) = self.channel.recall() else {
            return false;
        };
        if wanted && (self.is_inside() || self.unfinished(claimed) > 1) {
            return false;
        }
        self.replaced = Some(why.into());
        true
    }

    /// What it is at; [`WorkerProcess::see`] follows where that is an item, or nothing.
    pub(crate) fn at(&self) -> At {
        match self.ahead() {
            0 => At::Nothing,
            1 => At::Item { began: self.channel.began_at() },
            _ if self.has_unread() => At::Unread,
            _ => At::Nonsense,
        }
    }

    /// It is at an item that began then, by what it says, or at none. What a task has written
    /// there must not give it ever more time.
    pub(crate) fn see(&mut self, began: Option<Moment>) -> Option<Moment> {
        let begun = self.channel.begun();
        let began = began.map(|began| match self.seen_at {
            Some((item, earlier)) if item == begun => began.min(earlier),
            _ => began,
        });
        self.seen_at = began.map(|began| (begun, began));
        began
    }

    /// What it was told last of when to summon.
    pub(crate) fn wake_policy(&self) -> WakePolicy {
        self.wake_policy
    }

    /// Tells it when to summon from now on. What it has sent by now it need not summon for.
    pub(crate) fn arm(&mut self, wake_policy: WakePolicy) {
        self.wake_policy = wake_policy;
        self.channel.arm(wake_policy);
    }

    /// The same, and has it wake the caller that will sleep on the waiter.
    pub(crate) fn arm_direct(&mut self, wake_policy: WakePolicy) -> DirectWaiter {
        self.wake_policy = wake_policy;
        self.channel.arm_direct(wake_policy)
    }

    /// Whether it says that a signal is about to end it, and nobody has killed it.
    pub(crate) fn has_crashed(&self) -> bool {
        self.kill_cause.is_none() && Note::read(self.channel.sign()).is_some()
    }

    /// Kills a worker that has crashed: it has ended by what it noted.
    pub(crate) fn cut_dump_short(&mut self) {
        self.cut_short = true;
        self.child.kill_group();
        self.channel.cut_lifeline();
    }

    /// Kills the worker, for this reason if it is the first.
    pub(super) fn kill(&mut self, cause: KillCause) {
        self.kill_cause.get_or_insert(cause);
        self.child.kill_group();
        self.channel.cut_lifeline();
    }

    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        if signal == Signal::TERM {
            self.channel.ask_to_end();
        }
        self.child.signal(signal)
    }
}
