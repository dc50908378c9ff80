//! Which chunks a worker has begun, agreed on by both sides in one word.
//!
//! Chunks are sent ahead, and the program may want back what the worker has not
//! begun. So a worker *claims* a chunk before it begins it, and the program
//! *recalls* all that is not claimed. Both are one atomic step on one word, so of
//! a claim and a recall one is first, and both sides know which:
//!
//! ```text
//!   word = recalls so far (24 bits) | claims so far (40 bits)
//!   worker:   (r, c) -> (r, c + 1)   only if r recalls were read in the stream
//!   program:  (r, c) -> (r + 1, c)   and then r + 1 is written into the stream
//! ```
//!
//! After a recall no claim succeeds until the worker has read that recall in
//! the stream of requests; every chunk before that is void. The program knows by
//! `c` what was claimed: the worker claims in order.
//!
//! Recalls are the upper bits, so that a recall is an addition: it succeeds at the
//! first try, whatever a worker that is out of its mind stores there meanwhile.
//!
//! # Orderings
//!
//! A claim releases, a recall acquires: what the worker did before it claimed its
//! latest chunk, which is to send the outcomes of those before, is there to be
//! seen after the recall. So it is after a look at the count, by which a caller that sees
//! the last chunk claimed, and was perhaps not woken for that, knows of news to read
//! before it sleeps.

use std::sync::atomic::{AtomicU64, Ordering};

const CLAIM_BITS: u32 = 40;
const CLAIMS: u64 = (1 << CLAIM_BITS) - 1;
const RECALLS: u64 = u64::MAX >> CLAIM_BITS;

/// What the word is stored in: an atomic of the processor's, or of a model checker.
pub(super) trait Tally {
    fn load(&self, order: Ordering) -> u64;
    fn add(&self, value: u64, order: Ordering) -> u64;
    /// Stores `new` in place of `now`; `false` if it was something else.
    fn replace(&self, now: u64, new: u64, order: Ordering) -> bool;
}

impl Tally for AtomicU64 {
    fn load(&self, order: Ordering) -> u64 {
        AtomicU64::load(self, order)
    }

    fn add(&self, value: u64, order: Ordering) -> u64 {
        self.fetch_add(value, order)
    }

    fn replace(&self, now: u64, new: u64, order: Ordering) -> bool {
        self.compare_exchange(now, new, order, Ordering::Relaxed).is_ok()
    }
}

/// The worker claims the next chunk, having read so many recalls in the stream;
/// `false` if the chunk was recalled.
pub(super) fn claim(word: &impl Tally, read: u64) -> bool {
    let now = word.load(Ordering::Relaxed);
    if now >> CLAIM_BITS != read & RECALLS {
        return false;
    }
    let claimed = now & !CLAIMS | now.wrapping_add(1) & CLAIMS;
    // There is one that claims, so only a recall can have come between.
    word.replace(now, claimed, Ordering::Release)
}

/// Of so many claims, modulo the bits that they have, those beyond the chunks that
/// are known to be finished.
pub(super) fn beyond(claims: u64, finished: u64) -> u64 {
    claims.wrapping_sub(finished) & CLAIMS
}

/// The program recalls whatever is not claimed; gives how many chunks were, ever,
/// and how many recalls there have been. Both are modulo the bits that they have.
pub(super) fn recall(word: &impl Tally) -> (u64, u64) {
    let before = word.add(1 << CLAIM_BITS, Ordering::Acquire);
    (before & CLAIMS, (before >> CLAIM_BITS).wrapping_add(1) & RECALLS)
}

/// How many chunks were claimed, ever, modulo the bits that they have.
pub(super) fn count(word: &impl Tally) -> u64 {
    word.load(Ordering::Acquire) & CLAIMS
}

/// Whether there have been so many recalls. For the program, which made them, it is so
/// unless the worker has written over the word; the worker, which counts those that it has
/// read, has another to read if not.
pub(super) fn are_recalls(word: &impl Tally, times: u64) -> bool {
    word.load(Ordering::Relaxed) >> CLAIM_BITS == times & RECALLS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_claimed_is_not_recalled_and_what_is_recalled_is_not_claimed() {
        let word = AtomicU64::new(0);
        assert!(claim(&word, 0) && claim(&word, 0));
        assert_eq!(recall(&word), (2, 1));
        assert!(!claim(&word, 0), "before the recall was read");
        assert!(claim(&word, 1));
        assert_eq!(recall(&word), (3, 2));
        assert_eq!(recall(&word), (3, 3));
        assert!(!claim(&word, 2));
        assert!(claim(&word, 3));
    }

    #[test]
    fn recalls_and_claims_wrap_around_without_touching_each_other() {
        let word = AtomicU64::new(RECALLS << CLAIM_BITS | 5);
        assert!(claim(&word, RECALLS));
        assert_eq!(recall(&word), (6, 0));
        assert!(claim(&word, 0));
        assert_eq!(recall(&word), (7, 1));
        let word = AtomicU64::new(1 << CLAIM_BITS | CLAIMS);
        assert!(claim(&word, 1) && claim(&word, 1));
        assert_eq!(recall(&word), (1, 2));
    }

    #[test]
    fn whatever_the_word_holds_a_recall_is_one_step() {
        for garbage in [0, 1, CLAIMS, !CLAIMS, u64::MAX, 1 << 63] {
            let word = AtomicU64::new(garbage);
            let (claims, recalls) = recall(&word);
            assert!(claims <= CLAIMS && recalls <= RECALLS);
            assert_eq!(word.into_inner() & CLAIMS, claims);
        }
    }
}
