//! Whether this process is the one it was, or a copy that a fork has made.
//!
//! A page that the kernel gives to a forked child as zeros: looking at it is a
//! load, where asking for the process id is a system call (0.1 µs), which the
//! serve loop cannot afford for every item.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// Set in the process that made it, and in no copy of that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForkMark {
    page: NonNull<AtomicU8>,
}

// SAFETY: the page is only accessed through the atomic in it, and never unmapped.
unsafe impl Send for ForkMark {}
// SAFETY: as above.
unsafe impl Sync for ForkMark {}

const PAGE: usize = 4096;

/// The mark of this process, or of the one that it was forked from.
static LATEST: AtomicPtr<AtomicU8> = AtomicPtr::new(ptr::null_mut());

impl ForkMark {
    /// The mark of this process; set on first use. Marks stay for the length of the
    /// process.
    pub(crate) fn of_process() -> io::Result<ForkMark> {
        // No lock: a fork would copy it as it is at that moment. Two threads that are
        // here at once set two marks, which is one page too many.
        let latest = NonNull::new(LATEST.load(Ordering::Acquire)).map(|page| ForkMark { page });
        if let Some(mark) = latest.filter(|mark| !mark.is_copy()) {
            return Ok(mark);
        }
        let mark = ForkMark::new()?;
        LATEST.store(mark.page.as_ptr(), Ordering::Release);
        Ok(mark)
    }

    fn new() -> io::Result<ForkMark> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the place, so nothing is mapped over; the advice
        // is for exactly that page.
        let page = unsafe {
            let page = mmap_anonymous(ptr::null_mut(), PAGE, access, MapFlags::PRIVATE)?;
            madvise(page, PAGE, Advice::LinuxWipeOnFork)?;
            page
        };
        let mark = ForkMark { page: NonNull::new(page.cast()).expect("mmap gives no null page") };
        mark.byte().store(1, Ordering::Relaxed);
        Ok(mark)
    }

    #[inline]
    fn byte(&self) -> &AtomicU8 {
        // SAFETY: the page is readable and writable, is never unmapped, and is
        // accessed through this atomic only.
        unsafe { self.page.as_ref() }
    }

    /// Whether this is a copy of the process that was marked.
    #[inline]
    pub(crate) fn is_copy(&self) -> bool {
        self.byte().load(Ordering::Relaxed) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_copy_is_told_from_its_original() {
        let mark = ForkMark::new().unwrap();
        // SAFETY: the child only reads one byte and ends, by system calls alone.
        let child = unsafe {
            let pid = libc::fork();
            if pid == 0 {
                libc::_exit(i32::from(mark.is_copy()));
            }
            pid
        };
        let mut status = 0;
        // SAFETY: waits for a child of our own and writes to `status`.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(libc::WEXITSTATUS(status), 1);
        assert!(!mark.is_copy());
    }
}
