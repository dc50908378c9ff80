//! The standard output and error of a pool's workers.
//!
//! If the output is captured or prefixed, each worker has two pipes, in which it marks where
//! items begin and end (`wire/output.rs`). The engine reads a bounded amount of them a turn
//! and never waits, so a worker that writes is not blocked for long. It either keeps the end
//! of each item's output, for the item's error, or cuts lines and queues them for a thread
//! that prints them (`relay.rs`).
//!
//! When an item has failed, all its output is known: its end mark is in the pipe before its
//! outcome is in the channel, and the pipe is read before the outcome. The worker goes on
//! meanwhile, so the output of later items may follow that mark. Therefore the output of a
//! failed item is kept until it is claimed. One is enough: the worker sends the outcome of
//! this item before the next one can fail.

mod lines;
mod relay;
mod tails;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use self::lines::Lines;
pub(crate) use self::relay::{Mailbox, Relay};
use self::tails::{Tail, Tails};
use crate::error::Written;
use crate::ids::Item;
use crate::sys::fds;
use crate::wire::output::{Seal, piece};

/// Where the output of a pool's workers goes: their standard output and error.
///
/// [`PoolBuilder::output`](crate::PoolBuilder::output) takes it. What a task prints
/// counts as its item's until the task returns. What another library than the C library
/// and Rust's standard library keeps in buffers of its own is not seen before it writes.
///
/// With each of these settings, what an item has printed leaves its worker, once, before its
/// result is delivered, however the worker ends later. That holds for whole lines by
/// [`println!`] and for all that is printed by C's `stdio`. A line that [`print!`] has left
/// without its end follows at the latest when the worker has nothing to do; the death of a
/// worker may take it along only where it has run hundreds of very short items since, or
/// tasks have started threads. No result waits for a thread that a task has left behind with
/// the lock of a stream: what is printed under such a lock is written when the lock is free.
///
/// Under `Capture` and `Prefix` the order between the two streams is not kept, a call costs
/// some ten microseconds more and an item of a map some five, and what a process writes that
/// outlives its worker goes nowhere. What a process or a thread writes that a task has
/// started and that outlives it, but not its worker, counts as that of the item that the
/// worker is at by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Where the program's own goes, as it is.
    #[default]
    Inherit,
    /// Nowhere: `/dev/null`.
    Null,
    /// Nowhere, but the error of an item has the end of what it wrote: the last 8 KiB
    /// of each stream, by [`Error::stderr`](crate::Error::stderr) and
    /// [`Error::stdout`](crate::Error::stdout). So the dying words of a C library are
    /// seen. The error of a worker that cannot start has its last words too.
    Capture,
    /// Where the program's own goes, line by line, each with the worker and the item
    /// that it is from: `[worker 2 item 17] text`; without an item if it is from a
    /// single call, or from none. A line that lacks its end gets one when the item
    /// ends, and one longer than 64 KiB is cut into pieces.
    ///
    /// Lines are printed whole; those of a worker's stream in order. They are written
    /// to the program's descriptors 1 and 2 at once, past what the program itself has
    /// printed with [`print!`] and not flushed. If nobody takes them, workers that write
    /// wait, as do [`Pool::join`](crate::Pool::join) and the end of the pool; of workers
    /// that die one after another meanwhile, lines beyond 64 MiB are dropped, and counted
    /// in a line of their own.
    ///
    /// A thread of the program prints them, perhaps some time after the result of their item
    /// was delivered. So lines are lost, whole ones too, if the program ends before: by
    /// [`std::process::exit`], or by a return from `main` while the pool is in a `static`. All
    /// are printed once the pool is dropped, or [`Pool::join`](crate::Pool::join) has
    /// returned.
    Prefix,
}

/// Bytes of one stream that are read in one turn.
const TURN: usize = 64 << 10;

/// The program's ends of a worker's two pipes, and where their bytes go.
#[derive(Debug)]
pub(crate) struct OutputCapture {
    seal: Seal,
    pipes: [Pipe; 2],
}

/// A worker's ends.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout = 0,
    Stderr = 1,
}

pub(crate) const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

/// Whether the engine is told when a stream has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listening {
    Yes,
    /// Not before its latest bytes have found room.
    Paused,
    /// It has come to its end.
    No,
}

/// How reading a stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// There is nothing more now, or not in this turn.
    Enough,
    /// Nothing more will come.
    All,
    /// There is no room for the next bytes yet.
    Stuck,
}

impl OutputCapture {
    /// Two pipes. Their bytes are kept for errors or, if there is a mailbox, queued there
    /// line by line, prefixed with `who`.
    pub(crate) fn new(
        seal: Seal,
        relay: Option<(&Arc<Mailbox>, &str)>,
    ) -> io::Result<(OutputCapture, Ends)> {
        let open = |stream| -> io::Result<(Pipe, OwnedFd)> {
            let (reads, writes) = fds::pipe()?;
            let sink = match relay {
                None => Sink::Tails(Tails::default()),
                Some((mailbox, who)) => Sink::Lines(Lines::new(mailbox, who, stream)),
            };
            let listening = Listening::Yes;
            Ok((Pipe { reads, listening, bytes: Vec::new(), placed: 0, sink }, writes))
        };
        let (out, stdout) = open(Stream::Stdout)?;
        let (err, stderr) = open(Stream::Stderr)?;
        Ok((OutputCapture { seal, pipes: [out, err] }, Ends { stdout, stderr }))
    }

    pub(crate) fn pipe(&self, stream: Stream) -> BorrowedFd<'_> {
        self.pipes[stream as usize].reads.as_fd()
    }

    pub(crate) fn listening(&self, stream: Stream) -> Listening {
        self.pipes[stream as usize].listening
    }

    pub(crate) fn set_listening(&mut self, stream: Stream, listening: Listening) {
        self.pipes[stream as usize].listening = listening;
    }

    /// Whether lines go to the mailbox, and nothing is kept.
    pub(crate) fn is_relayed(&self) -> bool {
        self.pipes.iter().all(|pipe| matches!(pipe.sink, Sink::Lines(_)))
    }

    /// Reads what a stream holds.
    pub(crate) fn take_in(&mut self, stream: Stream) -> Taken {
        self.pipes[stream as usize].take_in(&self.seal)
    }

    /// Makes room for the next bytes: nobody will claim what is kept.
    pub(crate) fn make_room(&mut self, stream: Stream) {
        self.pipes[stream as usize].sink.make_room();
    }

    /// The output of the item whose failure was received last.
    pub(crate) fn of_failed(&mut self) -> Written {
        let [stdout, stderr] = self.pipes.each_mut().map(|pipe| pipe.claim(&self.seal));
        Written { stdout, stderr }
    }

    /// The output so far of the item for which the worker is killed; a single call has no
    /// index. The mark of the next item may follow, but that item will not begin.
    pub(crate) fn of_overdue(&mut self, item: Option<Item>) -> Written {
        if self.is_relayed() {
            return Written::default();
        }
        self.last(|tails| tails.overdue(item))
    }

    /// The worker has ended, within an item or not. Reads what is there, but does not wait
    /// for the end of the streams, which other processes may hold open. Gives the output of
    /// that item, or what was written after the last one.
    pub(crate) fn end(mut self, in_item: bool) -> Written {
        self.last(|tails| tails.last(in_item))
    }

    fn last(&mut self, pick: impl Fn(&mut Tails) -> Option<Tail>) -> Written {
        let [stdout, stderr] = self.pipes.each_mut().map(|pipe| pipe.end(&self.seal, &pick));
        Written { stdout, stderr }
    }
}

/// One stream of a worker.
#[derive(Debug)]
struct Pipe {
    reads: OwnedFd,
    listening: Listening,
    bytes: Vec<u8>,
    /// How many of the bytes have found their place. Behind them is what has none yet, or
    /// may be a part of a mark.
    placed: usize,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Tails(Tails),
    Lines(Lines),
}

/// What became of the piece at the head of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Placed,
    Stuck,
    /// There was none.
    Nothing,
}

impl Pipe {
    fn take_in(&mut self, seal: &Seal) -> Taken {
        let mut left = TURN;
        loop {
            if !self.place(seal, false) {
                return Taken::Stuck;
            }
            if left == 0 {
                return Taken::Enough;
            }
            match self.read(left) {
                Ok(0) => return Taken::All,
                Ok(read) => left = left.saturating_sub(read),
                // A mark comes whole, so what is left is no part of one.
                Err(Errno::AGAIN) if self.place(seal, true) => return Taken::Enough,
                Err(Errno::AGAIN) => return Taken::Stuck,
                Err(_) => return Taken::All,
            }
        }
    }

    /// The end of what an item wrote that has failed. If it is not kept yet, it is
    /// among what the pipe holds now.
    fn claim(&mut self, seal: &Seal) -> Option<String> {
        let mut left = self.held();
        loop {
            let Sink::Tails(tails) = &mut self.sink else {
                return None;
            };
            if let Some(tail) = tails.claim() {
                return tail.text();
            }
            if self.step(seal, false) == Step::Placed {
                continue;
            }
            match if left > 0 { self.read(left) } else { Ok(0) } {
                Ok(0) | Err(_) => return None,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
    }

    /// Takes in what there is, and picks from it.
    fn end(
        &mut self,
        seal: &Seal,
        pick: impl FnOnce(&mut Tails) -> Option<Tail>,
    ) -> Option<String> {
        let mut left = self.held();
        while left > 0
            && let Ok(read @ 1..) = self.read(left)
        {
            left = left.saturating_sub(read);
            while !self.place(seal, false) {
                self.sink.make_room();
            }
        }
        while !self.place(seal, true) {
            self.sink.make_room();
        }
        match &mut self.sink {
            Sink::Tails(tails) => pick(tails).and_then(Tail::text),
            Sink::Lines(lines) => {
                lines.end();
                None
            }
        }
    }

    /// How many bytes the pipe holds at this moment.
    fn held(&self) -> usize {
        let held = rustix::io::ioctl_fionread(&self.reads).unwrap_or(0);
        usize::try_from(held).unwrap_or(usize::MAX)
    }

    /// Reads so many bytes at most, or a few more; 0 is the end of the stream.
    fn read(&mut self, most: usize) -> Result<usize, Errno> {
        self.bytes.drain(..std::mem::take(&mut self.placed));
        self.bytes.reserve(most.min(TURN));
        loop {
            match rustix::io::read(&self.reads, spare_capacity(&mut self.bytes)) {
                Err(Errno::INTR) => {}
                other => return other,
            }
        }
    }

    /// Gives every piece that was read its place; `false` if there is none for one.
    fn place(&mut self, seal: &Seal, all: bool) -> bool {
        loop {
            match self.step(seal, all) {
                Step::Placed => {}
                Step::Stuck => return false,
                Step::Nothing => return true,
            }
        }
    }

    fn step(&mut self, seal: &Seal, all: bool) -> Step {
        let Some((piece, length)) = piece(seal, &self.bytes[self.placed..], all) else {
            return Step::Nothing;
        };
        let placed = match &mut self.sink {
            Sink::Tails(tails) => tails.put(piece),
            Sink::Lines(lines) => lines.put(piece),
        };
        if !placed {
            return Step::Stuck;
        }
        self.placed += length;
        Step::Placed
    }
}

impl Sink {
    fn make_room(&mut self) {
        match self {
            Sink::Tails(tails) => drop(tails.claim()),
            Sink::Lines(lines) => lines.make_room(),
        }
    }
}

#[cfg(test)]
mod tests;
