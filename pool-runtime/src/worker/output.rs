//! What tasks print, from the buffers where it waits to the streams; and marks there, where
//! the program asks which item wrote what.
//!
//! Rust keeps what is printed until the line ends, the C library until a page is full, and a
//! worker may be killed at any moment. So what an item has printed must be written by the
//! time that its result is delivered. But the buffers have locks, which a thread that the
//! task has left behind may hold for ever, and an item must not cost a system call or a lock
//! of its own. This is done:
//!
//! - *C*. Before each outcome is sent the worker looks whether something is kept, which
//!   compares two pointers. If so it is written, unless another thread has the lock: the
//!   lock is tried, not waited for. So what an item has printed by C is written before its
//!   result is delivered.
//! - *Rust*. Whole lines are written by `print!` itself. Whether there is an unfinished line
//!   nobody can see: to look is to lock, which takes 20 ns. Nor can the lock be tried. But
//!   in a process that has had one thread only it is free, and one byte of the C library
//!   tells that. There the rest of a line is written before the outcome is sent, where the
//!   items of the chunk are few and so take some microseconds each; and between two chunks.
//!   After a single call it is written when the outcome is sent and there is nothing else to
//!   do. Where very many very short items make a chunk, the death of one may take along the
//!   unfinished line that those before it in the chunk have left. If they have a time limit,
//!   the clock is read when each begins; then that line is written once a microsecond, so
//!   what is lost is of the last microsecond.
//! - *Before the worker sleeps* both are written for certain, and before it leaves. If a lock
//!   must be waited for, or may have to be, that is done on a thread of its own, which is
//!   waited for some milliseconds. If it is not done by then, it will be when the lock is
//!   free; until then the worker goes on without.
//! - *Where items are told apart by marks*, what an item has printed must be on its way
//!   before the mark of its end, so both are written like that after each item. If a lock is
//!   held, what the item has printed may be counted to another; no result waits.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, RawFd};

use rustix::io::Errno;

use super::aside::Aside;
use crate::ids::Item;
use crate::limits::{FLUSH_EVERY, FLUSH_WAIT};
use crate::sys::threads::Threads;
use crate::sys::{fds, stdio};
use crate::wire::output::{MARK, Seal, begun, ended};

/// Sees to it that what tasks print is written.
#[derive(Debug)]
pub(super) struct Output {
    marker: Option<Marker>,
    threads: Threads,
    /// What waits for Rust's lock, and for those of C.
    rust: Aside,
    c: Aside,
    /// An item may have printed what is not written.
    is_kept: bool,
    /// When an unfinished line was last written between two items, in nanoseconds of the
    /// monotonic clock.
    written_at: u64,
}

impl Output {
    pub(super) fn new(marker: Option<Marker>) -> Output {
        let (rust, c) = (Aside::default(), Aside::default());
        Output { marker, threads: Threads::of_process(), rust, c, is_kept: false, written_at: 0 }
    }

    /// An item is about to begin.
    #[inline]
    pub(super) fn begin(&self, item: Item) {
        if let Some(marker) = &self.marker {
            marker.put(begun(&marker.seal, item));
        }
    }

    /// An item has ended, and its outcome is not sent yet; `promptly` if the time is there
    /// to write out Rust's too.
    #[inline]
    pub(super) fn end(&mut self, failed: bool, promptly: bool) {
        self.is_kept = true;
        if let Some(marker) = &self.marker {
            let mark = ended(&marker.seal, failed);
            self.write_out();
            self.marker.as_ref().expect("it was there").put(mark);
        } else {
            if stdio::is_pending() {
                stdio::try_flush();
            }
            if promptly && self.threads.are_surely_one() {
                flush_rust();
            }
        }
    }

    /// An item is about to begin `now`, by the monotonic clock: writes out Rust's, unless that
    /// was done just now.
    #[inline]
    pub(super) fn write_now_and_then(&mut self, now: u64) {
        if now.wrapping_sub(self.written_at) > FLUSH_EVERY && self.threads.are_surely_one() {
            flush_rust();
            self.written_at = now;
        }
    }

    /// There is a moment: writes out what can be written without waiting for anybody.
    #[inline]
    pub(super) fn write_what_is_free(&mut self) {
        if self.is_kept && self.threads.are_surely_one() {
            stdio::try_flush();
            flush_rust();
            self.is_kept = false;
        }
    }

    /// The worker is about to sleep or to leave: writes out everything, but waits for locks
    /// only so long.
    pub(super) fn write_out(&mut self) {
        if !std::mem::take(&mut self.is_kept) {
            return;
        }
        if stdio::is_pending() && !stdio::try_flush() {
            self.c.run(FLUSH_WAIT, stdio::flush);
        }
        match self.threads.are_one() {
            true => flush_rust(),
            false => self.rust.run(FLUSH_WAIT, flush_rust),
        }
    }
}

fn flush_rust() {
    // Whoever reads it may be gone, or the task has closed it.
    let _ = std::io::stdout().flush();
}

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
        let duplicate = fds::out_of_the_way(rustix::io::fcntl_dupfd_cloexec(standard, 3)?)?;
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
