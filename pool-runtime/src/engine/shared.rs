//! The core behind its lock.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};

use super::callback_guard::CallbackGuard;
use super::core::Core;
use super::locked::Notification;
use super::locked::{Locked, PANICKED, poison};
use crate::error::Error;
use crate::ids::JobId;
use crate::sys::fork_mark::ForkMark;

/// What the engine's thread, its callers and its jobs share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) core: Mutex<Core>,
    /// Signalled when workers come or go, and when the engine has finished.
    pub(super) life: Condvar,
    pub(super) callbacks: CallbackGuard,
    /// The process that it belongs to, which is marked. A forked copy shares the workers' rings
    /// and the event queue, but has none of the threads. It must touch nothing here, nor wait
    /// for the lock, which a thread may have held during the fork.
    owner: u32,
    mark: ForkMark,
}

impl Shared {
    pub(super) fn new(core: Core, mark: ForkMark) -> Shared {
        let owner = std::process::id();
        Shared {
            core: Mutex::new(core),
            life: Condvar::new(),
            callbacks: CallbackGuard::default(),
            owner,
            mark,
        }
    }

    /// Whether this is a forked copy of the process that the pool belongs to.
    pub(super) fn is_foreign(&self) -> bool {
        self.mark.is_copy()
    }

    /// Refuses to wait within a `retry_if` of this pool; see [`CallbackGuard`].
    pub(super) fn check_may_wait(&self, wanted: fmt::Arguments<'_>) -> Result<(), Error> {
        // A forked copy gets another error, and must not wait for the lock in there.
        if self.is_foreign() || !self.callbacks.is_here() {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "failed to {wanted}: this thread is inside of a `retry_if` of the same pool, which may \
             wait in turn for that to return; answer by the error alone, or use another pool"
        )))
    }

    /// The core, unless this is a forked copy of the process that the pool belongs to.
    ///
    /// # Panics
    ///
    /// If the engine has panicked, which is a broken invariant of this library. Its callers
    /// must not wait for results that will never arrive.
    pub(super) fn lock(&self) -> Result<Locked<'_>, Foreign> {
        if self.is_foreign() {
            return Err(Foreign { owner: self.owner });
        }
        let unwinding = std::thread::panicking();
        Ok(Locked { guard: Some(self.core.lock().expect(PANICKED)), shared: self, unwinding })
    }

    /// The core, for a destructor: `None` in a forked copy and after a panic of the engine,
    /// which other calls report. A panic here might be a second one, which would abort the
    /// program.
    pub(super) fn lock_to_drop(&self) -> Option<Locked<'_>> {
        if self.is_poisoned() { None } else { self.lock().ok() }
    }

    /// The engine has panicked. Kills the workers and wakes all callers, which find the lock
    /// poisoned. The panic hook has reported why.
    pub(super) fn abandon(&self, panic: Box<dyn Any + Send>) {
        if self.is_foreign() {
            return discard(panic);
        }
        // The panic may have been outside the lock, so it may not be poisoned yet.
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        let notifications = core.abandon();
        poison(core);
        self.life.notify_all();
        self.wake(notifications);
        discard(panic);
    }

    /// Delivers notifications. A waker that panics must not end the engine's thread; the panic
    /// hook reports it. A job's `retry_if` is dropped with the job, and its captures may not
    /// wait for the pool either.
    pub(super) fn wake(&self, notifications: Vec<Notification>) {
        for Notification { waker, sleepers, direct, over, .. } in notifications {
            if let Some(direct) = direct {
                direct.wake();
            }
            if let Some(sleepers) = sleepers {
                sleepers.notify_all();
            }
            if let Some(waker) = waker
                && let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake()))
            {
                discard(panic);
            }
            if self.is_foreign() {
                return;
            }
            if over.is_some() {
                let Some(((), put_off)) = self.as_a_rule(|| dispose(over)) else {
                    return;
                };
                self.ask(put_off);
            }
        }
    }

    /// Cancels those of the jobs that exist and are not done.
    pub(super) fn cancel(&self, jobs: impl IntoIterator<Item = JobId>) {
        let Some(mut core) = self.lock_to_drop() else {
            return;
        };
        core.poll();
        jobs.into_iter().for_each(|job| core.calls.cancel_job(job));
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.core.is_poisoned()
    }
}

/// This process is a forked copy of the one that the pool belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foreign {
    owner: u32,
}

impl Foreign {
    /// The error of what the copy wanted.
    pub(super) fn error(self, wanted: fmt::Arguments<'_>) -> Error {
        let owner = self.owner;
        Error::invalid(format!(
            "failed to {wanted}: the pool belongs to process {owner}, of which this is a forked \
             copy; build a pool in the copy"
        ))
    }
}

/// Drops a value of the caller's, whose destructor may panic.
pub(super) fn dispose<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        discard(panic);
    }
}

/// Drops the payload of a panic, whose destructor may panic in turn.
pub(super) fn discard(panic: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(another);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::task::Waker;
    use std::time::Duration;

    use super::*;
    use crate::scheduler::{Config, Event};
    use crate::supervisor::{Launch, LaunchOptions};
    use crate::sys::poller::Poller;

    /// The core of a pool of one worker that nobody has started.
    fn shared() -> Arc<Shared> {
        let config = Config {
            workers: 1,
            start_timeout: Duration::MAX,
            stop_grace: Duration::MAX,
            kill_grace: Duration::MAX,
            restart_limit: None,
            replace: true,
        };
        let launch = Launch::new(LaunchOptions::default(), 1).unwrap();
        let poller = Arc::new(Poller::new().unwrap());
        Arc::new(Shared::new(Core::new(config, launch, poller), ForkMark::of_process().unwrap()))
    }

    /// Waits for workers to come or go, on a thread of its own, which holds the
    /// lock until it waits.
    fn waiter(shared: &Arc<Shared>) -> std::thread::JoinHandle<()> {
        let (waits, waiting) = mpsc::channel();
        let shared = Arc::clone(shared);
        let thread = std::thread::spawn(move || {
            let mut core = shared.lock().unwrap();
            waits.send(()).unwrap();
            loop {
                core.wait(&shared.life, None);
            }
        });
        waiting.recv().unwrap();
        thread
    }

    #[test]
    fn a_panic_of_the_engine_outside_the_lock_reaches_who_waits() {
        let shared = shared();
        let waiter = waiter(&shared);
        shared.abandon(Box::new("a broken invariant"));
        waiter.join().expect_err("it waits no longer, and is told by a panic");
        assert!(shared.is_poisoned());
        catch_unwind(AssertUnwindSafe(|| drop(shared.lock()))).expect_err("nobody goes on");
    }

    #[test]
    fn a_panic_of_a_caller_under_the_lock_reaches_who_waits() {
        let shared = shared();
        let waiter = waiter(&shared);
        let caller = Arc::clone(&shared);
        let panicked = std::thread::spawn(move || {
            let _core = caller.lock().unwrap();
            panic!("a broken invariant");
        });
        panicked.join().unwrap_err();
        waiter.join().expect_err("it waits no longer, and is told by a panic");
    }

    #[test]
    fn a_panic_at_the_end_of_a_callers_turn_reaches_who_waits() {
        let shared = shared();
        let waiter = waiter(&shared);
        let caller = Arc::clone(&shared);
        let panicked = std::thread::spawn(move || {
            let mut core = caller.lock().unwrap();
            // There is nothing left to start workers by.
            assert!(core.abandon().is_empty());
            core.calls.tell(Event::Reset);
        });
        panicked.join().unwrap_err();
        waiter.join().expect_err("it waits no longer, and is told by a panic");
        assert!(shared.is_poisoned());
    }

    #[test]
    fn a_lock_taken_while_a_thread_unwinds_breaks_nothing() {
        struct LocksInDrop(Arc<Shared>);
        impl Drop for LocksInDrop {
            fn drop(&mut self) {
                drop(self.0.lock().unwrap());
            }
        }
        let shared = shared();
        let locks = LocksInDrop(Arc::clone(&shared));
        std::thread::spawn(move || {
            let _locks = locks;
            panic!("a panic of the caller's own");
        })
        .join()
        .unwrap_err();
        assert!(!shared.is_poisoned());
        assert!(shared.lock().unwrap().calls.scheduler.is_open());
    }

    #[test]
    fn a_waker_that_panics_twice_over_ends_nobody() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("on the way out");
            }
        }
        struct Throws;
        impl std::task::Wake for Throws {
            fn wake(self: Arc<Self>) {
                std::panic::panic_any(Bomb);
            }
        }
        let notifications = |waker| Notification { waker: Some(waker), ..Notification::default() };
        shared().wake(vec![
            notifications(Waker::from(Arc::new(Throws))),
            notifications(Waker::noop().clone()),
        ]);
    }
}
