//! Which chunks a worker has begun, agreed on by both sides in one word.
//!
//! Chunks are sent ahead, and the program may want back what the worker has not
//! begun. So a worker *claims* a chunk before it begins it, and the program
//! *recalls* all that is not claimed. Both are one compare-and-swap of one word,
//! so of a claim and a recall one is first, and both sides know which:
//!
//! ```text
//!   word = claims so far (40 bits) | recalls so far (24 bits)
//!   worker:   (c, r) -> (c + 1, r)   only if r recalls were read in the stream
//!   program:  (c, r) -> (c, r + 1)   and then r + 1 is written into the stream
//! ```
//!
//! After a recall no claim succeeds until the worker has read that recall in
//! the stream of requests; every chunk before that is void. The program knows by
//! `c` what was claimed: the worker claims in order.

use std::sync::atomic::{AtomicU64, Ordering};

const RECALL_BITS: u32 = 24;
const RECALLS: u64 = (1 << RECALL_BITS) - 1;

/// The worker claims the next chunk, having read so many recalls in the stream;
/// `false` if the chunk was recalled.
pub(super) fn claim(word: &AtomicU64, read: u64) -> bool {
    let mut now = word.load(Ordering::Relaxed);
    loop {
        if now & RECALLS != read & RECALLS {
            return false;
        }
        let claimed = now.wrapping_add(1 << RECALL_BITS);
        match word.compare_exchange_weak(now, claimed, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(other) => now = other,
        }
    }
}

/// The program recalls whatever is not claimed; gives how many chunks were, ever,
/// and how many recalls there have been.
pub(super) fn recall(word: &AtomicU64) -> (u64, u64) {
    let mut now = word.load(Ordering::Relaxed);
    loop {
        let recalls = now.wrapping_add(1) & RECALLS;
        let recalled = now & !RECALLS | recalls;
        // Acquire: the outcomes of claimed chunks before the last are there to be read.
        match word.compare_exchange_weak(now, recalled, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return (now >> RECALL_BITS, recalls),
            Err(other) => now = other,
        }
    }
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
    fn recalls_wrap_around_without_touching_claims() {
        let word = AtomicU64::new(5 << RECALL_BITS | RECALLS);
        assert_eq!(recall(&word), (5, 0));
        assert!(claim(&word, 0));
        assert_eq!(recall(&word), (6, 1));
    }
}
