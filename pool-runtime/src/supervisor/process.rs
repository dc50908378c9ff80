//! One worker: its process, the program's end of its channel, and what it has reported.

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
    /// The poller waits on its bell.
    pub(super) listening: bool,
    /// The latest wake policy; the worker may have rung since.
    wake_policy: WakePolicy,
    /// How much of its working time has been counted to jobs, in nanoseconds.
    worked: u64,
    /// Items and chunks whose outcomes have been read.
    finished_items: u64,
    finished_chunks: u64,
    pub(super) kill_cause: Option<KillCause>,
    pub(super) panic: Option<Panic>,
    /// The latest item that it was seen running, by its count, and when that began.
    seen_at: Option<(u64, Moment)>,
    /// Why it leaves by itself, if it does.
    pub(super) replaced: Option<Replaced>,
    /// Reads its output, if that is captured or prefixed.
    pub(super) capture: Option<OutputCapture>,
    /// The control group that counts its memory. Processes left in it are killed with it.
    pub(super) group: Option<Group>,
    /// Why it could not become a worker of this pool.
    pub(super) unfit: Option<String>,
    /// It was killed while its core was dumped.
    pub(super) cut_short: bool,
}

/// Why a worker has been replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    Died,
    /// It was killed, as its item or its job had to end.
    Ended,
    /// It had reached its number of items, its age or its size.
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

/// What a worker is doing, by its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Between two items, or it has none.
    Nothing,
    /// An item that began at this time of the machine's monotonic clock, in nanoseconds.
    Item { began: u64 },
    /// It has sent outcomes that must be read first.
    Unread,
    /// Its counts are corrupt.
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

    /// Whether it has sent data that is not read. A corrupt worker's ring is never read again,
    /// so it reports no data.
    pub(crate) fn has_unread(&self) -> bool {
        self.kill_cause != Some(KillCause::Corrupt) && self.channel.has_unread()
    }

    pub(super) fn has_reported_in(&self) -> bool {
        self.reported_in
    }

    /// It has reported in; `reads` tells whether it can read large items in shared memory.
    pub(super) fn report_in(&mut self, reads: bool) {
        self.reported_in = true;
        self.channel.lend(reads);
    }

    /// Sends a chunk: its tag, its head and its items.
    pub(crate) fn send(&mut self, tag: u8, head: &[u8], body: Body<'_>) -> Result<(), Corrupt> {
        if let Some(group) = &mut self.group
            && !self.channel.lends(body.bytes)
        {
            group.make_room(head.len() + body.range.len());
        }
        self.channel.send_chunk(tag, head, body)
    }

    /// How many of its claimed chunks are unfinished. After a recall, more than one means that
    /// its memory is corrupt.
    pub(crate) fn unfinished(&self, claimed: Claimed) -> u64 {
        claimed.beyond(self.finished_chunks)
    }

    /// How many items it has begun beyond those whose outcomes were read. If more than one, the
    /// outcomes of all but the last can be read, since each is sent before the next item
    /// begins.
    pub(crate) fn ahead(&self) -> u64 {
        self.channel.begun().wrapping_sub(self.finished_items)
    }

    /// Whether it has begun an item whose outcome is not read.
    pub(super) fn is_inside(&self) -> bool {
        self.channel.begun() != self.finished_items
    }

    /// Stops it from beginning another item, if its latest begun item is the `ahead`th after
    /// those whose outcomes were read. Tells whether that was so.
    pub(crate) fn fence(&self, ahead: u64) -> bool {
        self.channel.condemn(self.finished_items + ahead)
    }

    /// The next `count` of its items have outcomes, and the chunk ends with them or not. Gives
    /// how long it has worked on them, in nanoseconds.
    pub(super) fn finish(&mut self, count: u64, is_end_of_chunk: bool) -> u64 {
        self.panic = None;
        let worked = self.channel.worked();
        let time = worked.saturating_sub(std::mem::replace(&mut self.worked, worked));
        self.finished_items += count;
        self.finished_chunks += u64::from(is_end_of_chunk);
        self.channel.finish(self.finished_chunks);
        time
    }

    /// It reports that it begins nothing more; `false` if that contradicts its counts. These are
    /// not checked if its work is no longer `wanted`.
    pub(super) fn retire(&mut self, why: Retirement, wanted: bool) -> bool {
        // The recall makes sure that it claims nothing more.
        let Ok(claimed) = self.channel.recall() else {
            return false;
        };
        if wanted && (self.is_inside() || self.unfinished(claimed) > 1) {
            return false;
        }
        self.replaced = Some(why.into());
        true
    }

    /// What it is doing. If that is an item or nothing, [`WorkerProcess::see`] must follow.
    pub(crate) fn at(&self) -> At {
        match self.ahead() {
            0 => At::Nothing,
            1 => At::Item { began: self.channel.began_at() },
            _ if self.has_unread() => At::Unread,
            _ => At::Nonsense,
        }
    }

    /// It reports that its item began at this moment, or that it runs none. A task may write to
    /// that word, so a later moment for the same item does not count.
    pub(crate) fn see(&mut self, began: Option<Moment>) -> Option<Moment> {
        let begun = self.channel.begun();
        let began = began.map(|began| match self.seen_at {
            Some((item, earlier)) if item == begun => began.min(earlier),
            _ => began,
        });
        self.seen_at = began.map(|began| (begun, began));
        began
    }

    /// The latest wake policy.
    pub(crate) fn wake_policy(&self) -> WakePolicy {
        self.wake_policy
    }

    /// Sets its wake policy. It need not wake for data that it has sent before.
    pub(crate) fn arm(&mut self, wake_policy: WakePolicy) {
        self.wake_policy = wake_policy;
        self.channel.arm(wake_policy);
    }

    /// The same, and it wakes the caller that sleeps on the returned waiter.
    pub(crate) fn arm_direct(&mut self, wake_policy: WakePolicy) -> DirectWaiter {
        self.wake_policy = wake_policy;
        self.channel.arm_direct(wake_policy)
    }

    /// Whether it has noted that a signal ends it, and the pool has not killed it.
    pub(crate) fn has_crashed(&self) -> bool {
        self.kill_cause.is_none() && Note::read(self.channel.sign()).is_some()
    }

    /// Kills a worker that has crashed. Its end counts as the one that it noted.
    pub(crate) fn cut_dump_short(&mut self) {
        self.cut_short = true;
        self.child.kill_group();
        self.channel.cut_lifeline();
    }

    /// Kills the worker. The first cause counts.
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
