//! Who is inside of a caller's own rule.
//!
//! Whether an item is tried again is asked on the thread that learns of its failure. If
//! that is the engine's own, no death and no deadline is heard before the rule has
//! answered, and no worker is started: a rule that waits for its pool there may wait for
//! itself. On a caller's thread it may not, but which of them it is, is chance. So no rule
//! may wait for its own pool.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Instant;

use super::hold::Job;
use crate::error::Error;

/// The threads that are inside of a rule of one pool.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// How many there are. A call finds none mostly, and reads nothing else. Relaxed: a
    /// thread looks for itself alone, and sees what it has written.
    count: AtomicUsize,
    /// One that is inside of two is here twice.
    threads: Mutex<Vec<ThreadId>>,
}

impl Asking {
    /// The calling thread asks a rule.
    pub(super) fn enter(&self) {
        self.threads().push(thread::current().id());
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Its latest has answered. Not in a copy of the process that the rule has forked,
    /// where another thread may have held the lock.
    pub(super) fn leave(&self) {
        let this = thread::current().id();
        self.count.fetch_sub(1, Ordering::Relaxed);
        let mut threads = self.threads();
        let at = threads.iter().position(|&thread| thread == this).expect("it has entered");
        threads.swap_remove(at);
    }

    /// Whether the calling thread is inside of one.
    pub(super) fn is_here(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0 && self.threads().contains(&thread::current().id())
    }

    fn threads(&self) -> MutexGuard<'_, Vec<ThreadId>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    /// Refuses to wait inside of a rule of this pool, unless there is nothing to wait for:
    /// the job is done, or `until` is past.
    pub(crate) fn check_may_wait(&self, until: Option<Instant>) -> Result<(), Error> {
        let name = self.task.name;
        let refused = self.shared.check_may_wait(format_args!("wait for {name}"));
        let waits = || {
            let is_past = until.is_some_and(|until| until <= Instant::now());
            !is_past && !self.shared.lock().job_mut(self.id).is_done()
        };
        match refused.is_err() && waits() {
            true => refused,
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_inside_until_the_outermost_rule_has_answered() {
        let asking = Asking::default();
        assert!(!asking.is_here());
        asking.enter();
        asking.enter();
        asking.leave();
        assert!(asking.is_here());
        thread::scope(|scope| assert!(!scope.spawn(|| asking.is_here()).join().unwrap()));
        asking.leave();
        assert!(!asking.is_here());
    }
}
