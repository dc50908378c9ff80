//! What may wait for ever is done on a thread of its own, which is waited for only so long.

use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::Builder;
use std::time::Duration;

use crate::limits::ASIDE_STACK;
use crate::sys::signals;

/// One thing that is done on a thread of its own, again and again, but never twice at a
/// time. The thread ends when the thing is done, so that tasks find none but their own.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Hears of the end of the latest.
    latest: Option<Receiver<()>>,
}

impl Aside {
    /// Does it, and waits for it no longer than `limit`; not if it is still being done, or
    /// if there can be no thread.
    pub(super) fn run(&mut self, limit: Duration, what: fn()) {
        if self.latest.as_ref().is_some_and(|done| done.try_recv() == Err(TryRecvError::Empty)) {
            return;
        }
        let (tell, done) = channel();
        // Inherited by the thread: signals are for the task's own.
        let blocked = signals::block_all();
        let thread =
            Builder::new().name("pool-output".into()).stack_size(ASIDE_STACK).spawn(move || {
                what();
                drop(tell);
            });
        drop(blocked);
        if thread.is_ok() {
            // An error both ways: at the end, and when the time is over.
            let _ = done.recv_timeout(limit);
            self.latest = Some(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Mutex, PoisonError};

    use super::*;

    static LOCK: Mutex<()> = Mutex::new(());
    static DONE: AtomicU32 = AtomicU32::new(0);

    fn lock_and_count() {
        drop(LOCK.lock().unwrap_or_else(PoisonError::into_inner));
        DONE.fetch_add(1, Ordering::SeqCst);
    }

    #[test]
    fn what_cannot_be_done_is_tried_by_one_thread_and_done_once_it_can() {
        let mut aside = Aside::default();
        let held = LOCK.lock().unwrap();
        for _ in 0..3 {
            aside.run(Duration::from_millis(1), lock_and_count);
        }
        assert_eq!(DONE.load(Ordering::SeqCst), 0);
        drop(held);
        let latest = aside.latest.as_ref().unwrap();
        assert!(latest.recv().is_err(), "it tells of its end by going");
        assert_eq!(DONE.load(Ordering::SeqCst), 1);
        aside.run(Duration::MAX, lock_and_count);
        assert_eq!(DONE.load(Ordering::SeqCst), 2);
    }
}
