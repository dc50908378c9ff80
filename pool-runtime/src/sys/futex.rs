//! Sleeping on a word of shared memory.

use std::io;
use std::sync::atomic::AtomicU32;

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags};

/// Sleeps until the word is woken, unless it is no longer `value`. It may also
/// return for no reason: callers look again.
pub(crate) fn wait(word: &AtomicU32, value: u32) -> io::Result<()> {
    // Not private: the one that wakes is another process.
    match futex::wait(word, Flags::empty(), value, None) {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Wakes whoever sleeps on the word.
pub(crate) fn wake(word: &AtomicU32) {
    // The word is mapped and aligned, which is all that could be wrong.
    let _ = futex::wake(word, Flags::empty(), 1);
}
