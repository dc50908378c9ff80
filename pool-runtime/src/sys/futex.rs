//! Sleeping on words of shared memory.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Wait, WaitFlags, WaitPtr, WaitvFlags};
use rustix::time::ClockId;

use super::clock;

/// Sleeps until the word is woken, unless it is no longer `value`, but no longer
/// than `limit`. It may also return for no reason: callers look again.
pub(crate) fn wait(word: &AtomicU32, value: u32, limit: Option<Duration>) -> io::Result<()> {
    // One that the kernel's time cannot express is none.
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    // Not private: the one that wakes is another process.
    match futex::wait(word, Flags::empty(), value, limit.as_ref()) {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// How many words can be slept on at once, as far as the kernel is known to be able.
pub(crate) fn most() -> usize {
    if ONE_ONLY.load(Ordering::Relaxed) { 1 } else { 128 }
}

/// The kernel is older than 5.16, or a filter of system calls does not know the one
/// that sleeps on several words.
static ONE_ONLY: AtomicBool = AtomicBool::new(false);

/// Sleeps until one of the words is woken, unless one of them is no longer its
/// value, but no longer than `limit`. It may also return for no reason, as it does
/// where the kernel cannot do it, which [`most`] says from then on.
pub(crate) fn wait_any(words: &[(&AtomicU32, u32)], limit: Option<Duration>) -> io::Result<()> {
    if let &[(word, value)] = words {
        return wait(word, value, limit);
    }
    let each = |&(word, value): &(&AtomicU32, u32)| {
        let mut wait = Wait::new();
        wait.val = value.into();
        wait.uaddr = WaitPtr::new(NonNull::from(word).as_ptr().cast());
        wait.flags = WaitFlags::SIZE_U32;
        wait
    };
    let words: Vec<Wait> = words.iter().map(each).collect();
    // This call wants to know until when, and not for how long.
    let until = limit.and_then(|limit| {
        let until = Duration::from_nanos(clock::monotonic()).checked_add(limit)?;
        Timespec::try_from(until).ok()
    });
    match futex::waitv(&words, WaitvFlags::empty(), until.as_ref(), ClockId::Monotonic) {
        Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
        Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS) => {
            ONE_ONLY.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Wakes one that sleeps on the word.
pub(crate) fn wake(word: &AtomicU32) {
    // The word is mapped and aligned, which is all that could be wrong.
    let _ = futex::wake(word, Flags::empty(), 1);
}

/// Wakes all that sleep on the word.
pub(crate) fn wake_all(word: &AtomicU32) {
    // As above. The kernel takes the number for a signed one.
    let _ = futex::wake(word, Flags::empty(), i32::MAX.cast_unsigned());
}
