//! Items that are not sent, but lie where a worker may read them.
//!
//! Long items are encoded into memory that all workers of a pool may read (`sys/arena.rs`),
//! and a worker is sent no more than the place. So nothing copies them again, neither into a
//! ring nor out of it, and `&[u8]` of a task's arguments refers to what the caller's encoder
//! wrote.
//!
//! ```text
//!   caller      ── encodes ──> buffer ── settled, and lent to nobody ──> free, for others
//!   job           keeps it until its items are settled  ┐
//!   each worker   that was sent a chunk of it, until    ├ an owner each
//!                 it has done with that, or is dead     ┘
//! ```
//!
//! That items are settled is not enough to write there again: an item whose time is over has
//! failed, but until its worker is dead its function runs and reads. And a worker need not
//! have done with a chunk when it is taken back from it: it may have claimed it before. So
//! chunks are counted as the word of claims counts them (`claims.rs`), which decides that:
//! a worker is an owner of what it has claimed until all outcomes of that chunk have come,
//! each of which it sends when it has done with the item, or until it is reaped; and of
//! what it has not claimed until that is taken back.
//!
//! No accident makes a worker write there: its descriptor and its mapping are for reading.
//! What others were sent it can read, if it goes looking, and who may open the program's
//! files under `/proc` could do more; so a pool with a sandbox, whose workers are not to be
//! trusted with that, has no such memory, and sends all.
//!
//! A worker that cannot map it, as where its addresses are limited, says so when it reports
//! in, and is sent all as well.

use std::collections::VecDeque;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::bytes::Bytes;
use super::claims;
use crate::sys::buffer::Buffer;

/// The bytes of items, kept until all are settled.
#[derive(Debug)]
pub(crate) enum ItemBytes {
    /// They are sent.
    Sent(Bytes),
    Lent(Arc<Buffer>),
}

impl ItemBytes {
    /// The same bytes, for another owner.
    pub(super) fn share(&mut self) -> ItemBytes {
        match self {
            ItemBytes::Sent(bytes) => ItemBytes::Sent(bytes.share()),
            ItemBytes::Lent(buffer) => ItemBytes::Lent(Arc::clone(buffer)),
        }
    }

    /// Nobody of this side needs the bytes any more.
    pub(crate) fn let_go(&mut self) {
        *self = ItemBytes::Sent(Bytes::default());
    }
}

impl From<Buffer> for ItemBytes {
    fn from(buffer: Buffer) -> ItemBytes {
        match buffer.into_vec() {
            Ok(bytes) => ItemBytes::Sent(Bytes::Own(bytes)),
            Err(lent) => ItemBytes::Lent(Arc::new(lent)),
        }
    }
}

impl Deref for ItemBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            ItemBytes::Sent(bytes) => bytes,
            ItemBytes::Lent(buffer) => buffer,
        }
    }
}

/// What a worker is told of items that it may read: their place and length.
pub(super) const WORDS: usize = 16;

/// Says where in the arena a part of a buffer lies.
pub(super) fn words(buffer: &Buffer, range: &Range<usize>) -> [u8; WORDS] {
    let place = buffer.place().expect("what is lent lies in the arena") + range.start;
    let mut words = [0; WORDS];
    words[..8].copy_from_slice(&(place as u64).to_le_bytes());
    words[8..].copy_from_slice(&(range.len() as u64).to_le_bytes());
    words
}

/// The head of a body, and the place and length that follow it.
pub(super) fn split(body: &[u8]) -> Option<(&[u8], usize, usize)> {
    let (head, words) = body.split_last_chunk::<WORDS>()?;
    let word = |from: usize| u64::from_le_bytes(words[from..][..8].try_into().expect("eight"));
    Some((head, usize::try_from(word(0)).ok()?, usize::try_from(word(8)).ok()?))
}

/// What one worker may be reading.
#[derive(Debug, Default)]
pub(super) struct Lent {
    /// Chunks sent, ever, but for those that were taken back: the number of the next.
    sent: u64,
    /// Those that it has done with.
    finished: u64,
    /// By the number of the chunk.
    chunks: VecDeque<(u64, Arc<Buffer>)>,
    /// The worker has said that it can.
    pub(super) reads: bool,
}

impl Lent {
    /// The worker is sent one more chunk.
    #[inline]
    pub(super) fn send(&mut self, lent: Option<Arc<Buffer>>) {
        if let Some(buffer) = lent {
            self.chunks.push_back((self.sent, buffer));
        }
        self.sent += 1;
    }

    /// Nobody will learn when the worker is dead.
    pub(super) fn forget(&mut self) {
        std::mem::forget(std::mem::take(&mut self.chunks));
    }

    /// It has done with so many, ever.
    #[inline]
    pub(super) fn finish(&mut self, finished: u64) {
        self.finished = finished;
        while self.chunks.front().is_some_and(|(number, _)| *number < finished) {
            self.chunks.pop_front();
        }
    }

    /// It has claimed what the word of claims said then, and may claim no more of it. Of one
    /// whose word makes no sense, all is taken for claimed.
    pub(super) fn recall(&mut self, claims: u64) {
        let claimed = self.finished.saturating_add(claims::beyond(claims, self.finished));
        self.sent = self.sent.min(claimed);
        while self.chunks.back().is_some_and(|(number, _)| *number >= self.sent) {
            self.chunks.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::arena::Arena;

    fn buffer() -> Arc<Buffer> {
        let mut buffer = Buffer::new(Some(Arc::new(Arena::create().unwrap().0)), 1 << 20);
        buffer.put(&[1; 100]);
        Arc::new(buffer)
    }

    #[test]
    fn a_worker_is_an_owner_until_it_has_done_or_cannot_begin() {
        let buffers = [buffer(), buffer(), buffer()];
        let owners = || buffers.each_ref().map(|buffer| Arc::strong_count(buffer) - 1);
        let mut lent = Lent::default();
        lent.send(Some(Arc::clone(&buffers[0])));
        lent.send(None);
        lent.send(Some(Arc::clone(&buffers[1])));
        lent.finish(0);
        assert_eq!(owners(), [1, 1, 0]);
        lent.finish(2);
        assert_eq!(owners(), [0, 1, 0]);
        // The third is claimed, the fourth is not and never will be.
        lent.send(Some(Arc::clone(&buffers[2])));
        lent.recall(3);
        assert_eq!(owners(), [0, 1, 0]);
        lent.send(Some(Arc::clone(&buffers[2])));
        lent.finish(3);
        assert_eq!(owners(), [0, 0, 1], "the next chunk has the number of the one taken back");
        drop(lent);
        assert_eq!(owners(), [0, 0, 0]);
    }

    #[test]
    fn what_is_said_of_a_part_is_understood() {
        let buffer = buffer();
        let mut body = vec![9, 9];
        body.extend_from_slice(&words(&buffer, &(10..30)));
        let place = buffer.place().unwrap() + 10;
        assert_eq!(split(&body), Some((&[9, 9][..], place, 20)));
        assert_eq!(split(&body[3..]), None);
    }
}
