//! Memory by the page: whether there is more of it, and some that no limit counts.

use std::io;
use std::ptr::{self, NonNull};

/// Whether this process could have so many more bytes of private writable memory.
/// Safe in a signal handler.
pub(crate) fn has_room(bytes: usize) -> bool {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // Not reserved, so that it is this process's limits that answer and not what the
    // machine has left.
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping, at a place that the kernel chooses, which is given back
    // with its own length.
    unsafe {
        let place = libc::mmap(ptr::null_mut(), bytes, access, flags, -1, 0);
        place != libc::MAP_FAILED && libc::munmap(place, bytes) == 0
    }
}

/// Bytes in memory of their own, which is not private and so not part of what
/// `RLIMIT_DATA` counts.
#[derive(Debug)]
pub(crate) struct Uncounted {
    base: NonNull<u8>,
    capacity: usize,
    length: usize,
}

// SAFETY: the mapping is the process's, not a thread's, and this owns it.
unsafe impl Send for Uncounted {}

impl Uncounted {
    /// With room for so many bytes.
    pub(crate) fn with_capacity(capacity: usize) -> io::Result<Uncounted> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, at a place that the kernel chooses.
        let base = unsafe { libc::mmap(ptr::null_mut(), capacity, access, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).expect("nothing is mapped at address 0");
        Ok(Uncounted { base, capacity, length: 0 })
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }

    /// Appends bytes.
    ///
    /// # Panics
    ///
    /// When there is no room for them.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.capacity - self.length, "room for what was announced");
        // SAFETY: the place is within the mapping, by the assertion, which nobody else
        // has a reference to while it is borrowed mutably here.
        unsafe {
            let to = self.base.as_ptr().add(self.length);
            ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
        self.length += bytes.len();
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped, and were written; nobody writes while they
        // are borrowed. A copy that a task forks shares them, and has no reference to
        // them but through this, whose owner does not go on serving there.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.length) }
    }
}

impl Drop for Uncounted {
    fn drop(&mut self) {
        // SAFETY: the mapping is its own, with this length, and nothing borrows from it.
        unsafe {
            libc::munmap(self.base.as_ptr().cast(), self.capacity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_a_little_and_not_for_everything() {
        assert!(has_room(1 << 16));
        assert!(!has_room(usize::MAX >> 1));
    }

    #[test]
    fn what_is_pushed_is_there_in_order() {
        let mut bytes = Uncounted::with_capacity(10).unwrap();
        bytes.push(b"hello ");
        bytes.push(b"you");
        assert_eq!(bytes.as_slice(), b"hello you");
        bytes.clear();
        bytes.push(b"0123456789");
        assert_eq!((bytes.as_slice(), bytes.capacity()), (&b"0123456789"[..], 10));
    }

    #[test]
    #[should_panic = "room for what was announced"]
    fn more_than_there_is_room_for_is_refused() {
        Uncounted::with_capacity(3).unwrap().push(b"four");
    }
}
