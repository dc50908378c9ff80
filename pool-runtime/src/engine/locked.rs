//! The locked core. Releasing it ends the turn and notifies callers.

use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use super::calls::Question;
use super::core::Core;
use super::job::JobState;
use super::shared::Shared;
use crate::channel::DirectWaiter;
use crate::ids::Slot;

pub(super) const PANICKED: &str = "the pool's engine has panicked; please report this";

/// What callers are told of a change, once the lock is released.
#[derive(Debug, Default)]
pub(super) struct Notification {
    pub(super) waker: Option<Waker>,
    pub(super) sleepers: Option<Arc<Condvar>>,
    pub(super) direct: Option<DirectWaiter>,
    /// A question for the caller's own rule.
    pub(super) question: Option<Question>,
    /// A job that is over: dropping the caller's rule may run any code.
    pub(super) over: Option<Box<JobState>>,
}

/// The locked core. Dropping it releases the lock and then notifies the callers that wait for
/// what happened meanwhile. A thread that was woken earlier would only block on the lock, and
/// a waker may run any code, even code that takes the lock, as dropping the last handle of a
/// job does.
///
/// A waker may also fork and continue in the copy, where the lock is not taken again.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    pub(super) guard: Option<MutexGuard<'a, Core>>,
    pub(super) shared: &'a Shared,
    /// The thread was unwinding before it took the lock.
    pub(super) unwinding: bool,
}

impl Locked<'_> {
    /// Whether this process is a copy that was forked while the lock was released.
    pub(super) fn is_lost(&self) -> bool {
        self.guard.is_none()
    }

    /// Releases the lock until `condvar` is notified, or `limit` has passed.
    pub(super) fn wait(&mut self, condvar: &Condvar, limit: Option<Duration>) {
        self.end_turn();
        if self.calls.has_notifications() {
            // A notified caller may change what this waits for.
            return self.step_aside();
        }
        let guard = self.guard.take().expect(HELD);
        self.guard = Some(match limit {
            None => condvar.wait(guard).expect(PANICKED),
            Some(limit) => condvar.wait_timeout(guard, limit).expect(PANICKED).0,
        });
    }

    /// Releases the lock while the caller sleeps until one of its workers wakes it.
    pub(super) fn sleep_on(&mut self, direct: &[(Slot, DirectWaiter)], limit: Option<Duration>) {
        self.release();
        if !self.shared.is_foreign() {
            DirectWaiter::wait(direct.iter().map(|(_, direct)| direct), limit);
        }
        self.take_again();
    }

    /// Releases the lock for a moment.
    pub(super) fn step_aside(&mut self) {
        self.release();
        self.take_again();
    }

    fn take_again(&mut self) {
        if !self.shared.is_foreign() {
            self.guard = Some(self.shared.core.lock().expect(PANICKED));
        }
    }

    fn release(&mut self) {
        let Some(mut guard) = self.guard.take() else {
            return;
        };
        // After a panic under the lock, of a caller's thread or the engine's, this core is
        // inconsistent and nobody may use it.
        let mut broken = std::thread::panicking() && !self.unwinding;
        let mut panic = None;
        if !broken && let Err(thrown) = catch_unwind(AssertUnwindSafe(|| guard.end_turn())) {
            (broken, panic) = (true, Some(thrown));
        }
        let mut notifications =
            if broken { guard.abandon() } else { guard.calls.take_notifications() };
        let life = broken || guard.calls.life_changed();
        match panic {
            None => drop(guard),
            Some(_) => poison(guard),
        }
        if life {
            self.shared.life.notify_all();
        }
        if !notifications.is_empty() {
            let questions: Vec<Question> = notifications
                .iter_mut()
                .filter_map(|notifications| notifications.question.take())
                .collect();
            self.shared.wake(notifications);
            if !questions.is_empty() {
                self.shared.ask(questions);
            }
        }
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

/// Releases the lock and poisons it, so that nobody takes it again.
pub(super) fn poison(guard: MutexGuard<'_, Core>) {
    let _ = catch_unwind(AssertUnwindSafe(move || {
        let _guard = guard;
        resume_unwind(Box::new(()));
    }));
}

const HELD: &str = "held until it is dropped";

impl Deref for Locked<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        self.guard.as_ref().expect(HELD)
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        self.guard.as_mut().expect(HELD)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.release();
    }
}
