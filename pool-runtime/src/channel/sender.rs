//! What a worker sends, and how it wakes who waits for that.

use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::Ordering;

use rustix::io::Errno;
use rustix::net::SendFlags;

use super::begun;
use super::memory::{Memory, SharedLane};
use super::ring::{Message, Producer, Sleep, Summon, WakePolicy};
use super::worker::{Gone, doze};
use crate::sys::{fds, futex};
use crate::wire::message::report;

/// Sends outcomes to the program. There is one, used by the thread that runs the
/// tasks.
#[derive(Debug)]
pub(crate) struct Sender {
    responses: Producer<SharedLane>,
    /// Items begun.
    begun: u64,
    memory: Memory,
    bell: Bell,
}

impl Sender {
    pub(super) fn new(memory: Memory, bell: Bell) -> Sender {
        Sender { responses: Producer::new(memory.responses()), begun: 0, memory, bell }
    }

    /// The next item is about to run. The program counts outcomes, and learns by
    /// this whether a worker that has died had begun one more.
    ///
    /// A plain store: if the worker is killed later, the store has been made, and
    /// the exit by which the program learns of the death is behind it.
    pub(crate) fn begin(&mut self) {
        self.begun += 1;
        begun::store(self.memory.begun(), self.begun);
    }

    /// The same for an item of a careful chunk, which begins `now`, in nanoseconds of the
    /// monotonic clock; `false` if it must not run, nor any other, since the program has
    /// condemned this worker.
    pub(crate) fn begin_carefully(&mut self, now: u64) -> bool {
        self.begun += 1;
        self.memory.began_at().store(now, Ordering::Relaxed);
        begun::begin(self.memory.begun(), self.begun)
    }

    /// Sends one frame, of which the program need not hear before the next; sleeps while
    /// there is no room. Looking whether somebody waits takes a fence, which takes longer
    /// than the rest.
    pub(crate) fn send_quietly(&mut self, tag: u8, body: &[u8]) -> Result<(), Gone> {
        let message = Message::new(tag, [body, &[]]);
        let mut sent = 0;
        if !self.responses.send(message, &mut sent)? {
            self.send_rest(message, sent)?;
        }
        Ok(())
    }

    /// Sends one frame, and rings if somebody waits for such, or for one before it.
    pub(crate) fn send(&mut self, tag: u8, body: &[u8]) -> Result<(), Gone> {
        self.send_quietly(tag, body)?;
        let least = match tag {
            report::RETURNED => WakePolicy::Eager,
            // A failure may be the end of a map; the others are rare.
            _ => WakePolicy::Lazy,
        };
        self.bell.summon(&self.memory, self.memory.doorbell().summons(least))
    }

    /// Sends the rest of a frame as there is room for it.
    #[cold]
    fn send_rest(&mut self, message: Message<'_>, mut sent: u64) -> Result<(), Gone> {
        loop {
            let word = self.memory.congestion();
            Sleep(word).prepare();
            // Once more, now that whoever makes room will see that it is wanted.
            let before = sent;
            let whole = self.responses.send(message, &mut sent)?;
            doze(word, &self.memory, Some(self.bell), None, || sent > before)?;
            if whole || self.responses.send(message, &mut sent)? {
                return Ok(());
            }
        }
    }
}

/// What wakes the program's poller. Never closed: it goes with the process, and
/// its closing tells the program of that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bell {
    socket: RawFd,
}

impl Bell {
    pub(super) fn new(socket: OwnedFd) -> Bell {
        Bell { socket: socket.into_raw_fd() }
    }

    pub(super) fn number(self) -> RawFd {
        self.socket
    }

    pub(super) fn summon(self, memory: &Memory, whom: Summon) -> Result<(), Gone> {
        match whom {
            Summon::Nobody => {}
            Summon::Bell => self.ring()?,
            Summon::Caller => futex::wake(memory.wake_policy()),
        }
        Ok(())
    }

    pub(super) fn ring(self) -> Result<(), Gone> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        loop {
            match rustix::net::send(fds::borrowed(self.socket), &[1], flags) {
                // Full: it has rung, and nobody has looked yet.
                Ok(_) | Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(_) => return Err(Gone::Program),
            }
        }
    }
}
