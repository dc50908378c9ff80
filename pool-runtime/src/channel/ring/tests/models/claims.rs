//! A claim and a recall agree on who was first, and what was done before a claim is
//! seen behind a recall.

use loom::thread;

use super::super::super::super::claims::{claim, recall};
use super::*;

const CHUNKS: usize = 3;

/// The worker claims chunk after chunk, and the program recalls what is left, twice;
/// the second time perhaps after the worker has read the first recall.
fn run(claims_relaxed: bool, recalls_relaxed: bool) {
    struct Shared {
        word: Tallied,
        /// How many recalls are in the stream.
        announced: AtomicU64,
        /// One for each chunk, written when it is done.
        outcomes: Vec<UnsafeCell<()>>,
    }
    let shared = Rc::new(Shared {
        word: Tallied {
            replaces_relaxed: claims_relaxed,
            adds_relaxed: recalls_relaxed,
            ..Tallied::default()
        },
        announced: AtomicU64::new(0),
        outcomes: (0..CHUNKS).map(|_| UnsafeCell::new(())).collect(),
    });
    let theirs = Rc::clone(&shared);
    let worker = thread::spawn(move || {
        // For each recall that was read, the chunks claimed in that knowledge.
        let mut claimed = [0_u64; 3];
        for outcome in &theirs.outcomes {
            let read = theirs.announced.load(Ordering::Relaxed);
            if claim(&theirs.word, read) {
                claimed[usize::try_from(read).unwrap()] += 1;
                outcome.with_mut(|_| ());
            } else {
                break;
            }
        }
        claimed
    });
    let mut counts = [0, 0];
    for (count, number) in counts.iter_mut().zip(1..) {
        let (claimed, recalls) = recall(&shared.word);
        assert_eq!(recalls, number);
        shared.announced.store(recalls, Ordering::Release);
        let done = usize::try_from(claimed.saturating_sub(1)).unwrap();
        for outcome in &shared.outcomes[..done] {
            outcome.with(|_| ());
        }
        *count = claimed;
    }
    let claimed = worker.join().unwrap();
    assert_eq!([claimed[0], claimed[0] + claimed[1]], counts, "the two disagree");
}

#[test]
fn a_claim_and_a_recall_agree_and_outcomes_are_seen() {
    holds(|| run(false, false));
}

#[test]
fn both_orderings_of_the_claims_are_needed() {
    fails("a claim without Release", TORN, || run(true, false));
    fails("a recall without Acquire", TORN, || run(false, true));
}
