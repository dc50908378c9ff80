//! Randomness of the kernel's.
//!
//! Not that of the standard library's hashers: each thread draws their seed once, so
//! copies of a process that has drawn it have equal ones.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use rustix::rand::{GetRandomFlags, getrandom};

/// Fills the buffer with bytes that nobody guesses, and that no other process has.
pub(crate) fn fill(buffer: &mut [u8]) {
    // Up to 256 bytes come as a whole.
    for part in buffer.chunks_mut(256) {
        // Without waiting: a program may run before the kernel has gathered enough.
        if getrandom(&mut *part, GetRandomFlags::NONBLOCK) != Ok(part.len()) {
            fill_by_hashing(part);
        }
    }
}

/// A number that nobody guesses, and that no other process has.
pub(crate) fn number() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// Where the call is refused: the standard library has other sources besides. The pid
/// tells copies of a process apart.
fn fill_by_hashing(buffer: &mut [u8]) {
    for part in buffer.chunks_mut(8) {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        part.copy_from_slice(&hasher.finish().to_ne_bytes()[..part.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_drawn_and_no_two_buffers_are_equal() {
        for fill in [fill, fill_by_hashing] {
            let mut seen = [0_u8; 300];
            for _ in 0..64 {
                let mut drawn = [0; 300];
                fill(&mut drawn);
                let mut other = [0; 300];
                fill(&mut other);
                assert_ne!(drawn, other);
                seen.iter_mut().zip(drawn).for_each(|(seen, drawn)| *seen |= drawn);
            }
            // 64 zeros in one place do not come by chance.
            assert!(seen.iter().all(|&byte| byte != 0), "{seen:?}");
        }
    }
}
