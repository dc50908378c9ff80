//! How a caller sleeps on several workers at once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::memory::Memory;
use super::ring::WakePolicy;
use crate::sys::futex;

/// Where a caller sleeps until one worker summons it. It holds the memory, also when
/// the worker and its channel go.
#[derive(Clone, Debug)]
pub(crate) struct DirectWaiter {
    memory: Memory,
    /// What the word held when it was armed.
    armed: u32,
}

impl DirectWaiter {
    pub(super) fn new(memory: Memory, armed: u32) -> DirectWaiter {
        DirectWaiter { memory, armed }
    }

    /// How many can be waited for at once.
    pub(crate) fn most() -> usize {
        futex::most()
    }

    /// Sleeps until one of the workers summons, or somebody hangs up, or for `limit`; or
    /// for no reason.
    pub(crate) fn wait<'a>(
        waiters: impl Iterator<Item = &'a DirectWaiter>,
        limit: Option<Duration>,
    ) {
        let words: Vec<_> =
            waiters.map(|waiter| (waiter.memory.wake_policy(), waiter.armed)).collect();
        let slept = futex::wait_any(&words, limit);
        slept.expect("the words are mapped while the waiters are there");
    }

    /// Wakes the caller that sleeps here, or is about to: what it waits for has come
    /// another way.
    pub(crate) fn wake(&self) {
        let served = WakePolicy::Served as u32;
        let word = self.memory.wake_policy();
        let _ = word.compare_exchange(self.armed, served, Ordering::Relaxed, Ordering::Relaxed);
        // Callers of other jobs may sleep there too, and came first.
        futex::wake_all(word);
    }
}
