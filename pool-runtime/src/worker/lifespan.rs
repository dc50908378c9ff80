//! The lifespan of a worker: when it leaves, so that a fresh one replaces it.
//!
//! The worker itself checks this, as only it can stop exactly between two items, even within a
//! chunk. Its other items go to other workers.
//!
//! Age ends no worker that has run no item. Otherwise, if the program took longer to send an
//! item than a worker may live, as on a slow machine, each worker would leave before its first
//! item arrives, and the job would never end.

use std::fs::File;
use std::os::fd::{IntoRawFd, RawFd};
use std::time::{Duration, Instant};

use crate::sys::fds;
use crate::wire::message::{Lifespan, Retirement};

/// How often the memory is checked. Reading it from /proc takes some µs, less than a hundredth
/// of this.
const CHECK_EVERY: Duration = Duration::from_millis(1);

/// The rest of a lifespan.
#[derive(Debug)]
pub(super) struct Rest {
    tasks: u64,
    until: Option<Instant>,
    memory: Option<Growth>,
    /// When the memory was last checked.
    checked: Instant,
    /// No item has run yet.
    fresh: bool,
    /// The lifespan has no limit.
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
            checked: now,
            fresh: true,
            endless: lifespan == Lifespan::default(),
        }
    }

    /// When it ends even if no item comes; never before the first item.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until.filter(|_| !self.fresh)
    }

    /// An item is done. Tells why the worker must leave, if it must.
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
        if now.duration_since(self.checked) < CHECK_EVERY {
            return None;
        }
        self.checked = now;
        growth.is_over().then_some(Retirement::Memory)
    }
}

/// Limits the size of this process.
#[derive(Debug)]
struct Growth {
    /// Resident bytes, at most.
    most: u64,
    /// Opened before tasks run, as it cannot be opened in a sandbox or when a task has used up
    /// all descriptors. Never closed: a task may have closed it and reused the number.
    statm: RawFd,
}

impl Growth {
    /// `None` without /proc.
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
        rest.checked += Duration::from_secs(3600);
        assert_eq!(rest.spend(), None, "it has just been looked at");
        rest.checked = Instant::now().checked_sub(CHECK_EVERY).unwrap();
        assert_eq!(rest.spend(), Some(Retirement::Memory));
        assert!(Growth::up_to(0).unwrap().resident().is_some_and(|bytes| bytes > 100_000));
    }
}
