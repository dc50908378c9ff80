//! A ring: frames from one process to another through shared memory, one
//! producer, one consumer.
//!
//! ```text
//!            place 0                                     capacity
//!   area     | ....... | frame | frame | frame | ............... |  (mapped twice)
//!                      ^ head                  ^ tail
//!                      the consumer's          the producer's
//! ```
//!
//! `head` and `tail` count bytes since the beginning and only go forward; a
//! position's place is its rest by the capacity. A frame is a header of eight bytes (a tag,
//! a length), the body, and zeros up to a multiple of eight, so every body is
//! aligned. A frame that fits into the ring is published whole, once there is
//! room; so its consumer finds it in one piece, where it lies. A longer one is
//! published piece by piece as there is room.
//!
//! # Orderings
//!
//! 1. The producer writes bytes, then stores `tail` with Release. The consumer
//!    loads `tail` with Acquire, then reads bytes: it sees what was written.
//! 2. The consumer reads bytes, then stores `head` with Release. The producer
//!    loads `head` with Acquire, then writes over them: no byte is overwritten
//!    before it was read.
//! 3. `jump` is stored (Relaxed) before the `tail` that it is needed for, and is
//!    not stored again before a `head` behind it was seen: so by 1 and 2 whoever
//!    has a `tail` behind a jump has that jump.
//! 4. Sleeping is on top of this, see `doorbell`.
//!
//! Positions are numbers modulo 2^64. A jump takes a position forward by up to a
//! whole lap, so the end of the numbers is nearer than what is sent would have it:
//! a ring that jumps every few microseconds is there in months. So one position is
//! told from another only by how far both are from a third.
//!
//! Each side keeps its own position in memory of its own and only publishes it.
//! What it loads of the other's is checked against it, once, and then used from
//! the copy: a peer whose memory is corrupt can send garbage, but not make this
//! side read or write anywhere but in the area.
//!
//! # Jumps
//!
//! A ring that is used in turn would touch all of its memory before it comes to
//! the same place again, and fresh pages are slow (1 GB/s where warm ones have 50).
//! So once the producer is far from the start of the area and the start is free,
//! it jumps there: the stream goes on at the start of the next lap. `jump` says
//! from which position.

mod consumer;
mod doorbell;
mod producer;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use consumer::Consumer;
pub(crate) use doorbell::{Doorbell, Sleep, Summon, WakePolicy, direct};
pub(crate) use producer::{Message, Producer};

/// Bytes of a frame's header.
pub(crate) const HEADER: usize = 8;

/// Everything in a ring is at a multiple of this.
const ALIGN: usize = 8;

/// A jump is worth it from here on: 64 KiB stay in a core's own cache.
const FAR: u64 = 64 << 10;

/// What the positions are stored in: atomics of the processor's, or of a model
/// checker.
pub(crate) trait Position {
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
}

impl Position for AtomicU64 {
    fn load(&self, order: Ordering) -> u64 {
        AtomicU64::load(self, order)
    }

    fn store(&self, value: u64, order: Ordering) {
        AtomicU64::store(self, value, order);
    }
}

/// What a ring stands on. Both of its ends have one; the two are of the same
/// memory.
pub(crate) trait Lane {
    type Position: Position;

    /// Bytes of the area; a power of two.
    fn capacity(&self) -> u64;
    /// A jump is worth it from this place on, which is not 0.
    fn far(&self) -> u64 {
        FAR
    }
    fn head(&self) -> &Self::Position;
    fn tail(&self) -> &Self::Position;
    fn jump(&self) -> &Self::Position;
    /// Copies bytes to a place. They may run over the end into the start.
    fn write(&self, place: usize, bytes: &[u8]);
    /// Appends so many bytes at a place to `into`.
    fn read(&self, place: usize, length: usize, into: &mut Vec<u8>);
    /// The eight bytes at a place.
    fn read_u64(&self, place: usize) -> u64;
}

/// The other side has published what makes no sense: its memory is corrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Never 0, which is what untouched memory holds.
    pub(crate) tag: u8,
    /// Bytes of the body.
    pub(crate) length: u64,
}

const LENGTH_BITS: u32 = 56;

impl Header {
    #[inline]
    pub(crate) fn new(tag: u8, length: usize) -> Header {
        let length = length as u64;
        assert!(tag != 0 && length <= crate::limits::MAX_FRAME, "a frame of {length} bytes");
        Header { tag, length }
    }

    fn encode(self) -> u64 {
        u64::from(self.tag) << LENGTH_BITS | self.length
    }

    /// `None` for what is no header of ours.
    #[inline]
    pub(crate) fn decode(word: u64) -> Option<Header> {
        let tag = (word >> LENGTH_BITS) as u8;
        let length = word & ((1 << LENGTH_BITS) - 1);
        (tag != 0 && length <= crate::limits::MAX_FRAME).then_some(Header { tag, length })
    }

    /// Bytes of the whole frame.
    #[inline]
    pub(crate) fn frame(self) -> u64 {
        HEADER as u64 + self.length.next_multiple_of(ALIGN as u64)
    }
}

/// The place of a position.
#[inline]
fn place(position: u64, capacity: u64) -> usize {
    usize::try_from(position & (capacity - 1)).expect("an area is in memory")
}

/// The start of the lap after the one that a position is in.
fn next_lap(position: u64, capacity: u64) -> u64 {
    (position & !(capacity - 1)).wrapping_add(capacity)
}
