//! Items on their way: encoded once, sent from where they lie, kept until each
//! is settled, since a worker may die before it begins them.

use std::sync::Arc;

use crate::channel::Body;
use crate::ids::{Item, Items};
use crate::limits::{CHUNK_BYTES, MAX_ITEM};
use crate::wire::message;

/// Consecutive encoded items.
#[derive(Debug)]
pub(crate) struct Pack {
    items: Items,
    bytes: Arc<Vec<u8>>,
    /// Where each item starts in `bytes`.
    starts: Vec<usize>,
    unsettled: usize,
}

impl Pack {
    pub(super) fn items(&self) -> Items {
        self.items.clone()
    }

    /// Some of the items, as the rest of a chunk's frame.
    pub(super) fn body(&self, items: &Items) -> Body {
        assert!(
            self.items.start <= items.start && items.end <= self.items.end,
            "items {items:?} of a pack of {:?}",
            self.items
        );
        let start = |item: Item| {
            let index = usize::try_from(item - self.items.start).expect("a pack fits in memory");
            self.starts.get(index).copied().unwrap_or(self.bytes.len())
        };
        let range = start(items.start)..start(items.end);
        Body { bytes: Arc::clone(&self.bytes), range }
    }

    /// One more item is settled; `true` if it was the last.
    pub(super) fn settle(&mut self) -> bool {
        self.unsettled -= 1;
        self.unsettled == 0
    }
}

/// Collects encoded items into packs.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    next: Item,
    bytes: Vec<u8>,
    starts: Vec<usize>,
    /// Where the last item ends. Bytes after it are of one whose encoding
    /// panicked, in a caller that caught that and goes on.
    end: usize,
}

/// Why an item was not packed.
#[derive(Debug)]
pub(crate) enum NotPacked<E> {
    Unencodable(E),
    /// Its length in bytes.
    TooLong(usize),
}

impl Packer {
    /// The index that the next item gets.
    pub(crate) fn next(&self) -> Item {
        self.next
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Whether the bytes alone call for sending what there is.
    pub(crate) fn is_heavy(&self) -> bool {
        self.bytes.len() >= CHUNK_BYTES
    }

    /// Packs what `encode` writes.
    pub(crate) fn push<E>(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), NotPacked<E>> {
        let start = self.end;
        self.bytes.truncate(start);
        message::put_item(&mut self.bytes, encode).map_err(NotPacked::Unencodable)?;
        let length = self.bytes.len() - start;
        if length > MAX_ITEM {
            self.bytes.truncate(start);
            return Err(NotPacked::TooLong(length));
        }
        self.starts.push(start);
        self.end += length;
        self.next += 1;
        Ok(())
    }

    /// Leaves out an item that could not be packed. Items in a pack are
    /// consecutive, so what came before must have been taken.
    pub(crate) fn skip(&mut self) {
        assert!(self.is_empty(), "a gap inside a pack");
        self.next += 1;
    }

    /// What was packed so far; there is something.
    pub(crate) fn take(&mut self) -> Pack {
        let count = self.starts.len();
        assert!(count > 0, "an empty pack");
        self.bytes.truncate(std::mem::take(&mut self.end));
        Pack {
            items: self.next - count as Item..self.next,
            bytes: Arc::new(std::mem::take(&mut self.bytes)),
            starts: std::mem::take(&mut self.starts),
            unsettled: count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_pack_is_the_bytes_of_its_items() {
        let mut packer = Packer::default();
        packer.skip();
        for text in ["ab", "", "c"] {
            let encode = |out: &mut Vec<u8>| {
                out.extend_from_slice(text.as_bytes());
                Ok::<(), ()>(())
            };
            packer.push(encode).unwrap();
        }
        let mut pack = packer.take();
        assert_eq!(pack.items(), 1..4);
        assert_eq!(pack.body(&(1..4)).range, 0..16 + 8 + 16);
        assert_eq!(pack.body(&(2..3)).range, 16..24);
        assert_eq!(pack.body(&(3..4)).range, 24..40);
        assert!(packer.is_empty());
        assert_eq!(packer.next(), 4);
        assert_eq!([pack.settle(), pack.settle(), pack.settle()], [false, false, true]);
    }
}
