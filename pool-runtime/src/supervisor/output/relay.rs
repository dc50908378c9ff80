//! The thread that prints what workers wrote.
//!
//! Printing may take as long as whoever reads the program's output likes. So it is
//! done by a thread that holds no lock meanwhile, and the engine, which must not wait,
//! leaves lines for it in a mailbox. When that is full the engine leaves the rest in the
//! workers' pipes, and workers that write wait, as they would if they wrote to the
//! program's output themselves.
//!
//! It writes to the descriptors, past the standard library and its locks: a caller that
//! holds the lock of standard output while it waits for workers that print would else
//! wait for ever. What is written at once is a few lines, or a long one, and never a
//! part of a line; up to 4 KiB a pipe takes at once, so nothing that the program
//! prints itself ends up inside of it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::io::Errno;

use super::Stream;
use crate::limits::{OUTPUT_DROPPED, OUTPUT_QUEUED};
use crate::sys::poller::Poller;
use crate::sys::{fds, signals};

/// What a pipe takes at once (`PIPE_BUF`).
const AT_ONCE: usize = 4096;

/// Where lines wait to be printed.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    /// Something was left, or nothing will be any more.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Each is written at once.
    letters: VecDeque<(Stream, Vec<u8>)>,
    /// Bytes that were left and are not printed.
    bytes: usize,
    /// Somebody found it full.
    is_wanted: bool,
    /// Lines that were not taken.
    dropped: u64,
    is_closed: bool,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock leaves it in pieces.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no more should be left here now. If so, whoever prints rings when that
    /// has changed.
    pub(super) fn is_full(&self) -> bool {
        let mut state = self.lock();
        let is_full = state.bytes >= OUTPUT_QUEUED;
        state.is_wanted |= is_full;
        is_full
    }

    /// Leaves a line. Only workers that die leave any when it is full, as much as their
    /// pipes held; where they die one after another while nobody reads the program's
    /// output, there is an end to that.
    pub(super) fn leave(&self, stream: Stream, line: &[u8]) {
        let mut state = self.lock();
        if state.bytes >= OUTPUT_DROPPED {
            state.dropped += 1;
            return;
        }
        state.push(stream, line);
        self.changed.notify_one();
    }

    /// Nothing more will be left.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// What is to be printed next; waits for it. `None` if there will be nothing.
    pub(super) fn take(&self) -> Option<(Stream, Vec<u8>)> {
        let mut state = self.lock();
        loop {
            if let Some(letter) = state.letters.pop_front() {
                return Some(letter);
            }
            match std::mem::take(&mut state.dropped) {
                0 => {}
                count => {
                    let note = format!("[pool] {count} lines of workers that died were dropped\n");
                    state.push(Stream::Stderr, note.as_bytes());
                    continue;
                }
            }
            if state.is_closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// So many bytes are printed. Tells whether somebody waits for the place.
    pub(super) fn printed(&self, bytes: usize) -> bool {
        let mut state = self.lock();
        state.bytes -= bytes;
        state.bytes < OUTPUT_QUEUED && std::mem::take(&mut state.is_wanted)
    }
}

impl State {
    fn push(&mut self, stream: Stream, line: &[u8]) {
        self.bytes += line.len();
        match self.letters.back_mut() {
            Some((last, lines)) if *last == stream && lines.len() + line.len() <= AT_ONCE => {
                lines.extend_from_slice(line);
            }
            _ => self.letters.push_back((stream, line.to_vec())),
        }
    }
}

/// The thread, as the pool holds it.
#[derive(Debug)]
pub(crate) struct Relay {
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Relay {
    /// Starts printing what is left in the mailbox. The poller is rung when that has
    /// place again.
    pub(crate) fn start(mailbox: Arc<Mailbox>, poller: Arc<Poller>) -> io::Result<Relay> {
        // The program's signals are for its own threads; and SIGPIPE, which a closed
        // output brings upon the thread that writes, is none that must be acted upon.
        let _blocked = signals::block_all();
        let thread = std::thread::Builder::new().name("pool-output".into()).spawn(move || {
            while let Some((stream, lines)) = mailbox.take() {
                print(stream, &lines);
                if mailbox.printed(lines.len()) {
                    poller.ring();
                }
            }
        })?;
        Ok(Relay { thread: Mutex::new(Some(thread)) })
    }

    /// Waits until all is printed. The mailbox is closed.
    pub(crate) fn join(&self) {
        // Held while it waits: who comes second waits as well.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            thread.join().expect("printing does not panic");
        }
    }
}

/// Prints to the program's stream, unless it is closed: then nobody wants to see it.
fn print(stream: Stream, mut lines: &[u8]) {
    let fd: BorrowedFd<'_> = match stream {
        Stream::Stdout => rustix::stdio::stdout(),
        Stream::Stderr => rustix::stdio::stderr(),
    };
    while !lines.is_empty() {
        match rustix::io::write(fd, lines) {
            Ok(written) => lines = &lines[written..],
            Err(Errno::INTR) => {}
            // Full, and somebody has made it nonblocking.
            Err(Errno::AGAIN) if fds::wait_for_room(fd).is_ok() => {}
            Err(_) => return,
        }
    }
}
