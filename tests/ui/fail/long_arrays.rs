//! serde has no arrays of more than 32 elements.

use pool_runtime::pool_task;

const LENGTH: usize = 64;

#[pool_task]
fn sum(digest: [u8; 64]) -> u64 {
    digest.iter().map(|&byte| u64::from(byte)).sum()
}

#[pool_task]
fn within(digests: Vec<(u8, [u8; LENGTH])>) -> usize {
    digests.len()
}

#[pool_task]
fn filled(seed: u8) -> [u8; 64] {
    [seed; 64]
}

fn main() {}
