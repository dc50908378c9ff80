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
    /// Held, never used: its closing is the message.
    _lifeline: OwnedFd,
    inbox: Vec<u8>,
    outbox: Outbox,
    /// Something came that is no frame of ours, so nothing after it makes sense.
    corrupt: bool,
}

/// What is in the inbox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// All that the worker has sent so far.
    Drained,
    /// There may be more; others should have their turn first.
    More,
    /// The worker's end is closed, or what it sends is not ours.
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
            _lifeline: lifeline,
            inbox: Vec::new(),
            outbox: Outbox::default(),
            corrupt: false,
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

    /// No more frames will be sent: the worker leaves when it has read the last.
    pub(crate) fn goodbye(&mut self) {
        assert!(self.outbox.is_empty(), "goodbye before everything was sent");
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }

    /// Takes what the worker has sent and gives each whole frame to `handle`,
    /// which says whether it understood.
    pub(crate) fn receive(&mut self, mut handle: impl FnMut(&[u8]) -> bool) -> Incoming {
        let mut taken = 0;
        while !self.corrupt {
            match self.fill() {
                Ok(0) => return Incoming::Closed,
                Ok(count) => taken += count,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Incoming::Drained,
                Err(_) => return Incoming::Closed,
            }
            self.corrupt = !self.take_frames(&mut handle);
            if taken >= TURN {
                return Incoming::More;
            }
        }
        Incoming::Closed
    }

    pub(crate) fn is_corrupt(&self) -> bool {
        self.corrupt
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

    fn take_frames(&mut self, handle: &mut impl FnMut(&[u8]) -> bool) -> bool {
        let mut start = 0;
        let understood = loop {
            match frame::split(&self.inbox[start..]) {
                Split::Frame { body, used } => {
                    if !handle(body) {
                        break false;
                    }
                    start += used;
                }
                Split::Partial { .. } => break true,
                Split::Corrupt => break false,
            }
        };
        self.inbox.drain(..start);
        if self.inbox.is_empty() && self.inbox.capacity() > KEEP {
            self.inbox = Vec::new();
        }
        understood
    }
}
