//! When a worker has lived long enough, and leaves for a fresh one.
//!
//! It is the worker that sees to this: only it can stop between two items exactly,
//! also within a chunk. What it has of that chunk and of others goes elsewhere.
//!
//! Age ends no worker that has run nothing. If it did, then where the program takes longer
//! to answer a worker than that may live, as on a slow machine, each worker would leave
//! before its first item comes, and so would the next: the job would never end.

use std::fs::File;
use std::os::fd::{IntoRawFd, RawFd};
use std::time::{Duration, Instant};

use crate::sys::fds;
use crate::wire::message::{Lifespan, Retirement};

/// Between two looks at the memory: reading it from /proc takes some µs, so that
/// looking takes less than a hundredth of the time.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// What is left of a lifespan.
#[derive(Debug)]
pub(super) struct Rest {
    tasks: u64,
    until: Option<Instant>,
    memory: Option<Growth>,
    looked: Instant,
    /// It has run no item.
    fresh: bool,
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
            memory: memory.and_then(Growth::up_to),
            looked: now,
            fresh: true,
            endless: lifespan == Lifespan::default(),
        }
    }

    /// When it is over though nothing happens: never before the first item.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until.filter(|_| !self.fresh)
    }

    /// An item is done; tells whether the worker is to leave, and why.
    #[inline]
    pub(super) fn spend(&mut self) -> Option<Retirement> {
        if self.endless { None } else { self.spend_one() }
    }

    fn spend_one(&mut self) -> Option<Retirement> {
        self.fresh = false;
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
        let growth = self.memory.as_ref()?;
        if now.duration_since(self.looked) < BETWEEN_LOOKS {
            return None;
        }
        self.looked = now;
        growth.is_over().then_some(Retirement::Memory)
    }
}

/// How large this process may grow.
#[derive(Debug)]
struct Growth {
    /// Bytes that are resident.
    most: u64,
    /// Opened before tasks run: in a sandbox, or when a task has used up all descriptors,
    /// it cannot be. Never closed, as a task may have done so: it goes with the process.
    statm: RawFd,
}

impl Growth {
    /// `None` where the kernel does not tell: without /proc.
    fn up_to(most: u64) -> Option<Growth> {
        let statm = File::open("/proc/self/statm").ok()?;
        let statm = fds::out_of_the_way(statm.into()).ok()?;
        Some(Growth { most, statm: statm.into_raw_fd() })
    }

    fn is_over(&self) -> bool {
        self.resident().is_some_and(|bytes| bytes > self.most)
    }

    /// `None` if a task has closed the file.
    fn resident(&self) -> Option<u64> {
        let mut text = [0; 128];
        let length = rustix::io::pread(fds::borrowed(self.statm), &mut text, 0).ok()?;
        let text = std::str::from_utf8(&text[..length]).ok()?;
        let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
        Some(pages.saturating_mul(rustix::param::page_size() as u64))
    }
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
    fn no_age_ends_a_life_in_which_no_item_was_run() {
        let hour = Duration::from_secs(3600);
        for age in [Duration::ZERO, hour] {
            let age_in_nanos = u64::try_from(age.as_nanos()).unwrap();
            let lifespan = Lifespan { age: Some(age_in_nanos), ..Lifespan::default() };
            let (mut rest, born) = (Rest::of(lifespan), Instant::now());
            assert_eq!(rest.until(), None, "{age:?}: it has run nothing");
            assert_eq!(rest.spend().is_some(), age.is_zero());
            // It has aged all the while.
            assert!(rest.until().is_some_and(|until| until <= born + age), "{age:?}");
        }
    }

    #[test]
    fn memory_is_looked_at_now_and_then() {
        let mut rest = Rest::of(Lifespan { memory: Some(1), ..Lifespan::default() });
        // However slow the machine is, the next look is not due yet.
        rest.looked += Duration::from_secs(3600);
        assert_eq!(rest.spend(), None, "it has just been looked at");
        rest.looked = Instant::now().checked_sub(BETWEEN_LOOKS).unwrap();
        assert_eq!(rest.spend(), Some(Retirement::Memory));
        assert!(Growth::up_to(0).unwrap().resident().is_some_and(|bytes| bytes > 100_000));
    }
}
