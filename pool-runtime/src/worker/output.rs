//! Marks in the worker's output, where the program asks which item wrote what.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, RawFd};

use rustix::io::Errno;

use crate::ids::Item;
use crate::sys::{fds, stdio};
use crate::wire::output::{MARK, Seal, begun, ended};

/// Writes the marks.
#[derive(Debug)]
pub(super) struct Marker {
    seal: Seal,
    streams: [Stream; 2],
}

impl Marker {
    /// Of the streams that are standard output and error at this moment.
    pub(super) fn new(seal: Seal) -> std::io::Result<Marker> {
        stdio::by_line();
        let streams = [
            Stream::of(rustix::stdio::stdout().as_fd())?,
            Stream::of(rustix::stdio::stderr().as_fd())?,
        ];
        Ok(Marker { seal, streams })
    }

    /// An item is about to begin.
    pub(super) fn begin(&self, item: Item) {
        self.put(begun(&self.seal, item));
    }

    /// An item has ended, and its outcome is not sent yet.
    pub(super) fn end(&self, failed: bool) {
        // What it has written is on its way before the mark. A thread that the task has
        // left behind, and that holds Rust's lock of standard output, is waited for.
        let _ = std::io::stdout().flush();
        stdio::flush();
        self.put(ended(&self.seal, failed));
    }

    fn put(&self, mark: [u8; MARK]) {
        for stream in &self.streams {
            stream.put(&mark);
        }
    }
}

/// A duplicate of a standard stream: a task may redirect or close that one. Never
/// closed: it goes with the process.
#[derive(Debug)]
struct Stream {
    fd: RawFd,
    identity: fds::Identity,
}

impl Stream {
    fn of(standard: BorrowedFd<'_>) -> std::io::Result<Stream> {
        let identity = fds::identity(standard)?;
        let duplicate = rustix::io::fcntl_dupfd_cloexec(standard, 3)?;
        Ok(Stream { fd: duplicate.into_raw_fd(), identity })
    }

    /// Writes a mark, whole or not at all.
    fn put(&self, mark: &[u8; MARK]) {
        let fd = fds::borrowed(self.fd);
        // A task that closes every descriptor there is closes this one too, and what it
        // opens next may get the number: a mark must not end up in a file.
        if fds::identity(fd).ok() != Some(self.identity) {
            return;
        }
        loop {
            match rustix::io::write(fd, mark) {
                Err(Errno::INTR) => {}
                // Full, in a worker that has made it nonblocking.
                Err(Errno::AGAIN) if fds::wait_for_room(fd).is_ok() => {}
                // A program that reads no more has no use for marks.
                _ => return,
            }
        }
    }
}
