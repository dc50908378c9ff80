//! Failures at the input that wait until all that was pulled before them is handed out.
//!
//! Each counts what is to come between it and the one before, not all that is to come before
//! it. So an outcome changes one count, however many failures wait.

use std::collections::VecDeque;

use crate::error::Error;
use crate::ids::Item;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    /// In input order.
    failures: VecDeque<Failure>,
    /// The item after the last that has failed, or the first of all.
    next: Item,
    /// Outcomes that were handed out of items from there on.
    handed_out: u64,
}

#[derive(Debug)]
struct Failure {
    item: Item,
    error: Error,
    /// Outcomes that are not handed out, of items between the failure before and this one.
    missing: u64,
}

impl HeldBack {
    /// The item that was pulled last has failed.
    pub(super) fn push(&mut self, item: Item, error: Error) {
        let missing = item - self.next - self.handed_out;
        self.failures.push_back(Failure { item, error, missing });
        self.next = item + 1;
        self.handed_out = 0;
    }

    /// The outcome of another item is being handed out.
    #[inline]
    pub(super) fn count(&mut self, item: Item) {
        let behind = self.failures.partition_point(|failure| failure.item < item);
        match self.failures.get_mut(behind) {
            Some(failure) => failure.missing -= 1,
            None => self.handed_out += 1,
        }
    }

    /// The next failure, if all before it is handed out.
    pub(super) fn pop(&mut self) -> Option<(Item, Error)> {
        if self.failures.front()?.missing > 0 {
            return None;
        }
        self.failures.pop_front().map(|failure| (failure.item, failure.error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> Error {
        Error::invalid("no form for it")
    }

    fn popped(held: &mut HeldBack) -> Vec<Item> {
        std::iter::from_fn(|| held.pop()).map(|(item, _)| item).collect()
    }

    #[test]
    fn a_failure_comes_when_all_before_it_is_handed_out() {
        let mut held = HeldBack::default();
        held.count(1);
        held.push(3, error());
        held.push(4, error());
        held.count(5);
        held.push(7, error());
        assert_eq!(popped(&mut held), []);
        // From there on the order is of any kind.
        held.count(8);
        held.count(2);
        assert_eq!(popped(&mut held), []);
        held.count(0);
        assert_eq!(popped(&mut held), [3, 4]);
        held.count(6);
        assert_eq!(popped(&mut held), [7]);
        held.push(9, error());
        assert_eq!(popped(&mut held), [9]);
        held.count(10);
        held.push(11, error());
        held.push(12, error());
        assert_eq!(popped(&mut held), [11, 12]);
    }

    #[test]
    fn an_outcome_changes_one_count() {
        let mut held = HeldBack::default();
        // Every other item has failed.
        (0..1000).map(|n| 2 * n + 1).for_each(|item| held.push(item, error()));
        let counts = |held: &HeldBack| {
            let each = held.failures.iter().map(|failure| failure.missing);
            each.chain([held.handed_out]).collect::<Vec<u64>>()
        };
        for item in (0..1000).map(|n| 2 * n).rev() {
            let before = counts(&held);
            held.count(item);
            let after = counts(&held);
            let changed = before.iter().zip(&after).filter(|(before, after)| before != after);
            assert_eq!(changed.count(), 1, "item {item}");
        }
        assert_eq!(popped(&mut held).len(), 1000);
    }
}
