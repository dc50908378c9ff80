//! The worker's end, but for what it sends.

use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use super::assembled::Assembled;
use super::memory::{Memory, SharedLane};
use super::ring::{Consumer, Corrupt, HEADER, Lane, Sleep, WakePolicy};
use super::sender::{Bell, Sender};
use super::{claims, lent};
use crate::sys::arena::Readable;
use crate::sys::shm::Shm;
use crate::sys::{fds, futex, lifeline};
use crate::wire::message::request;

/// Looks for a request before the worker sleeps, where cores are to spare: some
/// 10 µs after a chunk of a map, whose caller may want the core; some 50 µs after a
/// single call. That is longer than it takes to wake a process (10 to 20 µs): else
/// a worker and a caller that have once slept would sleep through each other's
/// waking up at every call from then on.
const LOOKS_IN_MAP: u32 = 200;
const LOOKS_AFTER_CALL: u32 = 1000;

/// Why a worker has nothing left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// The program hears nothing any more, or has given this worker up.
    Program,
    /// The shared memory makes no sense: a task has written over it.
    Sense,
}

impl From<Corrupt> for Gone {
    fn from(Corrupt: Corrupt) -> Gone {
        Gone::Sense
    }
}

/// The worker's end of a channel, but for what it sends.
#[derive(Debug)]
pub(crate) struct WorkerEnd {
    memory: Memory,
    requests: Consumer<SharedLane>,
    bell: Bell,
    /// Held, never used: the kernel watches it.
    _lifeline: OwnedFd,
    /// Bytes of the frame that was given out last and lies in the ring.
    served: u64,
    /// A frame longer than the ring.
    assembled: Assembled,
    /// Where items are read that are not sent.
    arena: Option<Readable>,
    /// Recalls read in the stream.
    recalls: u64,
    /// A chunk was recalled since the last of these: another is to come.
    voided: bool,
    /// When the chunk was claimed that was given out last.
    claimed: Option<Instant>,
    /// There are cores enough to look for requests for a moment before sleeping.
    may_spin: bool,
    /// What was given out last is a single call.
    after_call: bool,
}

/// What a worker gets to do.
#[derive(Debug)]
pub(crate) enum Received<'a> {
    /// A chunk's body, and the items if they lie elsewhere. Each item of a careful one is
    /// begun with care, see `begun`; of a quiet one it will do to summon when all of it is
    /// run.
    Chunk { body: &'a [u8], lent: Option<&'a [u8]>, careful: bool, quiet: bool },
    /// Nothing more will come.
    Goodbye,
    /// Nothing has come for as long as it would wait.
    Nothing,
}

/// While nothing has come for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lull {
    /// It is about to look for a request for a moment.
    Short,
    /// It is about to sleep.
    Long,
}

/// What comes on the lifeline when a worker boots.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) boot: Vec<u8>,
    pub(crate) channel: WorkerEnd,
    pub(crate) sender: Sender,
    /// What the boot message says they are for.
    pub(crate) extra: Vec<OwnedFd>,
}

/// Receives the channel and arms the lifeline. `None` if the program is gone.
pub(crate) fn accept(lifeline: OwnedFd) -> io::Result<Option<Accepted>> {
    let (boot, fds) = fds::receive_with(lifeline.as_fd())?;
    let mut fds = fds.into_iter();
    if boot.is_empty() {
        return Ok(None);
    }
    let (Some(bell), Some(file)) = (fds.next(), fds.next()) else {
        // The kernel leaves out those for which there are no numbers.
        return Err(io::Error::from_raw_os_error(libc::EMFILE));
    };
    if !lifeline::arm(lifeline.as_fd())? {
        return Ok(None);
    }
    let memory = Memory::new(Shm::open(file.as_fd())?);
    let bell = Bell::new(fds::out_of_the_way(bell)?);
    let sender = Sender::new(memory.clone(), bell);
    let channel = WorkerEnd {
        requests: Consumer::new(memory.requests()),
        memory,
        bell,
        _lifeline: lifeline,
        served: 0,
        assembled: Assembled::Ordinary(Vec::new()),
        arena: None,
        recalls: 0,
        voided: false,
        claimed: None,
        may_spin: false,
        after_call: false,
    };
    Ok(Some(Accepted { boot, channel, sender, extra: fds.collect() }))
}

impl WorkerEnd {
    /// There are cores enough to look for requests for a moment before sleeping.
    pub(crate) fn may_spin(&mut self) {
        self.may_spin = true;
    }

    /// Long items are in the memory that this descriptor is of. Where that cannot be mapped,
    /// they are sent.
    pub(crate) fn read_in(&mut self, file: &OwnedFd) {
        self.arena = Readable::open(file.as_fd()).ok();
    }

    /// Whether it can read what it is lent.
    pub(crate) fn reads(&self) -> bool {
        self.arena.is_some()
    }

    /// The memory of this process is about to be limited: what is received must not
    /// count.
    pub(crate) fn limit_memory(&mut self) {
        self.assembled = Assembled::Uncounted(None);
    }

    /// The word for what a process notes that a signal is about to end.
    pub(crate) fn sign(&self) -> &'static AtomicU64 {
        self.memory.sign_for_ever()
    }

    /// The word that is not 0 once the program has decided to end this process by SIGTERM.
    pub(crate) fn asked_to_end(&self) -> &'static AtomicU64 {
        self.memory.asked_to_end_for_ever()
    }

    /// What a process that dies tells the program by, which is never closed.
    pub(crate) fn bell(&self) -> RawFd {
        self.bell.number()
    }

    /// The next chunk, claimed for this worker; waits for it, but not longer than
    /// `until`. Tells of the lulls while nothing has come.
    pub(crate) fn receive(
        &mut self,
        until: Option<Instant>,
        meanwhile: &mut impl FnMut(Lull),
    ) -> Result<Received<'_>, Gone> {
        if let Some(claimed) = self.claimed.take() {
            let nanos = u64::try_from(claimed.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.memory.worked().fetch_add(nanos, Ordering::Relaxed);
        }
        self.release(self.served)?;
        loop {
            let Some(header) = self.requests.peek()? else {
                if until.is_some_and(|until| until <= Instant::now()) {
                    return Ok(Received::Nothing);
                }
                meanwhile(Lull::Short);
                self.sleep(until, meanwhile)?;
                continue;
            };
            let (careful, quiet) = (request::is_careful(header.tag), request::is_quiet(header.tag));
            let frame = header.frame();
            let length = usize::try_from(header.length).map_err(|_| Gone::Sense)?;
            if frame > self.requests.lane().capacity() {
                self.assemble(frame)?;
                if self.claim()? {
                    self.served = 0;
                    self.after_call = request::is_call(header.tag);
                    self.claimed = Some(Instant::now());
                    let body = &self.assembled.as_slice()[HEADER..][..length];
                    return Ok(Received::Chunk { body, lent: None, careful, quiet });
                }
                continue;
            }
            self.assembled.free();
            let place = self.requests.body();
            match header.tag {
                tag if request::is_chunk(tag) => {
                    if !self.claim()? {
                        self.release(frame)?;
                        continue;
                    }
                    self.served = frame;
                    self.after_call = request::is_call(tag);
                    if self.requests.is_last(frame) && !self.memory.responses_are_read() {
                        let whom = self.memory.doorbell().summons(WakePolicy::Patient);
                        self.bell.summon(&self.memory, whom)?;
                    }
                    // Nobody asks how long a single call takes.
                    self.claimed = (!self.after_call).then(Instant::now);
                    let mut body = self.memory.borrow(place, length);
                    let mut items = None;
                    if request::is_lent(tag) {
                        let (head, place, length) = lent::split(body).ok_or(Gone::Sense)?;
                        let arena = self.arena.as_ref().ok_or(Gone::Sense)?;
                        items = Some(arena.borrow(place, length).ok_or(Gone::Sense)?);
                        body = head;
                    }
                    return Ok(Received::Chunk { body, lent: items, careful, quiet });
                }
                request::RECALL => {
                    let body = self.memory.borrow(place, length).try_into();
                    self.recalls = u64::from_le_bytes(body.map_err(|_| Gone::Sense)?);
                    self.voided = false;
                }
                request::GOODBYE => return Ok(Received::Goodbye),
                _ => return Err(Gone::Sense),
            }
            self.release(frame)?;
        }
    }

    /// Claims the chunk that comes next; `false` if it was recalled. A recall that has
    /// gone again, before it was read, was none: somebody has written over the word.
    fn claim(&mut self) -> Result<bool, Gone> {
        if claims::claim(self.memory.claims(), self.recalls) {
            return if self.voided { Err(Gone::Sense) } else { Ok(true) };
        }
        self.voided = true;
        Ok(false)
    }

    /// Gives room back, and tells a program that waits for room.
    fn release(&mut self, length: u64) -> Result<(), Gone> {
        if length > 0 {
            self.requests.release(length);
            self.served = 0;
            if self.memory.backlog().must_wake() {
                self.bell.ring()?;
            }
        }
        Ok(())
    }

    /// Collects a frame that is longer than the ring.
    fn assemble(&mut self, frame: u64) -> Result<(), Gone> {
        self.assembled.begin(frame).map_err(|_| Gone::Sense)?;
        let mut missing = frame;
        while missing > 0 {
            match self.assembled.take(&mut self.requests, missing)? {
                0 => self.sleep(None, &mut |_| ())?,
                taken => {
                    missing -= taken;
                    if self.memory.backlog().must_wake() {
                        self.bell.ring()?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits until there may be something to read, but not much longer than `until`.
    fn sleep(
        &mut self,
        until: Option<Instant>,
        meanwhile: &mut impl FnMut(Lull),
    ) -> Result<(), Gone> {
        let looks = match (self.may_spin, self.after_call) {
            (false, _) => 0,
            (true, false) => LOOKS_IN_MAP,
            (true, true) => LOOKS_AFTER_CALL,
        };
        for _ in 0..looks {
            if self.requests.has_unread() {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        meanwhile(Lull::Long);
        Sleep(self.memory.idleness()).prepare();
        let requests = &self.requests;
        // As in `claim`.
        let is_recalled = !claims::are_recalls(self.memory.claims(), self.recalls);
        if self.voided && !is_recalled {
            return Err(Gone::Sense);
        }
        // A program that has read everything knows that this worker is idle. But not that
        // it takes what it was sent for recalled, where perhaps nothing was.
        let bell = (is_recalled || !self.memory.responses_are_read()).then_some(self.bell);
        doze(self.memory.idleness(), &self.memory, bell, until, || requests.has_unread())
    }
}

/// Sleeps on a word that is prepared, until the program takes it down, or `ready`, or
/// `until`. Rings before that, if there is a bell to be rung.
pub(super) fn doze(
    word: &AtomicU32,
    memory: &Memory,
    bell: Option<Bell>,
    until: Option<Instant>,
    ready: impl Fn() -> bool,
) -> Result<(), Gone> {
    const ASLEEP: u32 = Sleep::<AtomicU32>::ASLEEP;
    if !ready() {
        if let Some(bell) = bell {
            bell.summon(memory, memory.doorbell().summons(WakePolicy::Lazy))?;
        }
        while word.load(Ordering::Relaxed) == ASLEEP && !ready() {
            let limit = until.map(|until| until.saturating_duration_since(Instant::now()));
            if limit.is_some_and(|limit| limit.is_zero()) {
                break;
            }
            futex::wait(word, ASLEEP, limit).map_err(|_| Gone::Sense)?;
        }
    }
    Sleep(word).end();
    Ok(())
}
