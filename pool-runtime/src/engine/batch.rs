//! Encoded items. Each is encoded once, sent from where it lies, and kept until it is settled,
//! since a worker may die before it begins the item.

use std::sync::Arc;

use crate::channel::{Body, ItemBytes};
use crate::ids::{Item, Items};
use crate::limits::{CHUNK_BYTES, MAX_ITEM, WEIGHT_BYTES, WEIGHT_TIME};
use crate::scheduler::DEPTH;
use crate::sys::arena::Arena;
use crate::sys::buffer::Buffer;
use crate::wire::message;

/// Consecutive encoded items.
#[derive(Debug)]
pub(crate) struct Batch {
    items: Items,
    bytes: ItemBytes,
    unsettled: u64,
    /// The item after the last chunk that was sent, and where its bytes start. Chunks are sent
    /// in order, except those that are sent again.
    next: (Item, usize),
}

impl Batch {
    pub(crate) fn items(&self) -> Items {
        self.items.clone()
    }

    /// The weights of chunks of its items.
    pub(super) fn weights(&self) -> Weights {
        let count = (self.items.end - self.items.start).max(1);
        Weights { bytes: self.bytes.len() as u64 / count }
    }

    /// The bytes of some items, which follow the head in a chunk's frame.
    pub(super) fn body(&mut self, items: &Items) -> Body<'_> {
        assert!(
            self.items.start <= items.start && items.end <= self.items.end,
            "items {items:?} of a batch of {:?}",
            self.items
        );
        if *items == self.items {
            return Body { range: 0..self.bytes.len(), bytes: &mut self.bytes };
        }
        let (item, start) = match self.next {
            next if next.0 <= items.start => next,
            _ => (self.items.start, 0),
        };
        let start = self.skip(start, items.start - item);
        let end = self.skip(start, items.end - items.start);
        self.next = (items.end, end);
        Body { bytes: &mut self.bytes, range: start..end }
    }

    /// Where the bytes begin of the item `count` places after the one at `start`.
    fn skip(&self, mut start: usize, count: u64) -> usize {
        for _ in 0..count {
            start += message::item_length(&self.bytes[start..]);
        }
        start
    }

    /// Counts settled items. Tells whether these were the last.
    pub(super) fn settle(&mut self, count: u64) -> bool {
        self.unsettled -= count;
        self.is_settled()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.unsettled == 0
    }

    /// Frees its bytes, as none will be sent again.
    pub(super) fn let_go(&mut self) {
        self.bytes.let_go();
    }
}

/// The weights that chunks of a batch have in a worker's queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights {
    /// Average length of an item in bytes.
    bytes: u64,
}

impl Weights {
    /// The weight of a chunk of this many items, each of which takes this many nanoseconds. An
    /// unknown time counts as long.
    pub(super) fn of(self, items: u64, nanos: Option<u64>) -> u32 {
        let bytes = self.bytes.saturating_mul(items) / WEIGHT_BYTES;
        let unit = WEIGHT_TIME.as_nanos() as u64;
        let time = nanos.map_or(u64::MAX, |nanos| nanos.saturating_mul(items) / unit);
        u32::try_from(bytes.max(time)).unwrap_or(u32::MAX).clamp(1, DEPTH / 2)
    }
}

/// Collects encoded items into batches.
#[derive(Debug)]
pub(crate) struct BatchEncoder {
    next: Item,
    bytes: Buffer,
    count: usize,
    /// Where the last item ends. Bytes after it are left from an item whose encoding panicked,
    /// if the caller caught the panic.
    end: usize,
}

/// Why an item could not be encoded.
#[derive(Debug)]
pub(crate) enum NotEncoded<E> {
    Unencodable(E),
    /// Its length in bytes.
    TooLong(usize),
}

impl BatchEncoder {
    /// Large batches are written into the arena, if there is one.
    pub(crate) fn new(arena: Option<&Arc<Arena>>) -> BatchEncoder {
        BatchEncoder { next: 0, bytes: Buffer::new(arena.cloned(), 0), count: 0, end: 0 }
    }

    /// The index of the next item.
    pub(crate) fn next(&self) -> Item {
        self.next
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the batch has enough bytes to be sent, however few its items are.
    pub(crate) fn is_heavy(&self) -> bool {
        self.bytes.len() >= CHUNK_BYTES
    }

    /// Adds the item that `encode` writes.
    #[inline]
    pub(crate) fn push<E>(
        &mut self,
        encode: impl FnOnce(&mut Buffer) -> Result<(), E>,
    ) -> Result<(), NotEncoded<E>> {
        let start = self.end;
        self.bytes.truncate(start);
        message::put_item(&mut self.bytes, encode).map_err(NotEncoded::Unencodable)?;
        let length = self.bytes.len() - start;
        if length > MAX_ITEM {
            self.bytes.truncate(start);
            return Err(NotEncoded::TooLong(length));
        }
        self.count += 1;
        self.end += length;
        self.next += 1;
        Ok(())
    }

    /// Leaves out an item that could not be encoded. Items in a batch are consecutive, so the
    /// caller must have taken the batch before it.
    pub(crate) fn skip(&mut self) {
        assert!(self.is_empty(), "a gap inside a batch");
        self.next += 1;
    }

    /// Takes the batch, which has at least one item.
    pub(crate) fn take(&mut self) -> Batch {
        let count = std::mem::take(&mut self.count) as u64;
        assert!(count > 0, "an empty batch");
        self.bytes.truncate(std::mem::take(&mut self.end));
        // The batches of a job mostly have one length, except one that holds a large item.
        let expected = self.bytes.len().min(2 * CHUNK_BYTES);
        let next = Buffer::new(self.bytes.arena().cloned(), expected);
        Batch {
            items: self.next - count..self.next,
            bytes: std::mem::replace(&mut self.bytes, next).into(),
            unsettled: count,
            next: (self.next - count, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_pack_is_the_bytes_of_its_items() {
        let mut encoder = BatchEncoder::new(None);
        encoder.skip();
        for text in ["ab", "", "c"] {
            let encode = |out: &mut Buffer| {
                out.put(text.as_bytes());
                Ok::<(), ()>(())
            };
            encoder.push(encode).unwrap();
        }
        let mut batch = encoder.take();
        assert_eq!(batch.items(), 1..4);
        assert_eq!(batch.body(&(1..4)).range, 0..16 + 8 + 16);
        assert_eq!(batch.body(&(2..3)).range, 16..24);
        assert_eq!(batch.body(&(3..4)).range, 24..40);
        assert!(encoder.is_empty());
        assert_eq!(encoder.next(), 4);
        assert_eq!([batch.settle(1), batch.settle(2)], [false, true]);
    }
}
