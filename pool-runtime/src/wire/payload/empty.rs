//! How many elements of a message may take no bytes.
//!
//! In a message they are no more than the length of their list, and a corrupt length may be
//! anything. What is made of them can take memory all the same: a struct whose fields are all
//! skipped has these fields, and a linked list has a node for each `()`. So each is charged as
//! if it took 256 bytes, or for its size if that is more, and a message has 256 MiB of them.
//!
//! A vector of `()` is the exception: it takes no memory and no time, so it is bounded only to
//! let a loop over it come to an end. The exception is not made for other types of no size,
//! since a serializer cannot tell them: of the elements of a slice it sees the references.
//!
//! Both sides charge the same, so that the error comes where the value is. A type of more than
//! 256 bytes on whose size they do not agree is refused by the side that knows it.

use super::error::{Cause, Result};

/// The most of a vector of `()`.
pub(super) const MOST_UNITS: u64 = 1 << 32;

/// The most elements of other types and containers, if none is larger than [`PIECE`].
pub(super) const MOST_ELEMENTS: u64 = 1 << 20;

/// As many bytes of an element cost as much as an element.
const PIECE: usize = 256;

/// What an element costs; a `()` of a vector costs 1.
const PRICE: u64 = MOST_UNITS / MOST_ELEMENTS;

/// What is left to a message.
pub(super) struct Empty {
    left: u64,
}

impl Empty {
    #[inline]
    pub(super) fn new() -> Empty {
        Empty { left: MOST_UNITS }
    }

    /// A vector of `()` has as many elements.
    #[inline]
    pub(super) fn charge_units(&mut self, count: usize) -> Result<()> {
        self.charge(count as u64, MOST_UNITS)
    }

    /// An element of this size has taken no bytes.
    #[cold]
    pub(super) fn charge_element(&mut self, size: usize) -> Result<()> {
        let pieces = size.div_ceil(PIECE).max(1) as u64;
        self.charge(pieces.saturating_mul(PRICE), MOST_ELEMENTS / pieces)
    }

    /// How many more elements there may be at most.
    #[inline]
    pub(super) fn most(&self) -> u64 {
        self.left / PRICE
    }

    #[inline]
    fn charge(&mut self, price: u64, most: u64) -> Result<()> {
        self.left = self.left.checked_sub(price).ok_or(Cause::EmptyElements(most))?;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn set_most(&mut self, most: u64) {
        self.left = most * PRICE;
    }
}
