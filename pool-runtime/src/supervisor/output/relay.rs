//! The thread that prints what workers wrote.
//!
//! The reader of the program's output decides how long printing takes. So a thread prints
//! without holding any lock, and the engine, which must not wait, queues lines for it in a
//! mailbox. When the mailbox is full, the engine stops reading the workers' pipes, and
//! workers that write block, as they would if they wrote to the program's output themselves.
//!
//! The thread writes to the descriptors, past the standard library and its locks: otherwise a
//! caller that holds the lock of standard output while it waits for workers that print would
//! wait for ever. One write has whole lines: a few short ones or one long one. A pipe takes
//! up to 4 KiB at once, so nothing that the program prints itself comes between.

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

/// Bytes that a pipe takes at once (`PIPE_BUF`).
const AT_ONCE: usize = 4096;

/// Where lines wait to be printed.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    /// Signalled when a line is queued, and when the mailbox is closed.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Each entry is written at once.
    lines: VecDeque<(Stream, Vec<u8>)>,
    /// Bytes that are queued or being printed.
    bytes: usize,
    /// The engine found it full and waits for room.
    is_awaited: bool,
    /// Lines that were not queued.
    dropped: u64,
    is_closed: bool,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No panic under the lock leaves the state inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is full now. If so, the printing thread rings the engine once there is
    /// room.
    pub(super) fn is_full(&self) -> bool {
        let mut state = self.lock();
        let is_full = state.bytes >= OUTPUT_QUEUED;
        state.is_awaited |= is_full;
        is_full
    }

    /// Queues a line. When it is full, only workers that die add lines, up to what their
    /// pipes held. If workers die one after another while nobody reads the program's output,
    /// lines beyond `OUTPUT_DROPPED` bytes are dropped.
    pub(super) fn push(&self, stream: Stream, line: &[u8]) {
        let mut state = self.lock();
        if state.bytes >= OUTPUT_DROPPED {
            state.dropped += 1;
            return;
        }
        state.push(stream, line);
        self.changed.notify_one();
    }

    /// No more lines will be queued.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Waits for the lines to print next; `None` once it is closed and empty.
    pub(super) fn take(&self) -> Option<(Stream, Vec<u8>)> {
        let mut state = self.lock();
        loop {
            if let Some(lines) = state.lines.pop_front() {
                return Some(lines);
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

    /// This many bytes are printed. Tells whether the engine waits for the room.
    pub(super) fn printed(&self, bytes: usize) -> bool {
        let mut state = self.lock();
        state.bytes -= bytes;
        state.bytes < OUTPUT_QUEUED && std::mem::take(&mut state.is_awaited)
    }
}

impl State {
    fn push(&mut self, stream: Stream, line: &[u8]) {
        self.bytes += line.len();
        match self.lines.back_mut() {
            Some((last, lines)) if *last == stream && lines.len() + line.len() <= AT_ONCE => {
                lines.extend_from_slice(line);
            }
            _ => self.lines.push_back((stream, line.to_vec())),
        }
    }
}

/// The thread, as the pool holds it.
#[derive(Debug)]
pub(crate) struct Relay {
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Relay {
    /// Starts the thread that prints the lines of the mailbox. It rings the poller when a
    /// full mailbox has room again.
    pub(crate) fn start(mailbox: Arc<Mailbox>, poller: Arc<Poller>) -> io::Result<Relay> {
        // The program's signals are for its own threads. SIGPIPE, which a closed output sends
        // to the writing thread, needs no action.
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
        // Held during the wait, so that a second caller waits too.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            thread.join().expect("printing does not panic");
        }
    }
}

/// Prints to the program's stream; drops the lines if the stream is closed.
fn print(stream: Stream, mut lines: &[u8]) {
    let fd: BorrowedFd<'_> = match stream {
        Stream::Stdout => rustix::stdio::stdout(),
        Stream::Stderr => rustix::stdio::stderr(),
    };
    while !lines.is_empty() {
        match rustix::io::write(fd, lines) {
            Ok(written) => lines = &lines[written..],
            Err(Errno::INTR) => {}
            // The stream is full, and the program has made it nonblocking.
            Err(Errno::AGAIN) if fds::wait_for_room(fd).is_ok() => {}
            Err(_) => return,
        }
    }
}
