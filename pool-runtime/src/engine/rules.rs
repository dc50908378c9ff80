//! The rules of a job: limits of time, retries, and whether a running item is spared when
//! the job is cancelled.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::ids::{Item, Items, Moment};
use crate::scheduler::Terms;
use crate::task::TaskDef;

/// Whether an item that failed with this error is tried again.
pub(crate) type RetryIf = Arc<dyn Fn(&Error) -> bool + Send + Sync>;

/// The rules of one job.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    /// How long an item may run.
    pub(crate) timeout: Option<Duration>,
    /// How long the job may take.
    pub(crate) deadline: Option<Duration>,
    /// How often an item that failed is tried again.
    pub(crate) retries: u32,
    pub(crate) backoff: Backoff,
    pub(crate) retry_if: Option<RetryIf>,
    /// Items that run are left to finish when the job is cancelled.
    pub(crate) spares_running: bool,
}

impl Rules {
    /// Refuses limits in which nothing could be done.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Error::invalid("a timeout of 0: no item could be done in it"));
        }
        if self.deadline.is_some_and(|deadline| deadline.is_zero()) {
            return Err(Error::invalid("a deadline of 0: nothing could be done before it"));
        }
        Ok(())
    }

    /// The rules that the scheduler applies.
    pub(super) fn terms(&self, now: Moment, lazy: bool) -> Terms {
        Terms {
            timeout: self.timeout,
            deadline: self.deadline.map(|deadline| now.saturating_add(deadline)),
            retries: self.retries > 0,
            spares_running: self.spares_running,
            lazy,
        }
    }

    /// Whether the worker must ask before it begins each item; see `channel/begun.rs`.
    pub(super) fn is_careful(&self) -> bool {
        self.timeout.is_some() || self.spares_running
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("timeout", &self.timeout)
            .field("deadline", &self.deadline)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

/// How long to wait before an item is tried again: twice as long each time, between
/// bounds, less a random part of up to a half, so that items that failed together are not
/// tried together (exponential backoff with equal jitter: M. Brooker, "Exponential
/// Backoff and Jitter", 2015).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    pub(crate) initial: Duration,
    pub(crate) most: Duration,
    /// The same seed, item and try give the same wait.
    pub(crate) seed: u64,
}

impl Backoff {
    /// The wait after this many failures of an item, at least one.
    fn wait(self, item: Item, failures: u32) -> Duration {
        let doubled =
            self.initial.saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX));
        let whole = doubled.min(self.most);
        let chance = mix(self.seed ^ mix(item ^ mix(failures.into()))) >> 32;
        let share = chance as f64 / f64::from(u32::MAX) / 2.0;
        whole.mul_f64(1.0 - share)
    }
}

/// The error of a cancelled call.
pub(super) fn cancelled(task: &TaskDef) -> Error {
    let message = format!("the call of {} was cancelled before it was done", task.name);
    Error::new(ErrorKind::Cancelled, message).with_task(task.name, None)
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// How often each item has failed that was or may be tried again.
#[derive(Debug, Default)]
pub(super) struct Tries(BTreeMap<Item, Tried>);

#[derive(Debug, Default)]
pub(super) struct Tried {
    pub(super) failures: u32,
    /// The error of the last try, kept if a deadline may pass before the next.
    pub(super) error: Option<Error>,
}

impl Tries {
    /// An item has failed. Tells whether the rules allow another try, apart from `retry_if`.
    pub(super) fn note(&mut self, item: Item, rules: &Rules) -> bool {
        let tried = self.0.entry(item).or_default();
        tried.failures += 1;
        tried.failures <= rules.retries
    }

    /// The item is tried again after this error. Gives how long it waits.
    pub(super) fn wait(&mut self, item: Item, error: Error, rules: &Rules) -> Duration {
        let tried = self.0.get_mut(&item).expect("it has failed");
        tried.error = rules.deadline.map(|_| error);
        rules.backoff.wait(item, tried.failures)
    }

    /// The items have results, so their failures no longer matter.
    pub(super) fn forget(&mut self, items: &Items) {
        while let Some((&item, _)) = self.0.range(items.clone()).next() {
            self.0.remove(&item);
        }
    }

    /// The item is not tried again.
    pub(super) fn end(&mut self, item: Item) -> Option<Tried> {
        self.0.remove(&item)
    }
}

/// Whether an item with this error is tried again if the caller has no rule: only if it failed
/// with its worker. Any other failure would repeat itself.
pub(super) fn is_tried_again(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Died | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_are_cut_by_chance_the_same_way_each_time() {
        let (initial, most) = (Duration::from_millis(100), Duration::from_millis(1000));
        let backoff = Backoff { initial, most, seed: 7 };
        for (failures, whole) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (60, 1000)] {
            let whole = Duration::from_millis(whole);
            for item in 0..100 {
                let wait = backoff.wait(item, failures);
                assert!(whole / 2 <= wait && wait <= whole, "{wait:?} of {whole:?}");
                assert_eq!(wait, backoff.wait(item, failures));
            }
        }
        assert_ne!(backoff.wait(1, 1), backoff.wait(2, 1));
        assert_ne!(backoff.wait(1, 1), Backoff { seed: 8, ..backoff }.wait(1, 1));
        assert_eq!(Backoff::default().wait(3, 4), Duration::ZERO);
    }

    #[test]
    fn an_item_is_tried_as_often_as_the_rules_say() {
        let rules = Rules { retries: 2, ..Rules::default() };
        let mut tries = Tries::default();
        assert_eq!([(); 3].map(|()| tries.note(5, &rules)), [true, true, false]);
        let mut failures = |item| tries.end(item).map(|tried| tried.failures);
        assert_eq!(failures(5), Some(3));
        assert_eq!(failures(5), None);
        for item in [1, 2, 3, 9] {
            tries.note(item, &rules);
        }
        tries.forget(&(2..9));
        let left = [1, 2, 3, 9].map(|item| tries.end(item).map(|tried| tried.failures));
        assert_eq!(left, [Some(1), None, None, Some(1)]);
    }

    #[test]
    fn the_error_of_a_try_is_kept_where_a_deadline_may_ask_for_it() {
        for deadline in [None, Some(Duration::from_secs(1))] {
            let rules = Rules { retries: 2, deadline, ..Rules::default() };
            let mut tries = Tries::default();
            for message in ["first", "second"] {
                tries.note(5, &rules);
                tries.wait(5, Error::new(ErrorKind::Died, message), &rules);
            }
            let error = tries.end(5).unwrap().error.map(|error| error.to_string());
            assert_eq!(error, deadline.map(|_| "second".into()));
        }
    }
}
