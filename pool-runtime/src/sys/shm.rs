//! Memory that two processes share: a page of words and two data areas.
//!
//! ```text
//!   file (memfd)   | words | area 0          | area 1          |
//!   mapped         | words | area 0 | area 0 | area 1 | area 1 |
//! ```
//!
//! Each area is mapped twice in a row, so that whatever wraps around its end
//! lies in one piece all the same. The file has no name, is sealed against
//! shrinking (a mapping beyond a file's end raises SIGBUS), and costs no more
//! memory than what has been touched.
//!
//! The other process may write at any time, whatever the protocol says: it runs
//! code that may be broken. So nothing here hands out a reference to plain
//! memory but [`Shm::borrow`], which is for a worker, who trusts the program.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use super::memfd;

/// Bytes of the page of words: of the largest page that there is, since only whole
/// pages are mapped, and kernels for aarch64 have pages of 4, 16 or 64 KiB.
const WORDS: usize = 64 << 10;

/// Each word has a cache line and the one that is fetched with it for itself.
const STRIDE: usize = 128;

/// The words that there are.
const COUNT: usize = WORDS / STRIDE;

/// Bytes of each data area: a power of two, and whole pages.
pub(crate) const AREA: usize = 8 << 20;

/// Bytes of the file.
const SIZE: usize = WORDS + 2 * AREA;

/// Bytes of the mapping.
pub(crate) const MAPPED: usize = WORDS + 4 * AREA;

/// Which data area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Requests,
    Responses,
}

/// A mapping of the shared memory; unmapped when it goes.
#[derive(Debug)]
pub(crate) struct Shm {
    base: NonNull<u8>,
}

// SAFETY: the mapping belongs to the process, not to a thread, and every access
// is by atomics or by copies that the methods justify.
unsafe impl Send for Shm {}
// SAFETY: as above.
unsafe impl Sync for Shm {}

impl Shm {
    /// New memory, all zero, and the descriptor by which another process maps it.
    pub(crate) fn create() -> io::Result<(Shm, OwnedFd)> {
        let file = memfd::create("pool-channel")?;
        memfd::finish(&file, SIZE)?;
        Ok((Shm::map(file.as_fd())?, file))
    }

    /// Maps what the program has made; anything else is refused.
    pub(crate) fn open(file: BorrowedFd<'_>) -> io::Result<Shm> {
        memfd::check(file, SIZE)?;
        Shm::map(file)
    }

    fn map(file: BorrowedFd<'_>) -> io::Result<Shm> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the place, so nothing is mapped over.
        let base = unsafe {
            mmap_anonymous(ptr::null_mut(), MAPPED, ProtFlags::empty(), MapFlags::PRIVATE)?
        };
        // From here on dropping `shm` gives all of it back.
        let shm = Shm { base: NonNull::new(base.cast()).expect("mmap gives no null page") };
        let pieces = [
            (0, WORDS, 0),
            (WORDS, AREA, WORDS),
            (WORDS + AREA, AREA, WORDS),
            (WORDS + 2 * AREA, AREA, WORDS + AREA),
            (WORDS + 3 * AREA, AREA, WORDS + AREA),
        ];
        for (place, length, offset) in pieces {
            let flags = MapFlags::SHARED | MapFlags::FIXED | MapFlags::NORESERVE;
            // SAFETY: place and length are within the range that was reserved above,
            // which nobody else uses, so FIXED replaces only that.
            unsafe {
                let place = shm.base.as_ptr().add(place).cast();
                mmap(place, length, access, flags, file, offset as u64)?;
            }
        }
        Ok(shm)
    }

    /// The word of this number.
    #[inline]
    pub(crate) fn word(&self, number: usize) -> &AtomicU64 {
        assert!(number < COUNT, "word {number} of {COUNT}");
        // SAFETY: within the mapping, which lives as long as `self`, aligned to
        // STRIDE, and only ever accessed by atomics, here and in the other process;
        // one that does otherwise makes values wrong, which callers check.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(number * STRIDE).cast()) }
    }

    /// The word of this number; the memory is never unmapped from here on.
    pub(crate) fn word_for_ever(shm: &Arc<Shm>, number: usize) -> &'static AtomicU64 {
        let word = ptr::from_ref(shm.word(number));
        std::mem::forget(Arc::clone(shm));
        // SAFETY: valid as `word` says while the mapping lives, and as one of its owners
        // was forgotten, it is not dropped before the process ends.
        unsafe { &*word }
    }

    /// The word of this number, as one of half its size: for the kernel's waits. A
    /// word is used as one or the other, never as both.
    pub(crate) fn half_word(&self, number: usize) -> &AtomicU32 {
        assert!(number < COUNT, "word {number} of {COUNT}");
        // SAFETY: as in `word`.
        unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(number * STRIDE).cast()) }
    }

    /// Where `length` bytes at `place` of an area lie, which may run into the
    /// area's second mapping.
    #[inline]
    fn at(&self, area: Area, place: usize, length: usize) -> *mut u8 {
        assert!(place < AREA && length <= AREA, "{length} bytes at {place} of an area");
        let area = match area {
            Area::Requests => WORDS,
            Area::Responses => WORDS + 2 * AREA,
        };
        // SAFETY: place is within the first of the area's two mappings, and the
        // length is at most that of one, so the end is within the second.
        unsafe { self.base.as_ptr().add(area + place) }
    }

    /// Copies `bytes` to `place` of an area.
    #[inline]
    pub(crate) fn write(&self, area: Area, place: usize, bytes: &[u8]) {
        let to = self.at(area, place, bytes.len());
        // SAFETY: `at` gives room for so many bytes. `bytes` does not overlap them:
        // nobody in this process has a reference into what it is about to write (a
        // worker borrows from the other area). The reader does not look before the
        // position is published; if it does all the same it reads garbage, which it
        // must be prepared for, and nothing here depends on what it reads.
        unsafe {
            match bytes.len() {
                // One store, where a call of `memcpy` takes longer than the rest of the way of a
                // small result.
                8 => ptr::copy_nonoverlapping(bytes.as_ptr(), to, 8),
                length => ptr::copy_nonoverlapping(bytes.as_ptr(), to, length),
            }
        }
    }

    /// Appends `length` bytes at `place` of an area to `into`. What they are is
    /// the writer's business: each byte is read once, so what is checked in the
    /// copy stays as it was checked.
    pub(crate) fn read(&self, area: Area, place: usize, length: usize, into: &mut Vec<u8>) {
        let from = self.at(area, place, length);
        into.reserve(length);
        // SAFETY: `at` gives so many readable bytes, `reserve` room for them, and
        // memory that was just allocated overlaps nothing. Any bytes are valid u8. The
        // other process may be writing them if it breaks the protocol; the copy is made
        // by code that the compiler cannot see through to the other process, so it is
        // garbage at worst, which the caller checks for.
        unsafe {
            ptr::copy_nonoverlapping(from, into.as_mut_ptr().add(into.len()), length);
            into.set_len(into.len() + length);
        }
    }

    /// The eight bytes at `place` of an area, which is a multiple of eight.
    pub(crate) fn read_u64(&self, area: Area, place: usize) -> u64 {
        assert!(place.is_multiple_of(8), "a word at {place}");
        // SAFETY: readable and aligned, see `at`; volatile, so that it is read once
        // although the other process may change it.
        unsafe { ptr::read_volatile(self.at(area, place, 8).cast::<u64>()) }
    }

    /// Lends `length` bytes at `place` of the requests to a worker.
    ///
    /// The program writes there only what the worker has released, and the worker
    /// does not release what it has lent: so the bytes stay as they are while they
    /// are borrowed. That the program keeps to it is what it means to trust it. A
    /// task that scribbles over its own argument is beyond any promise of Rust's, in
    /// this memory as in any other.
    pub(crate) fn borrow(&self, place: usize, length: usize) -> &[u8] {
        let from = self.at(Area::Requests, place, length);
        // SAFETY: readable, see `at`; unchanged while it is borrowed, see above; bytes
        // have no invalid values.
        unsafe { std::slice::from_raw_parts(from, length) }
    }
}

impl Drop for Shm {
    fn drop(&mut self) {
        // SAFETY: the range is this mapping's own, and every reference into it
        // borrows from `self`.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), MAPPED) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn what_one_mapping_writes_the_other_reads_also_around_the_end() {
        let (ours, file) = Shm::create().unwrap();
        let theirs = Shm::open(file.as_fd()).unwrap();
        for area in [Area::Requests, Area::Responses] {
            let bytes: Vec<u8> = (0..100).collect();
            ours.write(area, AREA - 40, &bytes);
            let mut read = Vec::new();
            theirs.read(area, AREA - 40, 100, &mut read);
            assert_eq!(read, bytes);
            assert_eq!(theirs.read_u64(area, 0).to_ne_bytes(), bytes[40..48]);
        }
        assert_eq!(theirs.borrow(AREA - 40, 100), (0..100).collect::<Vec<u8>>());
        ours.word(3).store(7, Ordering::Relaxed);
        assert_eq!(theirs.word(3).load(Ordering::Relaxed), 7);
        assert_eq!(theirs.half_word(2).load(Ordering::Relaxed), 0);
    }
}
