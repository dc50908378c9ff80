//! The books: which faults were injected, and what was seen of them. What fails
//! must be explained by them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What the test did to the program and its children in one round.
#[derive(Default)]
pub(crate) struct Account {
    signalled: Mutex<HashMap<u32, Signalled>>,
    /// When there were no descriptors.
    scarce: Mutex<Vec<(Instant, Option<Instant>)>>,
}

/// What one process was sent.
#[derive(Debug, Default)]
struct Signalled {
    fatal: Vec<i32>,
    stopped: bool,
    /// Items whose failure was explained by its death.
    items: usize,
}

/// Most of it says nothing of one failure.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scarce = locked(&self.scarce);
        f.debug_struct("Account").field("scarce", &scarce.last()).finish_non_exhaustive()
    }
}

impl Account {
    /// A process is about to be sent a signal that ends it.
    pub(crate) fn will_end(&self, pid: u32, signal: i32) {
        locked(&self.signalled).entry(pid).or_default().fatal.push(signal);
    }

    /// It was gone already, or it could not be sent after all.
    pub(crate) fn did_not_end(&self, pid: u32) {
        locked(&self.signalled).entry(pid).or_default().fatal.pop();
    }

    /// A process is about to be stopped.
    pub(crate) fn will_stop(&self, pid: u32) {
        locked(&self.signalled).entry(pid).or_default().stopped = true;
    }

    pub(crate) fn was_stopped(&self, pid: u32) -> bool {
        locked(&self.signalled).get(&pid).is_some_and(|entry| entry.stopped)
    }

    /// Whether a process was sent a signal that ends it.
    pub(crate) fn was_ended(&self, pid: u32, signal: i32) -> bool {
        locked(&self.signalled).get(&pid).is_some_and(|entry| entry.fatal.contains(&signal))
    }

    /// As [`Account::was_ended`], for the item that was lost with it: one for each time
    /// that a process of this number was ended.
    pub(crate) fn costs_an_item(&self, pid: u32, signal: i32) -> bool {
        let mut signalled = locked(&self.signalled);
        let Some(entry) = signalled.get_mut(&pid).filter(|it| it.fatal.contains(&signal)) else {
            return false;
        };
        entry.items += 1;
        entry.items <= entry.fatal.len()
    }

    /// From here on there are no descriptors.
    pub(crate) fn scarcity_begins(&self) {
        locked(&self.scarce).push((Instant::now(), None));
    }

    /// There are descriptors again.
    pub(crate) fn scarcity_ends(&self) {
        let now = Instant::now();
        locked(&self.scarce).last_mut().expect("it has begun").1 = Some(now);
    }

    /// Whether there were no descriptors at some moment.
    pub(crate) fn was_scarce(&self) -> bool {
        !locked(&self.scarce).is_empty()
    }

    /// Whether there were no descriptors at some moment since.
    pub(crate) fn was_scarce_since(&self, start: Instant) -> bool {
        locked(&self.scarce).last().is_some_and(|(_, end)| end.is_none_or(|end| end >= start))
    }

    /// What is known of a process, for people.
    pub(crate) fn of(&self, pid: u32) -> String {
        format!("{:?}", locked(&self.signalled).get(&pid))
    }
}

/// How often what was done and seen, over all rounds.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<BTreeMap<(Column, String), u64>>);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Column {
    /// Faults that were injected.
    Faults,
    /// Items by what came of them, in each kind of call.
    Items,
    /// Failures by their cause.
    Failures,
    /// Calls by how they ended.
    Calls,
}

impl Tally {
    pub(crate) fn count(&self, column: Column, what: impl Into<String>) {
        self.add(column, what, 1);
    }

    pub(crate) fn add(&self, column: Column, what: impl Into<String>, count: u64) {
        *locked(&self.0).entry((column, what.into())).or_default() += count;
    }

    /// How often something was counted.
    pub(crate) fn of(&self, column: Column, what: &str) -> u64 {
        locked(&self.0).get(&(column, what.to_owned())).copied().unwrap_or(0)
    }

    /// A column as text, largest first.
    pub(crate) fn show(&self, column: Column) -> String {
        let all = locked(&self.0);
        let mut rows: Vec<_> = all.iter().filter(|((of, _), _)| *of == column).collect();
        rows.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let rows = rows.iter().map(|((_, what), count)| format!("{count} {what}"));
        rows.collect::<Vec<_>>().join(", ")
    }
}

/// A lock that is used also after some thread has failed.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
