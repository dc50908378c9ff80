//! Where the C library keeps the number of the calling thread.
//!
//! A copy that is made without the library's `fork` has to be given its own number
//! there: `pthread_kill`, mutexes with an owner, and more read it. Which words these
//! are is a secret of each version of each library. What the library's `fork` does to
//! them is not: in its child they hold the number of the child. So this forks once, and
//! compares. The child does nothing but send its description of the thread, as
//! `pthread_self` has it, and the address at which the kernel is to tell of the thread's
//! end, which the library's `fork` may register or not.
//!
//! Nothing is assumed that is not seen: a library whose `fork` changes no such word
//! there is one that this knows nothing of, and is told so.

use std::ffi::c_int;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::ptr;

use super::signals;

/// Bytes of the description that are looked at; no more than any pipe takes before it is
/// read, a page. In glibc the number stands 720 bytes after its begin, in musl 48.
const LOOKED_AT: usize = 3072;

/// The least that a page of memory can be.
const PAGE: usize = 4096;

/// The most words that a number may be kept in.
const MOST: usize = 4;

/// What a copy has to be given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadNumber {
    /// Where its number goes; null beyond the last.
    kept: [*mut c_int; MOST],
    /// What the kernel is to clear at the end of the thread, if anything.
    cleared: *mut c_int,
}

/// What there is to be seen of a thread.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    cleared: usize,
    description: Vec<u8>,
}

impl ThreadNumber {
    /// Of the calling thread, which must be the only one. `None` where nothing can be
    /// learned: from this C library, or a kernel that does not tell.
    pub(crate) fn learn() -> io::Result<Option<ThreadNumber>> {
        let (reads, writes) = std::io::pipe()?;
        show(writes.as_raw_fd());
        drop(writes);
        let here = Seen::read(reads)?;
        let (reads, writes) = std::io::pipe()?;
        // Handlers of constructors must not run in the child.
        let blocked = signals::block_all();
        // SAFETY: there is one thread, so the child may do what it likes; it makes
        // system calls only and does not return.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            show(writes.as_raw_fd());
            super::fork::leave(0);
        }
        let failed = io::Error::last_os_error();
        drop((blocked, writes));
        if pid == -1 {
            return Err(failed);
        }
        let there = Seen::read(reads);
        // SAFETY: waits for the child that was made above; no status is asked for.
        while unsafe { libc::waitpid(pid, ptr::null_mut(), 0) } == -1
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
        // SAFETY: it takes nothing and cannot fail.
        let own = unsafe { libc::gettid() };
        Ok(Option::zip(here, there?).and_then(|(here, there)| {
            let mut offsets = changed((&here, own), (&there, pid));
            let mut kept = [ptr::null_mut::<c_int>(); MOST];
            kept.iter_mut().zip(&mut offsets).for_each(|(place, offset)| {
                *place = description().wrapping_byte_add(offset).cast_mut().cast();
            });
            let is_known = !kept[0].is_null() && offsets.next().is_none();
            let cleared = ptr::with_exposed_provenance_mut(there.cleared);
            is_known.then_some(ThreadNumber { kept, cleared })
        }))
    }

    /// Makes the calling thread, which is a copy of the one that this was learned of, know
    /// its own number.
    ///
    /// # Safety
    ///
    /// The calling process has been forked from that which has learned this, by the
    /// thread that did.
    pub(super) unsafe fn renew(self) {
        // SAFETY: each place is an aligned word in the description of this thread, which
        // lives as long as the thread; the library's own fork writes there too, at the same
        // moment of a copy's life. The kernel only notes the address, and takes any.
        unsafe {
            let own = libc::gettid();
            for place in self.kept.into_iter().take_while(|place| !place.is_null()) {
                place.write_volatile(own);
            }
            libc::syscall(libc::SYS_set_tid_address, self.cleared);
        }
    }
}

/// The thread's description, if the library has such a thing: what `pthread_self` gives
/// may be no address.
fn description() -> *const u8 {
    // SAFETY: it takes nothing and cannot fail.
    let description = unsafe { libc::pthread_self() };
    ptr::with_exposed_provenance(description as usize)
}

/// Writes what there is to be seen of the calling thread. Only system calls.
fn show(to: c_int) {
    let mut cleared = usize::MAX;
    let description = description();
    // One write for each page: if a page is not mapped, only the write of that page fails, and
    // what was written of the page before stays.
    let in_first = (PAGE - description.addr() % PAGE).min(LOOKED_AT);
    // SAFETY: the kernel writes an address into the word, or nothing. It reads what it
    // writes to the pipe itself, and gives an error for what cannot be read.
    unsafe {
        libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut cleared);
        let is_written =
            |from: *const u8, length| libc::write(to, from.cast(), length) == length.cast_signed();
        let _ = is_written((&raw const cleared).cast(), size_of::<usize>())
            && is_written(description, in_first)
            && is_written(description.wrapping_add(in_first), LOOKED_AT - in_first);
    }
}

impl Seen {
    /// `None` of what is too short, or where the kernel has not told the address.
    fn read(mut from: impl Read) -> io::Result<Option<Seen>> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes)?;
        let Some((cleared, description)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        let cleared = usize::from_ne_bytes(*cleared);
        let description = description.to_vec();
        Ok((cleared != usize::MAX).then_some(Seen { cleared, description }))
    }
}

/// The offsets of the words that hold the one's number here and the other's there.
fn changed(
    (here, own): (&Seen, c_int),
    (there, its): (&Seen, c_int),
) -> impl Iterator<Item = usize> {
    let words = |seen: &Seen| -> Vec<c_int> {
        let (words, _) = seen.description.as_chunks();
        words.iter().map(|word| c_int::from_ne_bytes(*word)).collect()
    };
    let pairs = words(here).into_iter().zip(words(there)).enumerate();
    pairs.filter(move |&(_, pair)| pair == (own, its)).map(|(index, _)| index * size_of::<c_int>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(words: &[c_int]) -> Seen {
        let words = words.iter().flat_map(|word| word.to_ne_bytes());
        let bytes: Vec<u8> = 5usize.to_ne_bytes().into_iter().chain(words).collect();
        Seen::read(&*bytes).unwrap().unwrap()
    }

    #[test]
    fn the_number_is_kept_where_the_ones_became_the_others() {
        // Of a process with a small number there are many such words, of which few change.
        let (here, there) = (seen(&[7, 2, 7, 7, 0, 7]), seen(&[7, 2, 9, 8, 9]));
        assert_eq!(changed((&here, 7), (&there, 9)).collect::<Vec<_>>(), [8]);
        assert_eq!(changed((&here, 2), (&there, 9)).count(), 0);
        assert_eq!(here.cleared, 5);
    }

    #[test]
    fn a_kernel_that_does_not_tell_is_believed_nothing() {
        assert_eq!(Seen::read(&usize::MAX.to_ne_bytes()[..]).unwrap(), None);
        assert_eq!(Seen::read(&[0; 7][..]).unwrap(), None);
    }
}
