//! The program's end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, SocketType, recv};

use super::outbox::{Body, Outbox};
use crate::sys::fds;
use crate::wire::frame::{self, Split};

/// Room for a read where no frame asks for more.
const READ: usize = 64 << 10;

/// The inbox's buffer is given back when it is empty and larger than this.
const KEEP: usize = 1 << 20;

/// Bytes taken from one worker before others get their turn.
const TURN: usize = 4 << 20;

/// The program's end of a channel.
#[derive(Debug)]
pub(crate) struct ParentEnd {
    socket: OwnedFd,
    /// Never used for anything else: its closing is the message.
    lifeline: Option<OwnedFd>,
    inbox: Vec<u8>,
    outbox: Outbox,
}

/// What is left with the worker after a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// Nothing: this was all that it has sent so far.
    Drained,
    /// There may be more; others should have their turn first.
    More,
    /// Nothing, and nothing will come: its end is closed.
    Closed,
}

impl ParentEnd {
    /// A channel whose worker's end, and `extra` after it, come with the boot
    /// message on the returned descriptor, the worker's end of the lifeline.
    pub(crate) fn open(
        boot: &[u8],
        extra: Option<BorrowedFd<'_>>,
    ) -> io::Result<(ParentEnd, OwnedFd)> {
        let (socket, theirs) = fds::pair(SocketType::STREAM)?;
        let (lifeline, their_lifeline) = fds::pair(SocketType::SEQPACKET)?;
        let fds: Vec<_> = std::iter::once(theirs.as_fd()).chain(extra).collect();
        fds::send_with(lifeline.as_fd(), boot, &fds)?;
        let end = ParentEnd {
            socket,
            lifeline: Some(lifeline),
            inbox: Vec::new(),
            outbox: Outbox::default(),
        };
        Ok((end, their_lifeline))
    }

    /// To wait on: readable when the worker has sent, writable when it has read.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Queues a frame given as its head and the rest of its body.
    pub(crate) fn send(&mut self, head: Vec<u8>, body: Body) {
        self.outbox.push(head);
        self.outbox.push_shared(body);
    }

    /// Sends what the worker takes without blocking; `true` when all is sent.
    /// A worker that is gone takes everything: its exit tells the rest.
    pub(crate) fn flush(&mut self) -> bool {
        if self.outbox.flush(self.socket.as_fd()).is_err() {
            self.outbox.clear();
        }
        self.outbox.is_empty()
    }

    /// Lets the kernel kill the worker's process group, with the rights that the
    /// worker had when it booted. The program may have fewer by now.
    pub(crate) fn cut_lifeline(&mut self) {
        self.lifeline = None;
    }

    /// No more frames will be sent: the worker leaves when it has read the last.
    pub(crate) fn goodbye(&mut self) {
        assert!(self.outbox.is_empty(), "goodbye before everything was sent");
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }

    /// Takes what the worker has sent. The frames are apart from the channel, so
    /// that it can be sent to while they are handled; what is left of them goes
    /// back by [`ParentEnd::put_back`].
    pub(crate) fn receive(&mut self) -> (Frames, Incoming) {
        let before = self.inbox.len();
        let incoming = loop {
            if self.inbox.len() - before >= TURN {
                break Incoming::More;
            }
            match self.fill() {
                Ok(0) => break Incoming::Closed,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break Incoming::Drained,
                Err(_) => break Incoming::Closed,
            }
        };
        (Frames { bytes: std::mem::take(&mut self.inbox), handled: 0 }, incoming)
    }

    /// Keeps the part of a frame that has come.
    pub(crate) fn put_back(&mut self, frames: Frames) {
        let Frames { mut bytes, handled } = frames;
        bytes.drain(..handled);
        if !bytes.is_empty() || bytes.capacity() <= KEEP {
            self.inbox = bytes;
        }
    }

    /// Reads once. The buffer grows with what has arrived, not with what a
    /// length claims: a corrupt worker cannot make the program allocate.
    fn fill(&mut self) -> Result<usize, Errno> {
        let wanted = match frame::split(&self.inbox) {
            Split::Partial { needs } => needs.saturating_sub(self.inbox.len()),
            Split::Frame { .. } | Split::Corrupt => 0,
        };
        self.inbox.reserve(wanted.clamp(READ, READ.max(self.inbox.len())));
        let (_, count) = recv(&self.socket, spare_capacity(&mut self.inbox), RecvFlags::DONTWAIT)?;
        Ok(count)
    }
}

/// Bytes that came from a worker.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// Bytes at the head that were given out.
    handled: usize,
}

/// What is at the head of [`Frames`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// A frame's body.
    Frame(&'a [u8]),
    /// No whole frame.
    Nothing,
    /// No frame of ours; nothing after it makes sense.
    Corrupt,
}

impl Frames {
    pub(crate) fn next(&mut self) -> Next<'_> {
        match frame::split(&self.bytes[self.handled..]) {
            Split::Frame { body, used } => {
                self.handled += used;
                Next::Frame(body)
            }
            Split::Partial { .. } => Next::Nothing,
            Split::Corrupt => Next::Corrupt,
        }
    }
}
