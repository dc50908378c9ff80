//! The core behind its lock.

use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::core::Core;

/// What the engine's thread, its callers and its jobs hold in common.
#[derive(Debug)]
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// Workers came or went, or the engine finished.
    pub(super) life: Condvar,
}

impl Shared {
    pub(super) fn new(core: Core) -> Shared {
        Shared { core: Mutex::new(core), life: Condvar::new() }
    }

    /// # Panics
    ///
    /// When the engine has panicked: a broken invariant of this library. Its
    /// callers must not wait for what nobody will bring.
    pub(super) fn lock(&self) -> Locked<'_> {
        Locked(Some(self.core.lock().expect(PANICKED)))
    }

    /// The core, whatever has happened to it.
    pub(super) fn lock_anyway(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.core.is_poisoned()
    }
}

const PANICKED: &str = "the pool's engine has panicked; please report this";

/// The core, locked. When this goes, the futures that became ready meanwhile
/// are woken, after the lock is released: a waker may run anything, also
/// something that takes the lock, as dropping the last handle of a job does.
#[derive(Debug)]
pub(super) struct Locked<'a>(Option<MutexGuard<'a, Core>>);

impl Locked<'_> {
    /// Releases the lock until `condvar` is notified, or `limit` has passed.
    pub(super) fn wait(&mut self, condvar: &Condvar, limit: Option<Duration>) {
        let guard = self.0.take().expect(HELD);
        self.0 = Some(match limit {
            None => condvar.wait(guard).expect(PANICKED),
            Some(limit) => condvar.wait_timeout(guard, limit).expect(PANICKED).0,
        });
    }
}

const HELD: &str = "held until it is dropped";

impl Deref for Locked<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        self.0.as_ref().expect(HELD)
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        self.0.as_mut().expect(HELD)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let Some(mut guard) = self.0.take() else {
            return;
        };
        let due = guard.take_due();
        drop(guard);
        for waker in due {
            // A waker that panics must not end the engine's thread; the panic hook
            // has told of it.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}
