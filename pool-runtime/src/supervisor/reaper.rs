//! Waits for processes that workers have started, that were killed with their workers, and
//! that this program has adopted.

use std::sync::mpsc::{Receiver, Sender, channel};

use crate::limits::ORPHANS_END;
use crate::sys::orphans::Orphans;
use crate::sys::signals;

/// Bytes of the stack of a thread that waits. It calls nothing deep.
const STACK: usize = 128 << 10;

/// Threads that wait, each for the processes of one group, and as a rule only for a moment. A
/// thread is started only if the program adopts orphans and one of them does not end at once.
#[derive(Debug)]
pub(crate) struct Reaper {
    /// Each thread holds a copy while it waits. Nothing is ever sent: that all copies are gone
    /// tells `waited` that no thread waits.
    waits: Option<Sender<()>>,
    waited: Receiver<()>,
    /// Orphans for which no thread could be started.
    left: Vec<Orphans>,
}

impl Reaper {
    pub(crate) fn new() -> Reaper {
        let (waits, waited) = channel();
        Reaper { waits: Some(waits), waited, left: Vec::new() }
    }

    /// Reaps the orphans: now, or by a thread once they have ended.
    pub(crate) fn reap(&mut self, orphans: Orphans) {
        self.left.retain(|orphans| orphans.reap_ended());
        if !orphans.reap_ended() {
            return;
        }
        let waits = self.waits.clone();
        // The thread inherits the mask, so no handler of the program's runs on it.
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
    /// Waits for the threads, so it must not run under the engine's lock. A process that does
    /// not end soon though it was killed is held by the kernel, and is left to it.
    fn drop(&mut self) {
        self.left.retain(|orphans| orphans.reap_ended());
        self.waits = None;
        // An error either way: no thread waits any more, or the time is over.
        let _ = self.waited.recv_timeout(ORPHANS_END);
    }
}
