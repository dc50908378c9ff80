//! What stands where in the memory that the program shares with one worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::ring::{Doorbell, Lane, Sleep};
use crate::sys::shm::{AREA, Area, Shm};

/// The words, each written by the one that is named.
mod word {
    /// The program.
    pub(super) const REQUESTS_TAIL: usize = 0;
    pub(super) const REQUESTS_JUMP: usize = 1;
    pub(super) const RESPONSES_HEAD: usize = 2;
    /// The worker.
    pub(super) const REQUESTS_HEAD: usize = 3;
    pub(super) const RESPONSES_TAIL: usize = 4;
    pub(super) const RESPONSES_JUMP: usize = 5;
    pub(super) const BEGUN: usize = 6;
    /// Both.
    pub(super) const WORKER_IDLE: usize = 7;
    pub(super) const ATTENTION: usize = 8;
    pub(super) const PROGRAM_LACKS_ROOM: usize = 9;
    pub(super) const WORKER_LACKS_ROOM: usize = 10;
    pub(super) const CLAIMS: usize = 11;
    pub(super) const WORKED: usize = 12;
    pub(super) const BEGAN_AT: usize = 13;
    /// The worker, in a signal handler.
    pub(super) const SIGN: usize = 14;
    /// The program.
    pub(super) const ASKED_TO_END: usize = 15;
}

/// One side's view of the shared memory.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    shm: Arc<Shm>,
}

impl Memory {
    pub(super) fn new(shm: Shm) -> Memory {
        Memory { shm: Arc::new(shm) }
    }

    pub(super) fn requests(&self) -> SharedLane {
        SharedLane { shm: Arc::clone(&self.shm), area: Area::Requests }
    }

    pub(super) fn responses(&self) -> SharedLane {
        SharedLane { shm: Arc::clone(&self.shm), area: Area::Responses }
    }

    /// Up while the worker sleeps for want of a request.
    pub(super) fn idleness(&self) -> &AtomicU32 {
        self.shm.half_word(word::WORKER_IDLE)
    }

    /// Up while the worker sleeps for want of room.
    pub(super) fn congestion(&self) -> &AtomicU32 {
        self.shm.half_word(word::WORKER_LACKS_ROOM)
    }

    /// Up while the program has more to send than there is room for.
    pub(super) fn backlog(&self) -> Sleep<'_, AtomicU32> {
        Sleep(self.shm.half_word(word::PROGRAM_LACKS_ROOM))
    }

    /// Whether the program has read all that the worker has sent; for the worker, as
    /// it alone knows that it is not sending.
    pub(super) fn responses_are_read(&self) -> bool {
        let load = |word| self.shm.word(word).load(Ordering::Acquire);
        load(word::RESPONSES_HEAD) == load(word::RESPONSES_TAIL)
    }

    pub(super) fn doorbell(&self) -> Doorbell<'_, AtomicU32> {
        Doorbell(self.wake_policy())
    }

    pub(super) fn wake_policy(&self) -> &AtomicU32 {
        self.shm.half_word(word::ATTENTION)
    }

    pub(super) fn claims(&self) -> &AtomicU64 {
        self.shm.word(word::CLAIMS)
    }

    /// How long the worker has worked on the chunks that it has ended, ever, in
    /// nanoseconds.
    pub(super) fn worked(&self) -> &AtomicU64 {
        self.shm.word(word::WORKED)
    }

    /// How many items the worker has begun, ever; see `begun`.
    pub(super) fn begun(&self) -> &AtomicU64 {
        self.shm.word(word::BEGUN)
    }

    /// When the worker began its latest item that has a time limit, in nanoseconds of
    /// the machine's monotonic clock.
    pub(super) fn began_at(&self) -> &AtomicU64 {
        self.shm.word(word::BEGAN_AT)
    }

    /// What the worker has noted when a signal was about to end it; see `sys/dying.rs`.
    pub(super) fn sign(&self) -> &AtomicU64 {
        self.shm.word(word::SIGN)
    }

    /// The same word for a signal handler. The memory stays mapped until the process
    /// ends.
    pub(super) fn sign_for_ever(&self) -> &'static AtomicU64 {
        Shm::word_for_ever(&self.shm, word::SIGN)
    }

    /// Not 0 once the program has decided to end the worker by SIGTERM.
    pub(super) fn asked_to_end(&self) -> &AtomicU64 {
        self.shm.word(word::ASKED_TO_END)
    }

    /// The same word for a signal handler.
    pub(super) fn asked_to_end_for_ever(&self) -> &'static AtomicU64 {
        Shm::word_for_ever(&self.shm, word::ASKED_TO_END)
    }

    /// Lends a request's bytes to the worker.
    pub(super) fn borrow(&self, place: usize, length: usize) -> &[u8] {
        self.shm.borrow(place, length)
    }
}

/// One direction.
#[derive(Debug)]
pub(super) struct SharedLane {
    shm: Arc<Shm>,
    area: Area,
}

impl SharedLane {
    #[inline]
    fn choose(&self, requests: usize, responses: usize) -> &AtomicU64 {
        self.shm.word(match self.area {
            Area::Requests => requests,
            Area::Responses => responses,
        })
    }
}

impl Lane for SharedLane {
    type Position = AtomicU64;

    #[inline]
    fn capacity(&self) -> u64 {
        AREA as u64
    }

    fn head(&self) -> &AtomicU64 {
        self.choose(word::REQUESTS_HEAD, word::RESPONSES_HEAD)
    }

    #[inline]
    fn tail(&self) -> &AtomicU64 {
        self.choose(word::REQUESTS_TAIL, word::RESPONSES_TAIL)
    }

    fn jump(&self) -> &AtomicU64 {
        self.choose(word::REQUESTS_JUMP, word::RESPONSES_JUMP)
    }

    #[inline]
    fn write(&self, place: usize, bytes: &[u8]) {
        self.shm.write(self.area, place, bytes);
    }

    fn read(&self, place: usize, length: usize, into: &mut Vec<u8>) {
        self.shm.read(self.area, place, length, into);
    }

    fn read_u64(&self, place: usize) -> u64 {
        self.shm.read_u64(self.area, place)
    }
}
