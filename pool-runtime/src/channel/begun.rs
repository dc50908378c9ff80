//! Which item a worker is at, and whether it may begin another, in one word.
//!
//! A worker counts the items that it begins, and the count is all that the program
//! has of one that dies. Where items have a time limit the program must be able to end
//! the item that is overdue, and only that one: the worker may finish it and begin the
//! next in the same moment, which then would be killed for what it has not done. So the
//! program *condemns* the worker at an item, and it begins its next item only if it is
//! not condemned. Both are one atomic step on one word, so of the two one is first, and
//! both sides know which:
//!
//! ```text
//!   word = items begun so far | condemned (1 bit)
//!   worker:   (n, no) -> (n + 1, no)   fails where it is condemned: it leaves
//!   program:  (n, no) -> (n, yes)      fails where the worker has begun another
//! ```
//!
//! A worker that begins items without a limit stores the count, which is cheaper: it is
//! condemned only at items of chunks that are sent as careful ones, and from then on it
//! claims no other chunk, since all that it had not claimed was recalled before.
//!
//! # Orderings
//!
//! Beginning an item releases and looking at the count acquires: the moment that is
//! stored before an item begins is there for whoever sees that it has begun. The
//! condemnation orders nothing; nothing else is read on the strength of it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::claims::Tally;

const CONDEMNED: u64 = 1;

/// The worker has begun so many items.
pub(super) fn store(word: &AtomicU64, count: u64) {
    word.store(count << 1, Ordering::Release);
}

/// The worker begins its item number `count`; `false` if it must not.
pub(super) fn begin(word: &impl Tally, count: u64) -> bool {
    word.replace((count - 1) << 1, count << 1, Ordering::Release)
}

/// How many items the worker has begun.
pub(super) fn count(word: &impl Tally) -> u64 {
    word.load(Ordering::Acquire) >> 1
}

/// Lets the worker begin no other item, if the latest that it has begun is its item
/// number `count`, or if it was condemned there before.
pub(super) fn condemn(word: &impl Tally, count: u64) -> bool {
    let condemned = count << 1 | CONDEMNED;
    word.replace(count << 1, condemned, Ordering::Relaxed)
        || word.load(Ordering::Relaxed) == condemned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_condemned_begins_nothing_and_keeps_the_count() {
        let word = AtomicU64::new(0);
        assert!(begin(&word, 1) && begin(&word, 2));
        assert!(!condemn(&word, 1), "it has moved on");
        assert!(condemn(&word, 2));
        assert!(!begin(&word, 3));
        assert_eq!(count(&word), 2);
        assert!(condemn(&word, 2), "it stays so");
    }

    #[test]
    fn a_count_that_was_stored_can_be_gone_on_with() {
        let word = AtomicU64::new(0);
        store(&word, 7);
        assert_eq!(count(&word), 7);
        assert!(begin(&word, 8) && condemn(&word, 8));
    }

    #[test]
    fn whatever_the_word_holds_nothing_is_begun_or_condemned_by_mistake() {
        for garbage in [1, 5, u64::MAX, 1 << 63] {
            let word = AtomicU64::new(garbage);
            assert!(!begin(&word, 1) && !condemn(&word, 1));
            assert_eq!(word.into_inner(), garbage);
        }
    }
}
