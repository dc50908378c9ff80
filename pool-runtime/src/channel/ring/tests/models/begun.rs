//! A worker that begins items and a program that condemns it at one of them agree on
//! who was first, and whoever sees that an item has begun sees when.

use loom::thread;

use super::super::super::super::begun::{begin, condemn, count};
use super::*;

const ITEMS: u64 = 3;

/// The worker begins item after item until it must not; the program looks, and
/// condemns it at what it is seen to be at.
fn run(begins_relaxed: bool, looks_relaxed: bool) {
    struct Shared {
        word: Tallied,
        /// The number of the item, stored before it begins; any moment will do.
        began_at: AtomicU64,
    }
    let word = Tallied {
        replaces_relaxed: begins_relaxed,
        loads_relaxed: looks_relaxed,
        ..Tallied::default()
    };
    let shared = Rc::new(Shared { word, began_at: AtomicU64::new(0) });
    let theirs = Rc::clone(&shared);
    let worker = thread::spawn(move || {
        (1..=ITEMS)
            .take_while(|&item| {
                theirs.began_at.store(item, Ordering::Relaxed);
                begin(&theirs.word, item)
            })
            .count() as u64
    });
    let seen = count(&shared.word);
    assert!(shared.began_at.load(Ordering::Relaxed) >= seen, "{}", STALE[0]);
    let condemned = seen > 0 && condemn(&shared.word, seen);
    let begun = worker.join().unwrap();
    assert_eq!(begun, if condemned { seen } else { ITEMS }, "the two disagree");
    assert_eq!(count(&shared.word), begun, "a count of what was not begun");
}

/// What is said of a moment that is read too early.
const STALE: &[&str] = &["the moment of an item before"];

#[test]
fn who_is_condemned_at_an_item_begins_no_other() {
    holds(|| run(false, false));
}

#[test]
fn both_orderings_of_the_count_are_needed() {
    fails("a beginning without Release", STALE, || run(true, false));
    fails("a look without Acquire", STALE, || run(false, true));
}
