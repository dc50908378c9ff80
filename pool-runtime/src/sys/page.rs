//! A few numbers in memory that the program and its zygote share.
//!
//! The kernel writes into it on the zygote's behalf, so that the program can
//! learn what became of a fork though the zygote died before it could say.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::fds::above_standard;

/// As long as it is mapped; the kernel gives whole pages.
const BYTES: usize = size_of::<Numbers>();

#[repr(C)]
struct Numbers {
    /// Of the request that the zygote is about to fork for.
    request: AtomicU32,
    /// The pid that it forked for that request; 0 before.
    pid: AtomicU32,
}

/// The numbers, mapped.
#[derive(Debug)]
pub(crate) struct Page {
    at: NonNull<Numbers>,
}

// SAFETY: nothing but atomics is reached through the pointer, and the mapping is
// the process's, not a thread's.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// A new page, all zero, and a descriptor by which another process maps it.
    pub(crate) fn create() -> io::Result<(Page, OwnedFd)> {
        let fd = above_standard(memfd_create("pool-zygote", MemfdFlags::CLOEXEC)?)?;
        ftruncate(&fd, BYTES as u64)?;
        Ok((Page::map(std::os::fd::AsFd::as_fd(&fd))?, fd))
    }

    /// Maps the page that another process has made.
    pub(crate) fn map(fd: BorrowedFd<'_>) -> io::Result<Page> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let at = unsafe {
            libc::mmap(ptr::null_mut(), BYTES, access, libc::MAP_SHARED, fd.as_raw_fd(), 0)
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let at = NonNull::new(at.cast()).expect("nothing is mapped at address 0");
        Ok(Page { at })
    }

    fn numbers(&self) -> &Numbers {
        // SAFETY: mapped, readable and writable, for as long as `self` lives (the
        // file has its full length and nobody shortens it); page-aligned; atomics
        // may be written by others.
        unsafe { self.at.as_ref() }
    }

    /// A fork for this request comes next. It also brings the page into memory, so
    /// that the kernel's write does not wait for it.
    pub(crate) fn announce(&self, request: u32) {
        self.numbers().pid.store(0, Ordering::SeqCst);
        self.numbers().request.store(request, Ordering::SeqCst);
    }

    /// Whom the other process has forked for this request, if it has. Final once
    /// that process has ended.
    pub(crate) fn forked_for(&self, request: u32) -> Option<u32> {
        let announced = self.numbers().request.load(Ordering::SeqCst);
        let pid = self.numbers().pid.load(Ordering::SeqCst);
        (announced == request && pid != 0).then_some(pid)
    }

    /// Does what the kernel does.
    #[cfg(test)]
    pub(crate) fn note(&self, pid: u32) {
        self.numbers().pid.store(pid, Ordering::SeqCst);
    }

    /// Where the kernel is to write the pid.
    pub(super) fn pid_address(&self) -> *mut u32 {
        self.numbers().pid.as_ptr()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and no reference outlives `self`.
        unsafe {
            libc::munmap(self.at.as_ptr().cast(), BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::Page;

    #[test]
    fn what_one_mapping_announces_another_sees() {
        let (ours, fd) = Page::create().unwrap();
        let theirs = Page::map(fd.as_fd()).unwrap();
        drop(fd);
        assert_eq!(ours.forked_for(0), None);
        theirs.announce(7);
        assert_eq!(ours.forked_for(7), None);
        theirs.note(4711);
        assert_eq!(ours.forked_for(7), Some(4711));
        assert_eq!(ours.forked_for(8), None);
        theirs.announce(8);
        assert_eq!(ours.forked_for(8), None, "the pid of an earlier one is not this one's");
    }
}
