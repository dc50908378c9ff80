//! Memory of the program's that the workers of a pool may read.
//!
//! What is long is encoded into blocks of it, and a worker reads it where it lies: so it
//! is copied once, by who encodes it, and is there still when a worker has died.
//!
//! ```text
//!   file (memfd)   | block | block      | hole | block | never used ...      |
//!   the program      reads and writes
//!   a worker         reads; its descriptor is open for nothing else
//! ```
//!
//! A block is as large as a power of two. What is free keeps its memory as long as that is
//! not too much, since fresh pages are slow (1 GB/s, where warm ones are copied at 50); the
//! youngest is used first. The oldest gives its own back to the kernel when there is too
//! much, or no other room, and then is cut or grows together with its neighbours (`buddies`).
//!
//! Who may write into a block, and when none may any more, is told in `channel/lent.rs`.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags, open};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munlock, munmap};
use rustix::process::{Resource, getrlimit};

use super::buddies::Buddies;
use super::fds::above_standard;
use super::fork_mark::ForkMark;
use super::memfd;

/// Bytes of the file, of which only those cost memory that were written.
const SIZE: usize = 256 << 20;

/// The least block, in bytes: whole pages, of 64 KiB on some machines. Below it the
/// allocator keeps memory itself, and a copy is cheaper than what spares it.
pub(crate) const LEAST: usize = 64 << 10;

/// The largest block, in bytes, and what free blocks keep in all. A larger one would find no
/// warm memory, and what is sent through a ring is copied twice, but in memory that is warm.
const MOST: usize = 16 << 20;

/// See the module. Unmapped when the last of its blocks has gone too.
pub(crate) struct Arena {
    mapping: Mapping,
    free: Mutex<Free>,
    /// Of the process that writes. A copy that it has forked shares the memory, and must
    /// neither write there nor give anything back.
    owner: ForkMark,
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").field("mapping", &self.mapping).finish_non_exhaustive()
    }
}

/// Where a block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hole {
    place: usize,
    size: usize,
    /// Bytes of it that were written, since it had none.
    warm: usize,
}

#[derive(Debug)]
struct Free {
    /// Free blocks that have memory, the one that was freed last at the end.
    warm: VecDeque<Hole>,
    /// Bytes that these have.
    kept: usize,
    /// Those that have none.
    cold: Buddies,
}

impl Arena {
    /// One that nobody else can write to, and the descriptor by which a worker maps it, see
    /// [`Readable::open`].
    pub(crate) fn create() -> io::Result<(Arena, OwnedFd)> {
        // Where addresses are short, so many of them are better spared.
        if getrlimit(Resource::As).current.is_some() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let file = memfd::create("pool-arguments")?;
        // Mapped while it is empty, and unlocked: a program that locks its memory would else
        // have all of it from the start, and could give none back.
        let mapping = Mapping::new(file.as_fd(), ProtFlags::READ | ProtFlags::WRITE)?;
        mapping.unlock()?;
        memfd::finish(&file, SIZE)?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let reader = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let cold = Buddies::new(SIZE, MOST, LEAST);
        let free = Mutex::new(Free { warm: VecDeque::new(), kept: 0, cold });
        let arena = Arena { mapping, free, owner: ForkMark::of_process()? };
        Ok((arena, above_standard(reader)?))
    }

    /// A block of at least so many bytes; `None` if there is none, or none so large, or this
    /// is a copy of the process.
    pub(super) fn take(self: &Arc<Arena>, bytes: usize) -> Option<Block> {
        if bytes > MOST || self.owner.is_copy() {
            return None;
        }
        let hole = self.find(bytes.max(LEAST).next_power_of_two())?;
        Some(Block { arena: Arc::clone(self), hole })
    }

    fn lock(&self) -> MutexGuard<'_, Free> {
        // Nothing that is done under the lock leaves it in pieces.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, size: usize) -> Option<Hole> {
        let mut free = self.lock();
        if let Some(place) = free.warm.iter().rposition(|hole| hole.size == size) {
            let hole = free.warm.remove(place).expect("it was found there");
            free.kept -= hole.warm;
            return Some(hole);
        }
        loop {
            if let Some(place) = free.cold.take(size) {
                return Some(Hole { place, size, warm: 0 });
            }
            if !self.chill_oldest(&mut free) {
                return None;
            }
        }
    }

    /// Keeps what a block has, if that is not too much.
    fn free(&self, hole: Hole) {
        if self.owner.is_copy() {
            return;
        }
        let mut free = self.lock();
        free.kept += hole.warm;
        free.warm.push_back(hole);
        while free.kept > MOST {
            assert!(self.chill_oldest(&mut free), "what is kept is in one of them");
        }
    }

    /// Gives the memory of the block back that has been free for longest; `false` if none
    /// has any.
    fn chill_oldest(&self, free: &mut Free) -> bool {
        let Some(oldest) = free.warm.pop_front() else {
            return false;
        };
        free.kept -= oldest.warm;
        // All of it: who reads what was never written makes pages too.
        self.mapping.chill(oldest.place, oldest.size);
        free.cold.free(oldest.place, oldest.size);
        true
    }
}

/// Some of the memory, for one owner. Free again when it goes.
#[derive(Debug)]
pub(super) struct Block {
    arena: Arc<Arena>,
    hole: Hole,
}

impl Block {
    pub(super) fn size(&self) -> usize {
        self.hole.size
    }

    /// Where it lies in the file.
    pub(super) fn place(&self) -> usize {
        self.hole.place
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        // SAFETY: the place is within the mapping.
        unsafe { self.arena.mapping.base.add(self.hole.place) }
    }

    /// So many of its bytes were written.
    pub(super) fn touched(&mut self, bytes: usize) {
        self.hole.warm = self.hole.warm.max(bytes);
    }

    /// Tells the process that took it from copies, which share the memory.
    pub(super) fn owner(&self) -> ForkMark {
        self.arena.owner
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.arena.free(self.hole);
    }
}

/// An arena, as a worker has it.
#[derive(Debug)]
pub(crate) struct Readable {
    mapping: Mapping,
}

impl Readable {
    /// Maps what the program has made; anything else is refused.
    pub(crate) fn open(file: BorrowedFd<'_>) -> io::Result<Readable> {
        memfd::check(file, SIZE)?;
        Ok(Readable { mapping: Mapping::new(file, ProtFlags::READ)? })
    }

    /// `length` bytes at `place`, if there are so many. The program writes nothing there
    /// until the worker has done with the chunk that told of them, or is dead; that it keeps
    /// to it is what it means to trust it, as with `Shm::borrow`.
    pub(crate) fn borrow(&self, place: usize, length: usize) -> Option<&[u8]> {
        if place.checked_add(length)? > SIZE {
            return None;
        }
        // SAFETY: within the mapping, which lives as long as `self`; unchanged while it
        // is borrowed, see above; bytes have no invalid values.
        Some(unsafe { std::slice::from_raw_parts(self.mapping.base.as_ptr().add(place), length) })
    }
}

/// All of the file.
#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
}

// SAFETY: the mapping belongs to the process, not to a thread; who reads and writes where
// is up to blocks, which have one owner each, and to `Readable::borrow`.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(file: BorrowedFd<'_>, access: ProtFlags) -> io::Result<Mapping> {
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        // SAFETY: the kernel chooses the place, so nothing is mapped over.
        let base = unsafe { mmap(ptr::null_mut(), SIZE, access, flags, file, 0)? };
        Ok(Mapping { base: NonNull::new(base.cast()).expect("mmap gives no null page") })
    }

    /// Lets the kernel take and give its pages, whatever the program has said of all of its
    /// memory.
    fn unlock(&self) -> io::Result<()> {
        // SAFETY: it changes nothing that can be seen in memory.
        unsafe { munlock(self.base.as_ptr().cast(), SIZE)? };
        Ok(())
    }

    /// Gives the memory of a free block back.
    fn chill(&self, place: usize, bytes: usize) {
        // SAFETY: whole pages of a free block, which nobody has a reference to; they read
        // as zeros from here on.
        unsafe {
            let start = self.base.as_ptr().add(place).cast();
            // It fails where the program has locked all memory meanwhile, and is to have it.
            let _ = madvise(start, bytes, Advice::LinuxRemove);
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is this mapping's own, and every reference into it borrows
        // from its owner, or is a block's, of which none is left.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), SIZE) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::fstat;

    use super::*;

    fn arena() -> (Arc<Arena>, OwnedFd) {
        let (arena, file) = Arena::create().unwrap();
        (Arc::new(arena), file)
    }

    /// Bytes of memory that the file has.
    fn memory(file: &OwnedFd) -> usize {
        usize::try_from(fstat(file).unwrap().st_blocks).unwrap() * 512
    }

    fn fill(block: &mut Block, bytes: usize) {
        // SAFETY: the block has so many bytes and no other owner.
        unsafe { ptr::write_bytes(block.start().as_ptr(), 7, bytes) };
        block.touched(bytes);
    }

    #[test]
    fn a_worker_reads_what_was_written_and_can_write_nothing() {
        let (arena, file) = arena();
        let mut block = arena.take(LEAST + 1).unwrap();
        assert_eq!(block.size(), 2 * LEAST);
        fill(&mut block, 2 * LEAST);
        let theirs = Readable::open(file.as_fd()).unwrap();
        let bytes = theirs.borrow(block.place(), 2 * LEAST).unwrap();
        assert!(bytes.iter().all(|&byte| byte == 7));
        assert!(theirs.borrow(SIZE - 8, 8).is_some());
        assert!(theirs.borrow(SIZE - 8, 9).is_none());
        assert!(theirs.borrow(usize::MAX, 9).is_none());
        let access = ProtFlags::READ | ProtFlags::WRITE;
        Mapping::new(file.as_fd(), access).unwrap_err();
    }

    #[test]
    fn the_youngest_is_used_first_and_the_oldest_gives_its_memory_back() {
        let (arena, file) = arena();
        let mut blocks: Vec<Block> = (0..20).map(|_| arena.take(1 << 20).unwrap()).collect();
        blocks.iter_mut().for_each(|block| fill(block, 1 << 20));
        let places: Vec<usize> = blocks.iter().map(Block::place).collect();
        assert_eq!(memory(&file), 20 << 20);
        blocks.drain(..).for_each(drop);
        assert_eq!(memory(&file), MOST);
        let again = [(); 2].map(|()| arena.take(1 << 20).unwrap());
        assert_eq!(again.each_ref().map(Block::place), [places[19], places[18]]);
        // Of another size: those that are too small go, the oldest first.
        let mut large = arena.take(8 << 20).unwrap();
        fill(&mut large, 8 << 20);
        drop((again, large));
        assert_eq!(memory(&file), MOST);
        assert_eq!(arena.lock().kept, MOST);
    }

    #[test]
    fn there_is_an_end_to_it() {
        let (arena, file) = arena();
        assert!(arena.take(MOST + 1).is_none());
        let all = |bytes| -> Vec<Block> { std::iter::from_fn(|| arena.take(bytes)).collect() };
        for _ in 0..2 {
            // However it was cut before, and though some of that has memory.
            assert_eq!(all(MOST).len(), SIZE / MOST);
            let mut small = all(1);
            assert_eq!(small.len(), SIZE / LEAST);
            small.iter_mut().step_by(50).for_each(|block| fill(block, LEAST));
            assert!(arena.take(1).is_none());
        }
        assert_eq!(all((1 << 20) + 1).len(), SIZE / (2 << 20));
        assert_eq!(memory(&file), 0);
    }

    #[test]
    fn a_forked_copy_takes_nothing_and_gives_nothing_back() {
        let (arena, file) = arena();
        let mut block = arena.take(LEAST).unwrap();
        fill(&mut block, LEAST);
        // SAFETY: the child looks at two pages, and ends by a system call.
        let child = unsafe {
            let pid = libc::fork();
            if pid == 0 {
                let is_told = block.owner().is_copy() && arena.take(LEAST).is_none();
                arena.free(Hole { warm: MOST + 1, ..block.hole });
                libc::_exit(i32::from(is_told));
            }
            pid
        };
        let mut status = 0;
        // SAFETY: waits for a child of our own and writes to `status`.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(libc::WEXITSTATUS(status), 1);
        assert!(!block.owner().is_copy());
        assert_eq!(memory(&file), LEAST);
    }
}
