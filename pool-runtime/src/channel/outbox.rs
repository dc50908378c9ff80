//! What the program still has to send to a worker.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

/// Bytes that are sent from where they lie: a chunk's items are shared with the
/// job, which keeps them in case the worker dies.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Arc<Vec<u8>>,
    pub(crate) range: Range<usize>,
}

impl Body {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }
}

/// Frames in order, the first possibly sent in part.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pieces: VecDeque<Body>,
}

/// Slices in one system call; a chunk is two pieces.
const BATCH: usize = 16;

impl Outbox {
    pub(super) fn push(&mut self, bytes: Vec<u8>) {
        let range = 0..bytes.len();
        self.pieces.push_back(Body { bytes: Arc::new(bytes), range });
    }

    pub(super) fn push_shared(&mut self, body: Body) {
        if !body.range.is_empty() {
            self.pieces.push_back(body);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.pieces.clear();
    }

    /// Sends as much as the socket takes without blocking.
    pub(super) fn flush(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        while !self.pieces.is_empty() {
            let slices: Vec<IoSlice<'_>> =
                self.pieces.iter().take(BATCH).map(|piece| IoSlice::new(piece.rest())).collect();
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match sendmsg(socket, &slices, &mut SendAncillaryBuffer::default(), flags) {
                Ok(sent) => self.advance(sent),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn advance(&mut self, mut sent: usize) {
        while let Some(first) = self.pieces.front_mut() {
            let length = first.range.len();
            if sent < length {
                first.range.start += sent;
                return;
            }
            sent -= length;
            self.pieces.pop_front();
        }
        assert_eq!(sent, 0, "the socket took more than it was given");
    }
}
