//! Bytes that follow from a number, and what they come to.

use crate::rng::Rng;

/// A number that other bytes hardly have. Eight at a time, since tests are slow.
#[must_use]
pub fn check(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = |sum: u64, word: u64| (sum ^ word).rotate_left(5).wrapping_mul(31);
    let whole =
        words.iter().fold(bytes.len() as u64, |all, word| sum(all, u64::from_ne_bytes(*word)));
    rest.iter().fold(whole, |all, byte| sum(all, (*byte).into()))
}

/// Bytes that follow from a number.
#[must_use]
pub fn payload(length: usize, from: u64) -> Vec<u8> {
    let mut rng = Rng::new(from);
    // Random throughout would be slow. Places are told from each other all the same.
    let some: Vec<u8> = (0..length.min(521)).map(|_| rng.any() as u8).collect();
    let mut bytes = some.repeat(length.div_ceil(some.len().max(1)));
    bytes.truncate(length);
    bytes
}
