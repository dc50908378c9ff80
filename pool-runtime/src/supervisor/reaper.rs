//! Waits for what was killed with workers and has become this program's own.

use std::sync::mpsc::{Receiver, Sender, channel};

use crate::limits::ORPHANS_END;
use crate::sys::orphans::Orphans;
use crate::sys::signals;

/// Of a thread that waits: it calls nothing deep.
const STACK: usize = 128 << 10;

/// Threads that wait, each for one group, as a rule for a moment. There is none but where
/// the program adopts orphans and one of them has not ended at once.
#[derive(Debug)]
pub(crate) struct Reaper {
    /// A thread holds a copy while it waits; nothing is ever sent.
    waits: Option<Sender<()>>,
    waited: Receiver<()>,
    /// Those for which there was no thread to be had.
    left: Vec<Orphans>,
}

impl Reaper {
    pub(crate) fn new() -> Reaper {
        let (waits, waited) = channel();
        Reaper { waits: Some(waits), waited, left: Vec::new() }
    }

    /// Reaps them, now or when they end.
    pub(crate) fn reap(&mut self, orphans: Orphans) {
        self.left.retain(|orphans| orphans.reap_ended());
        if !orphans.reap_ended() {
            return;
        }
        let waits = self.waits.clone();
        // Inherited by the thread: nothing of the program's may run on it.
        let _blocked = signals::block_all();
        let thread = std::thread::Builder::new().name("pool-reaper".into()).stack_size(STACK);
        let started = thread.spawn(move || {
            orphans.reap_all();
            drop(waits);
        });
        if started.is_err() {
            self.left.push(orphans);
        }
    }
}

impl Drop for Reaper {
    /// Never under the lock. What does not end when it is killed, the kernel keeps.
    fn drop(&mut self) {
        self.left.retain(|orphans| orphans.reap_ended());
        self.waits = None;
        // An error either way: all have been waited for, or it took too long.
        let _ = self.waited.recv_timeout(ORPHANS_END);
    }
}
