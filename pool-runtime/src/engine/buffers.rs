//! Memory of packs that are settled, for packs to come: of maps, and for those whose
//! packs are large themselves, so that no small item sits in much of it.
//!
//! What is large the allocator gives back to the kernel when it is free, and memory that
//! comes fresh from there takes longer than the copies of what is put into it.

/// Less than so many bytes the allocator keeps itself.
const LEAST: usize = 64 << 10;

/// The most that is kept, in bytes: some packs of the largest items that travel together.
const MOST: usize = 16 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    free: Vec<Vec<u8>>,
    bytes: usize,
}

impl Buffers {
    /// Keeps memory whose contents nobody wants any more, if there is not enough of it.
    pub(super) fn keep(&mut self, mut buffer: Vec<u8>) {
        let size = buffer.capacity();
        if (LEAST..=MOST - self.bytes).contains(&size) {
            buffer.clear();
            self.bytes += size;
            self.free.push(buffer);
        }
    }

    /// What was kept last, or nothing, for a pack that follows one of so many bytes.
    pub(super) fn take(&mut self, bytes: usize) -> Vec<u8> {
        if bytes < LEAST {
            return Vec::new();
        }
        let buffer = self.free.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_empty_and_bounded() {
        let mut buffers = Buffers::default();
        for size in [1, LEAST, MOST, MOST - LEAST, LEAST] {
            let mut buffer = Vec::with_capacity(size);
            buffer.push(1);
            buffers.keep(buffer);
        }
        assert_eq!(buffers.take(LEAST - 1).capacity(), 0);
        let taken = [(); 3].map(|()| buffers.take(LEAST));
        assert!(taken.iter().all(Vec::is_empty));
        assert_eq!(taken.map(|buffer| buffer.capacity()), [MOST - LEAST, LEAST, 0]);
        assert_eq!(buffers.bytes, 0);
    }
}
