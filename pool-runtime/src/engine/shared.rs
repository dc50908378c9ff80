//! The core behind its lock.

use std::any::Any;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::callback_guard::CallbackGuard;
use super::calls::Question;
use super::core::Core;
use super::job::Notification;
use crate::channel::DirectWaiter;
use crate::error::Error;
use crate::ids::{JobId, Slot};
use crate::sys::fork_mark::ForkMark;

/// What the engine's thread, its callers and its jobs hold in common.
#[derive(Debug)]
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// Workers came or went, or the engine finished.
    pub(super) life: Condvar,
    pub(super) callbacks: CallbackGuard,
    /// The process that it belongs to, which is marked. A copy that this has forked
    /// shares the workers' rings and the event queue, but none of its threads: it must
    /// touch nothing here, nor wait for the lock, which may have been held.
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

    /// Refuses to wait inside of a caller's rule; see [`CallbackGuard`].
    pub(super) fn check_may_wait(&self, wanted: fmt::Arguments<'_>) -> Result<(), Error> {
        // A forked copy is told otherwise, and must not wait for the lock in there.
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
    /// When the engine has panicked: a broken invariant of this library. Its
    /// callers must not wait for what nobody will bring.
    pub(super) fn lock(&self) -> Result<Locked<'_>, Foreign> {
        if self.is_foreign() {
            return Err(Foreign { owner: self.owner });
        }
        let unwinding = std::thread::panicking();
        Ok(Locked { guard: Some(self.core.lock().expect(PANICKED)), shared: self, unwinding })
    }

    /// The core, for a destructor: nothing in a forked copy, nor after a panic of the engine,
    /// of which callers are told elsewhere. A panic here might be a second one, which aborts
    /// the program.
    pub(super) fn lock_to_drop(&self) -> Option<Locked<'_>> {
        if self.is_poisoned() { None } else { self.lock().ok() }
    }

    /// The engine has panicked: ends the workers, and wakes whoever waits, to find
    /// the lock poisoned. The panic hook has said why.
    pub(super) fn abandon(&self, panic: Box<dyn Any + Send>) {
        if self.is_foreign() {
            return discard(panic);
        }
        // Poisoned where it is not yet: the panic may have been outside the lock.
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        let notifications = core.abandon();
        poison(core);
        self.life.notify_all();
        self.wake(notifications);
        discard(panic);
    }

    /// Tells whoever waits. A waker that panics must not end the engine's thread; the panic
    /// hook tells of it. What a rule has captured goes with its job, and may no more wait
    /// for the pool than the rule may.
    fn wake(&self, notifications: Vec<Notification>) {
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

    /// Takes jobs back, those that are there and not done.
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
    /// What such a copy is told of what it wants.
    pub(super) fn error(self, wanted: fmt::Arguments<'_>) -> Error {
        let owner = self.owner;
        Error::invalid(format!(
            "failed to {wanted}: the pool belongs to process {owner}, of which this is a forked \
             copy; build a pool in the copy"
        ))
    }
}

const PANICKED: &str = "the pool's engine has panicked; please report this";

/// The core, locked. When this goes, whoever waits for what has happened meanwhile
/// is woken, after the lock is released: a thread that was woken before would
/// only run into the lock, and a waker may run anything, also something that
/// takes the lock, as dropping the last handle of a job does.
///
/// It may fork too, and then go on in the copy: there the lock is not taken again.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    guard: Option<MutexGuard<'a, Core>>,
    shared: &'a Shared,
    /// The thread was unwinding before it took the lock.
    unwinding: bool,
}

impl Locked<'_> {
    /// Whether this is a copy, forked while the lock was released.
    pub(super) fn is_lost(&self) -> bool {
        self.guard.is_none()
    }

    /// Releases the lock until `condvar` is notified, or `limit` has passed.
    pub(super) fn wait(&mut self, condvar: &Condvar, limit: Option<Duration>) {
        self.end_turn();
        if self.calls.has_notifications() {
            // Whoever is woken may change what this waits for.
            return self.step_aside();
        }
        let guard = self.guard.take().expect(HELD);
        self.guard = Some(match limit {
            None => condvar.wait(guard).expect(PANICKED),
            Some(limit) => condvar.wait_timeout(guard, limit).expect(PANICKED).0,
        });
    }

    /// Releases the lock while the caller sleeps on workers themselves.
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
        // A panic of a caller's thread under the lock is as bad as one of the
        // engine's: nobody can go on with this core.
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

/// Releases the lock so that nobody takes it again.
fn poison(guard: MutexGuard<'_, Core>) {
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

/// Drops what is the caller's, whose destructor may panic.
pub(super) fn dispose<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        discard(panic);
    }
}

/// Drops what was thrown, whose destructor may panic in turn.
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
    use crate::supervisor::{Launch, Wishes};
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
        let launch = Launch::new(Wishes::default(), 1).unwrap();
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
