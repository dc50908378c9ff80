//! Bytes that grow at their end, of the heap while they are few, and where workers can read
//! them when they are many.

use std::mem::{ManuallyDrop, take};
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::arena::{Arena, Block, LEAST};
use super::fork_mark::ForkMark;

/// Bytes that there is room for at first: a single call with small arguments. Else it would
/// grow byte by byte, which for a small call is much of the work.
const FIRST: usize = 64;

/// See the module. The fields at its head are what appending needs, whatever the home: to
/// ask for that at every number of every item would cost a part of the time of small ones.
#[derive(Debug)]
pub(crate) struct Buffer {
    start: NonNull<u8>,
    length: usize,
    capacity: usize,
    /// Tells a copy of the process that it shares the memory with the original.
    owner: Option<ForkMark>,
    home: Home,
    /// Where many bytes go.
    arena: Option<Arc<Arena>>,
    /// How many will come, as far as one can tell.
    expected: usize,
}

/// What the memory is of.
#[derive(Debug)]
enum Home {
    /// Its length is not kept up to date.
    Heap(Vec<u8>),
    Arena(Block),
}

// SAFETY: the memory at `start` is that of `home`, which it owns and which may be sent.
unsafe impl Send for Buffer {}
// SAFETY: as above; through a shared reference it is only read.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Nothing yet, of which some `expected` bytes will come.
    pub(crate) fn new(arena: Option<Arc<Arena>>, expected: usize) -> Buffer {
        Buffer {
            start: NonNull::dangling(),
            length: 0,
            capacity: 0,
            owner: None,
            home: Home::Heap(Vec::new()),
            arena,
            expected,
        }
    }

    /// Where many bytes go.
    pub(crate) fn arena(&self) -> Option<&Arc<Arena>> {
        self.arena.as_ref()
    }

    /// Appends bytes.
    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.part();
        if bytes.len() > self.capacity - self.length {
            self.grow(bytes.len());
        }
        // SAFETY: there is room for so many bytes behind the `length` first, and nobody
        // has a reference to that room, which `deref` does not give out.
        unsafe {
            let end = self.start.as_ptr().add(self.length);
            ptr::copy_nonoverlapping(bytes.as_ptr(), end, bytes.len());
        }
        self.length += bytes.len();
    }

    /// Forgets what is behind the first `length` bytes.
    #[inline]
    pub(crate) fn truncate(&mut self, length: usize) {
        if length < self.length {
            self.note();
            self.length = length;
        }
    }

    /// Makes room for so many more bytes.
    #[cold]
    fn grow(&mut self, more: usize) {
        let needed = self.length.checked_add(more).expect("bytes of a slice are no more");
        let size = needed.max(self.capacity * 2).max(FIRST);
        let large = size.max(take(&mut self.expected));
        let block = self.arena.as_ref().filter(|_| large >= LEAST);
        let home = match block.and_then(|arena| arena.take(large)) {
            Some(block) => Home::Arena(block),
            None => {
                if let Home::Heap(bytes) = &mut self.home {
                    // SAFETY: they were written, and there is room for them.
                    unsafe { bytes.set_len(self.length) };
                    bytes.reserve_exact(size - self.length);
                    return self.settle_in();
                }
                Home::Heap(Vec::with_capacity(size))
            }
        };
        self.move_to(home);
    }

    fn move_to(&mut self, home: Home) {
        self.note();
        let from = self.start;
        let before = std::mem::replace(&mut self.home, home);
        self.settle_in();
        // SAFETY: `before` still has the bytes that were written, and the new home has
        // room for more than these, and is another.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), self.start.as_ptr(), self.length) };
        drop(before);
    }

    /// Finds out where the memory lies.
    fn settle_in(&mut self) {
        (self.start, self.capacity, self.owner) = match &mut self.home {
            Home::Heap(bytes) => {
                let start = NonNull::new(bytes.as_mut_ptr()).expect("no vector is at null");
                (start, bytes.capacity(), None)
            }
            Home::Arena(block) => (block.start(), block.size(), Some(block.owner())),
        };
    }

    /// Notes how much of a block was written.
    fn note(&mut self) {
        if let Home::Arena(block) = &mut self.home {
            block.touched(self.length);
        }
    }

    /// In a copy of the process, shares no memory with the original any more, which goes on
    /// writing there. Before anything is written: the caller's iterator may have forked, or
    /// what is encoded.
    #[inline]
    fn part(&mut self) {
        if self.owner.is_some_and(|owner| owner.is_copy()) {
            self.move_out();
        }
    }

    #[cold]
    fn move_out(&mut self) {
        self.move_to(Home::Heap(Vec::with_capacity(self.capacity)));
    }

    /// Where in the arena it lies, if it does.
    pub(crate) fn place(&self) -> Option<usize> {
        match &self.home {
            Home::Heap(_) => None,
            Home::Arena(block) => Some(block.place()),
        }
    }

    /// The bytes as a vector, if they are of the heap.
    pub(crate) fn into_vec(self) -> Result<Vec<u8>, Buffer> {
        let mut buffer = ManuallyDrop::new(self);
        if let Home::Arena(_) = buffer.home {
            return Err(ManuallyDrop::into_inner(buffer));
        }
        drop(buffer.arena.take());
        let Home::Heap(bytes) = &mut buffer.home else { unreachable!("it was asked above") };
        let mut bytes = take(bytes);
        // SAFETY: so many were written. What is forgotten with `buffer` holds nothing now.
        unsafe { bytes.set_len(buffer.length) };
        Ok(bytes)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.note();
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes at `start` were written, and nobody writes there without
        // an exclusive reference: workers only read.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for Buffer {
    /// For what was put before, to say how long that is. Who was forked since says the same
    /// of it as the original, so this needs no look at the mark.
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_are_a_vector() {
        let mut buffer = Buffer::new(Some(Arc::new(Arena::create().unwrap().0)), 0);
        for byte in 0..200 {
            buffer.put(&[byte, byte]);
        }
        buffer.truncate(300);
        buffer[0] = 9;
        assert_eq!(buffer.place(), None);
        let bytes = buffer.into_vec().unwrap();
        assert_eq!((bytes.len(), bytes[0], bytes[299]), (300, 9, 149));
        assert!(Buffer::new(None, 0).into_vec().unwrap().is_empty());

        let mut buffer = Buffer::new(None, 1 << 20);
        buffer.put(&[1]);
        let bytes = buffer.into_vec().unwrap();
        assert!(bytes.capacity() <= FIRST, "what is only expected costs nothing of the heap");
    }

    #[test]
    fn many_are_where_workers_read_them_however_they_have_come() {
        let arena = Arc::new(Arena::create().unwrap().0);
        let mut buffers =
            [0, 1 << 20].map(|expected| Buffer::new(Some(Arc::clone(&arena)), expected));
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
        for piece in bytes.chunks(997) {
            buffers.iter_mut().for_each(|buffer| buffer.put(piece));
        }
        for buffer in buffers {
            assert_eq!(*buffer, *bytes);
            assert!(buffer.place().is_some());
            assert_eq!(*buffer.into_vec().unwrap_err(), *bytes);
        }
    }

    #[test]
    fn without_an_arena_or_with_a_full_one_all_is_of_the_heap() {
        let arena = Arc::new(Arena::create().unwrap().0);
        let mut first = Buffer::new(Some(Arc::clone(&arena)), 0);
        first.put(&vec![1; LEAST]);
        let all: Vec<Block> = std::iter::from_fn(|| arena.take(LEAST)).collect();
        first.put(&vec![2; LEAST]);
        let mut second = Buffer::new(None, 0);
        second.put(&vec![3; 2 * LEAST]);
        drop(all);
        let (first, second) = (first.into_vec().unwrap(), second.into_vec().unwrap());
        assert_eq!((first[LEAST - 1], first[LEAST], first.len()), (1, 2, 2 * LEAST));
        assert_eq!(second, vec![3; 2 * LEAST]);
    }
}
