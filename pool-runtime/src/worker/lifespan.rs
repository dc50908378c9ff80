//! When a worker has lived long enough, and leaves for a fresh one.
//!
//! It is the worker that sees to this: only it can stop between two items exactly,
//! also within a chunk. What it has of that chunk and of others goes elsewhere.

use std::time::{Duration, Instant};

use crate::wire::message::{Lifespan, Retirement};

/// Between two looks at the memory: reading it from /proc takes some 5 µs, so that
/// looking takes less than a hundredth of the time.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// What is left of a lifespan.
#[derive(Debug)]
pub(super) struct Rest {
    tasks: u64,
    until: Option<Instant>,
    memory: Option<u64>,
    looked: Instant,
    /// There is nothing to see to.
    endless: bool,
}

impl Rest {
    /// Begins now.
    pub(super) fn of(lifespan: Lifespan) -> Rest {
        let now = Instant::now();
        let Lifespan { tasks, age, memory } = lifespan;
        Rest {
            tasks: tasks.unwrap_or(u64::MAX),
            until: age.and_then(|age| now.checked_add(Duration::from_nanos(age))),
            memory,
            looked: now,
            endless: lifespan == Lifespan::default(),
        }
    }

    /// When it is over though nothing happens.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// An item is done; tells whether the worker is to leave, and why.
    pub(super) fn spend(&mut self) -> Option<Retirement> {
        if self.endless {
            return None;
        }
        self.tasks -= 1;
        if self.tasks == 0 {
            return Some(Retirement::Tasks);
        }
        if self.until.is_none() && self.memory.is_none() {
            return None;
        }
        let now = Instant::now();
        if self.until.is_some_and(|until| until <= now) {
            return Some(Retirement::Age);
        }
        let most = self.memory?;
        if now.duration_since(self.looked) < BETWEEN_LOOKS {
            return None;
        }
        self.looked = now;
        resident_memory().is_some_and(|bytes| bytes > most).then_some(Retirement::Memory)
    }
}

/// Bytes of this process's memory that are resident. `None` where the kernel does not
/// tell: without /proc, or when a task has used up all descriptors.
fn resident_memory() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted_and_an_endless_life_counts_nothing() {
        let mut rest = Rest::of(Lifespan { tasks: Some(2), ..Lifespan::default() });
        assert_eq!([rest.spend(), rest.spend()], [None, Some(Retirement::Tasks)]);
        let mut endless = Rest::of(Lifespan::default());
        assert!((0..10).all(|_| endless.spend().is_none()));
        assert_eq!(endless.until(), None);
    }

    #[test]
    fn an_age_is_over_when_its_time_has_come() {
        let mut rest = Rest::of(Lifespan { age: Some(0), ..Lifespan::default() });
        assert_eq!(rest.spend(), Some(Retirement::Age));
        assert!(rest.until().is_some_and(|until| until <= Instant::now()));
    }

    #[test]
    fn memory_is_looked_at_now_and_then() {
        let mut rest = Rest::of(Lifespan { memory: Some(1), ..Lifespan::default() });
        assert_eq!(rest.spend(), None, "it has just been looked at");
        rest.looked -= BETWEEN_LOOKS;
        assert_eq!(rest.spend(), Some(Retirement::Memory));
        assert!(resident_memory().is_some_and(|bytes| bytes > 100_000));
    }
}
