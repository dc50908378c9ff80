//! The threads that are within a caller's `retry_if`.
//!
//! The thread that learns of an item's failure calls `retry_if`. If that is the engine's
//! thread, it handles no death, no deadline and no start until `retry_if` returns, so one
//! that waits for its pool may wait for itself. On a caller's thread it might not, but which
//! thread it is depends on timing. So no `retry_if` may wait for its own pool.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Instant;

use super::calls::Question;
use super::handle::JobHandle;
use super::shared::{Shared, discard, dispose};
use crate::error::Error;

/// The threads that are within a `retry_if` of one pool.
#[derive(Debug, Default)]
pub(super) struct CallbackGuard {
    /// The number of these threads: mostly 0, and then a call reads nothing else. Relaxed, as a
    /// thread looks only for itself and sees its own writes.
    count: AtomicUsize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    threads: Vec<ThreadId>,
    /// Questions that came up meanwhile.
    questions: Vec<Question>,
}

impl CallbackGuard {
    /// The calling thread enters a `retry_if`, perhaps within another.
    fn enter(&self) {
        self.inside().threads.push(thread::current().id());
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The `retry_if` has returned. Gives the questions that were put off.
    fn leave(&self) -> Vec<Question> {
        let this = thread::current().id();
        self.count.fetch_sub(1, Ordering::Relaxed);
        let mut inside = self.inside();
        let at = inside.threads.iter().position(|&thread| thread == this);
        inside.threads.swap_remove(at.expect("it has entered"));
        std::mem::take(&mut inside.questions)
    }

    /// Keeps questions until a thread within leaves.
    fn put_off(&self, questions: Vec<Question>) {
        self.inside().questions.extend(questions);
    }

    /// Whether the calling thread is within one.
    pub(super) fn is_here(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
            && self.inside().threads.contains(&thread::current().id())
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Asks the callers' `retry_if` whether items are tried again. A panic counts as no; the
    /// panic hook reports it. One that forks returns in the copy too, where nothing follows.
    ///
    /// A `retry_if` may cause more questions. They are put off until it has returned: it may
    /// hold a lock of the caller's, and it would nest as deep as many items fail.
    #[cold]
    pub(super) fn ask(&self, questions: Vec<Question>) {
        // A forked copy asks nothing, and the lock in there may be held for ever.
        if !self.is_foreign() && self.callbacks.is_here() {
            return self.callbacks.put_off(questions);
        }
        let mut questions = VecDeque::from(questions);
        while let Some(Question { job, item, error, rule }) = questions.pop_front() {
            if self.is_foreign() {
                return;
            }
            let asked = self.as_a_rule(|| {
                let asked = catch_unwind(AssertUnwindSafe(|| rule(&error)));
                let again = asked.unwrap_or_else(|panic| {
                    discard(panic);
                    false
                });
                // The job may be gone, and this the last reference to the rule.
                dispose(rule);
                again
            });
            let Some((again, put_off)) = asked else {
                return;
            };
            questions.extend(put_off);
            let Some(mut core) = self.lock_to_drop() else {
                return;
            };
            core.calls.answer(job, item, error, again);
        }
    }

    /// Runs the caller's code that must not wait for this pool nor unwind. Gives its result and
    /// the questions that were put off; `None` in a copy that it has forked.
    pub(super) fn as_a_rule<T>(&self, run: impl FnOnce() -> T) -> Option<(T, Vec<Question>)> {
        self.callbacks.enter();
        let done = run();
        // In a copy, another thread may have held the lock.
        if self.is_foreign() {
            return None;
        }
        Some((done, self.callbacks.leave()))
    }
}

impl JobHandle {
    /// Refuses to wait within a `retry_if` of this pool, unless there is nothing to wait for:
    /// the job is done, or `until` is past.
    pub(crate) fn check_may_wait(&self, until: Option<Instant>) -> Result<(), Error> {
        let name = self.task.name;
        let refused = self.shared.check_may_wait(format_args!("wait for {name}"));
        let waits = || {
            let is_past = until.is_some_and(|until| until <= Instant::now());
            !is_past
                && self.shared.lock().is_ok_and(|mut core| !core.calls.job_mut(self.id).is_done())
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
    fn a_thread_is_inside_until_its_rule_has_answered() {
        let callbacks = CallbackGuard::default();
        assert!(!callbacks.is_here());
        callbacks.enter();
        assert!(callbacks.is_here());
        thread::scope(|scope| assert!(!scope.spawn(|| callbacks.is_here()).join().unwrap()));
        assert!(callbacks.leave().is_empty());
        assert!(!callbacks.is_here());
    }
}
