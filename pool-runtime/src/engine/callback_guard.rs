//! Who is inside of a caller's own rule.
//!
//! Whether an item is tried again is asked on the thread that learns of its failure. If
//! that is the engine's own, no death and no deadline is heard before the rule has
//! answered, and no worker is started: a rule that waits for its pool there may wait for
//! itself. On a caller's thread it may not, but which of them it is, is chance. So no rule
//! may wait for its own pool.

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

/// The threads that are inside of a rule of one pool.
#[derive(Debug, Default)]
pub(super) struct CallbackGuard {
    /// How many there are. A call finds none mostly, and reads nothing else. Relaxed: a
    /// thread looks for itself alone, and sees what it has written.
    count: AtomicUsize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    threads: Vec<ThreadId>,
    /// What has come up meanwhile.
    questions: Vec<Question>,
}

impl CallbackGuard {
    /// The calling thread is inside of a rule from here on; of two, if it was.
    fn enter(&self) {
        self.inside().threads.push(thread::current().id());
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The rule has answered; gives what is to be asked next.
    fn leave(&self) -> Vec<Question> {
        let this = thread::current().id();
        self.count.fetch_sub(1, Ordering::Relaxed);
        let mut inside = self.inside();
        let at = inside.threads.iter().position(|&thread| thread == this);
        inside.threads.swap_remove(at.expect("it has entered"));
        std::mem::take(&mut inside.questions)
    }

    /// Keeps questions until somebody who is inside has left.
    fn put_off(&self, questions: Vec<Question>) {
        self.inside().questions.extend(questions);
    }

    /// Whether the calling thread is inside of one.
    pub(super) fn is_here(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
            && self.inside().threads.contains(&thread::current().id())
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Asks callers' rules whether items are to be tried again. A rule that panics has
    /// not said so; the panic hook tells of it. One that forks returns in the copy too,
    /// where nobody is to hear of it.
    ///
    /// What a rule does may bring up more questions. They are put off until it has
    /// answered: it may hold a lock of the caller's, and how deep it would stand within
    /// itself would depend on how many items fail.
    #[cold]
    pub(super) fn ask(&self, questions: Vec<Question>) {
        // In a copy nothing is asked, and the lock in there may be held for ever.
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
                // Its job may be gone meanwhile, and this the last of it.
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

    /// Runs what is the caller's and must not wait for this pool, nor unwind; gives what
    /// it comes to, and what is to be asked next. Nothing in a copy that it has forked.
    pub(super) fn as_a_rule<T>(&self, run: impl FnOnce() -> T) -> Option<(T, Vec<Question>)> {
        self.callbacks.enter();
        let done = run();
        // There another thread may have held the lock.
        if self.is_foreign() {
            return None;
        }
        Some((done, self.callbacks.leave()))
    }
}

impl JobHandle {
    /// Refuses to wait inside of a rule of this pool, unless there is nothing to wait for:
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
