//! The program's end.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketType, recv};

use super::bytes::Bytes;
use super::direct_waiter::DirectWaiter;
use super::frames::{Frames, missing};
use super::lent::{self, ItemBytes, Lent};
use super::memory::{Memory, SharedLane};
use super::ring::{self, Consumer, Corrupt, Lane, Message, Producer, Sleep, WakePolicy};
use super::{begun, claims};
use crate::sys::shm::Shm;
use crate::sys::{fds, futex};
use crate::wire::message::request;

/// Bytes that are sent from where they lie: a chunk's items stay with the job, which
/// keeps them in case the worker dies.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    pub(crate) bytes: &'a mut ItemBytes,
    pub(crate) range: Range<usize>,
}

/// A frame that did not fit into the ring yet.
#[derive(Debug)]
struct Outgoing {
    tag: u8,
    head: Vec<u8>,
    body: ItemBytes,
    range: Range<usize>,
    /// Bytes of it that are in the ring.
    sent: u64,
}

impl Outgoing {
    /// A frame without items.
    fn word(tag: u8, head: &[u8]) -> Outgoing {
        let body = ItemBytes::Sent(Bytes::default());
        Outgoing { tag, head: head.to_vec(), body, range: 0..0, sent: 0 }
    }
}

/// The program's end of a channel.
#[derive(Debug)]
pub(crate) struct ParentEnd {
    memory: Memory,
    requests: Producer<SharedLane>,
    responses: Consumer<SharedLane>,
    bell: OwnedFd,
    /// Never used for anything: its closing is the message.
    lifeline: Option<OwnedFd>,
    /// The part of a long frame that has come.
    inbox: Vec<u8>,
    outbox: VecDeque<Outgoing>,
    /// Of the waiter that was armed last.
    turn: u32,
    lent: Lent,
    /// How often the worker's chunks were taken back, as the word of claims said then.
    recalls: u64,
}

/// How many chunks a worker has claimed, ever; of one that was asked for the others, when
/// it was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed(u64);

impl Claimed {
    /// How many that is beyond those that are finished by now: more than one, and
    /// the worker's memory makes no sense.
    pub(crate) fn beyond(self, finished: u64) -> u64 {
        claims::beyond(self.0, finished)
    }
}

/// How far a worker had come with sending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent(u64);

/// What the bell said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// That there is something to read, perhaps.
    Ring,
    /// That the worker's end is closed.
    Closed,
}

impl ParentEnd {
    /// A channel, eager for the first report, whose worker's end, and what is `extra` after
    /// it, come with the boot message on the returned descriptor, the worker's end of the
    /// lifeline.
    pub(crate) fn open(boot: &[u8], extra: &[BorrowedFd<'_>]) -> io::Result<(ParentEnd, OwnedFd)> {
        let (shm, file) = Shm::create()?;
        let (bell, their_bell) = fds::pair(SocketType::STREAM)?;
        let (lifeline, their_lifeline) = fds::pair(SocketType::SEQPACKET)?;
        let own = [their_bell.as_fd(), file.as_fd()];
        let fds: Vec<_> = own.into_iter().chain(extra.iter().copied()).collect();
        fds::send_with(lifeline.as_fd(), boot, &fds)?;
        let memory = Memory::new(shm);
        // Before there is a worker: it is to ring when it reports in.
        memory.doorbell().arm(WakePolicy::Eager);
        let end = ParentEnd {
            requests: Producer::new(memory.requests()),
            responses: Consumer::new(memory.responses()),
            memory,
            bell,
            lifeline: Some(lifeline),
            inbox: Vec::new(),
            outbox: VecDeque::new(),
            turn: 0,
            lent: Lent::default(),
            recalls: 0,
        };
        Ok((end, their_lifeline))
    }

    /// To wait on: readable when the worker has rung or has closed its end.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Silences the bell.
    pub(crate) fn hush(&self) -> Heard {
        loop {
            let mut rings = [0; 64];
            match recv(&self.bell, &mut rings, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Heard::Closed,
                Ok((_, count)) if count == rings.len() => {}
                Ok(_) | Err(Errno::AGAIN) => return Heard::Ring,
                Err(Errno::INTR) => {}
                Err(_) => return Heard::Closed,
            }
        }
    }

    /// Sends a chunk given as its tag, its head and its items, or keeps what does not
    /// fit for [`ParentEnd::catch_up`].
    pub(crate) fn send_chunk(
        &mut self,
        tag: u8,
        head: &[u8],
        body: Body<'_>,
    ) -> Result<(), Corrupt> {
        let Body { bytes, range } = body;
        let (mut sent, is_next) = (0, self.outbox.is_empty());
        let outgoing = match bytes {
            ItemBytes::Lent(buffer) if self.lent.reads => {
                self.lent.send(Some(Arc::clone(buffer)));
                let (tag, words) = (tag | request::LENT, lent::words(buffer, &range));
                let message = Message::new(tag, [head, &words]);
                if is_next && self.requests.send(message, &mut sent)? {
                    return Ok(());
                }
                Outgoing::word(tag, &[head, &words].concat())
            }
            _ => {
                self.lent.send(None);
                let message = Message::new(tag, [head, &bytes[range.clone()]]);
                if is_next && self.requests.send(message, &mut sent)? {
                    return Ok(());
                }
                Outgoing { tag, head: head.to_vec(), body: bytes.share(), range, sent }
            }
        };
        self.outbox.push_back(outgoing);
        // The worker tells when it has made room, if it makes some from here on.
        if is_next { self.flush() } else { Ok(()) }
    }

    /// Sends what the worker has made room for, and wakes it for that.
    pub(crate) fn catch_up(&mut self) -> Result<(), Corrupt> {
        if !self.outbox.is_empty() {
            self.flush()?;
            self.wake();
        }
        Ok(())
    }

    /// Sends what the worker has made room for.
    fn flush(&mut self) -> Result<(), Corrupt> {
        while !self.outbox.is_empty() {
            self.memory.backlog().prepare();
            if !self.send_kept()? {
                return Ok(());
            }
        }
        self.memory.backlog().end();
        Ok(())
    }

    /// Sends as much as there is room for; `true` when all is sent.
    fn send_kept(&mut self) -> Result<bool, Corrupt> {
        while let Some(first) = self.outbox.front_mut() {
            let body = &first.body[first.range.clone()];
            let message = Message::new(first.tag, [&first.head, body]);
            if !self.requests.send(message, &mut first.sent)? {
                return Ok(false);
            }
            self.outbox.pop_front();
        }
        Ok(true)
    }

    /// Takes back every chunk that the worker has not claimed. The outcomes of those
    /// that it has claimed, but for the last, have come.
    pub(crate) fn recall(&mut self) -> Result<Claimed, Corrupt> {
        let (claimed, recalls) = claims::recall(self.memory.claims());
        self.recalls = recalls;
        self.lent.recall(claimed);
        // What no byte of is sent need not be sent. A frame that is there in part must
        // be, or what comes after it is not understood.
        self.outbox.retain(|kept| kept.sent > 0);
        let rest = !self.outbox.is_empty();
        self.outbox.push_back(Outgoing::word(request::RECALL, &recalls.to_le_bytes()));
        self.flush()?;
        if rest {
            // The worker may sleep until that has come.
            self.wake();
        }
        Ok(Claimed(claimed))
    }

    /// What the worker has claimed by now.
    pub(crate) fn claimed(&self) -> Claimed {
        Claimed(claims::count(self.memory.claims()))
    }

    /// Whether the worker sleeps, with nothing unread of it, and can claim nothing that it
    /// is sent: one that has written over that word takes all for recalled, and waits for
    /// ever to read of it.
    pub(crate) fn is_stuck(&self) -> bool {
        !claims::are_recalls(self.memory.claims(), self.recalls)
            && Sleep(self.memory.idleness()).is_up()
            && !self.has_unread()
    }

    /// No more will be sent: the worker leaves when it has read the last.
    pub(crate) fn goodbye(&mut self) -> Result<(), Corrupt> {
        self.outbox.push_back(Outgoing::word(request::GOODBYE, &[]));
        self.flush()
    }

    /// The worker has reported in; whether it reads what it is lent.
    pub(crate) fn lend(&mut self, reads: bool) {
        self.lent.reads = reads;
    }

    /// Whether such items are lent to the worker, and not sent.
    pub(crate) fn lends(&self, bytes: &ItemBytes) -> bool {
        self.lent.reads && matches!(bytes, ItemBytes::Lent(_))
    }

    /// Leaves to a worker, of which nobody will know when it is dead, what it may be reading.
    pub(crate) fn abandon(&mut self) {
        self.lent.forget();
    }

    /// The worker has done with so many chunks, ever: the outcomes of all their items have
    /// come.
    #[inline]
    pub(crate) fn finish(&mut self, chunks: u64) {
        self.lent.finish(chunks);
    }

    /// Wakes the worker if it sleeps for want of a request: after something was
    /// sent.
    pub(crate) fn wake(&self) {
        wake_on(self.memory.idleness());
    }

    /// Whether the worker has sent what was not received.
    pub(crate) fn has_unread(&self) -> bool {
        self.responses.has_unread()
    }

    /// What the worker has sent by now, for [`ParentEnd::has_read`].
    pub(crate) fn sent(&self) -> Sent {
        Sent(self.responses.sent())
    }

    /// Whether that was received. A worker that goes on sending always has news.
    pub(crate) fn has_read(&self, sent: Sent) -> bool {
        self.responses.has_read(sent.0)
    }

    /// Tells the worker when to ring. What it has sent by now it need not ring for:
    /// look once more.
    pub(crate) fn arm(&self, wake_policy: WakePolicy) {
        self.memory.doorbell().arm(wake_policy);
    }

    /// Tells the worker when to wake the caller that will sleep on the waiter; it must
    /// look once more, as with [`ParentEnd::arm`].
    pub(crate) fn arm_direct(&mut self, wake_policy: WakePolicy) -> DirectWaiter {
        self.turn = self.turn.wrapping_add(1);
        self.memory.doorbell().arm_direct(wake_policy, self.turn);
        DirectWaiter::new(self.memory.clone(), ring::direct(wake_policy, self.turn))
    }

    /// How long the worker has worked on the chunks that it has ended, ever, in
    /// nanoseconds; a hint, as all that a worker says.
    pub(crate) fn worked(&self) -> u64 {
        self.memory.worked().load(Ordering::Relaxed)
    }

    /// How many items the worker has begun, ever. Only to be believed once it is
    /// gone.
    pub(crate) fn begun(&self) -> u64 {
        begun::count(self.memory.begun())
    }

    /// When the item began that the worker is at, in nanoseconds of the machine's
    /// monotonic clock: of an item of a careful chunk, and after [`ParentEnd::begun`].
    pub(crate) fn began_at(&self) -> u64 {
        self.memory.began_at().load(Ordering::Relaxed)
    }

    /// Lets the worker begin no other item, if the latest that it has begun is number
    /// `count`. Its chunk is a careful one, and all that it has not claimed was recalled.
    pub(crate) fn condemn(&self, count: u64) -> bool {
        begun::condemn(self.memory.begun(), count)
    }

    /// Tells the worker that a SIGTERM which it gets from now on is for it to end by.
    pub(crate) fn ask_to_end(&self) {
        self.memory.asked_to_end().store(1, Ordering::Release);
    }

    /// What the worker has noted when a signal was about to end it. A hint, and only
    /// once it is gone.
    pub(crate) fn sign(&self) -> u64 {
        self.memory.sign().load(Ordering::Acquire)
    }

    /// Lets the kernel kill the worker's process group, with the rights that the
    /// worker had when it booted. The program may have fewer by now.
    pub(crate) fn cut_lifeline(&mut self) {
        self.lifeline = None;
    }

    /// Takes all that the worker has sent. The frames are apart from the channel,
    /// so that it can be sent to while they are handled; what is left of them goes
    /// back by [`ParentEnd::put_back`].
    pub(crate) fn receive(&mut self) -> Result<Frames, Corrupt> {
        let mut bytes = std::mem::take(&mut self.inbox);
        // No more than the ring holds once, and once more after a jump: others wait.
        for _ in 0..2 {
            // Of a long frame no more than its own bytes, so that it ends where the
            // buffer ends, and nothing of it is copied again. The buffer grows with what
            // has come, not with what a header claims.
            let most = match bytes.is_empty() {
                true => self.responses.lane().capacity(),
                false => missing(&bytes).unwrap_or(0),
            };
            if most == 0 || self.responses.take(most, &mut bytes)? == 0 {
                break;
            }
        }
        wake_on(self.memory.congestion());
        Ok(Frames::new(bytes))
    }

    /// Keeps the part of a frame that has come.
    pub(crate) fn put_back(&mut self, frames: Frames) {
        self.inbox = frames.rest();
    }
}

fn wake_on(word: &AtomicU32) {
    if Sleep(word).must_wake() {
        futex::wake(word);
    }
}

#[cfg(test)]
mod tests;
