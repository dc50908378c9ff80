//! Sleeping on a word of shared memory.

use std::io;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::io::Errno;
use rustix::thread::futex::{self, Flags};

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

/// Wakes whoever sleeps on the word.
pub(crate) fn wake(word: &AtomicU32) {
    // The word is mapped and aligned, which is all that could be wrong.
    let _ = futex::wake(word, Flags::empty(), 1);
}
