//! Places of free blocks, each as large as a power of two and beginning at a multiple of its
//! size: one that is too large is cut into halves, and halves that are both free are one
//! block again (the buddy system: K. C. Knowlton, "A fast storage allocator", 1965).

use std::collections::BTreeSet;

/// See the module.
#[derive(Debug)]
pub(super) struct Buddies {
    /// By size, from the least on.
    free: Vec<BTreeSet<usize>>,
    least: usize,
}

impl Buddies {
    /// All free, in blocks of the largest size.
    pub(super) fn new(whole: usize, most: usize, least: usize) -> Buddies {
        let classes = (most / least).ilog2() as usize + 1;
        let mut free = vec![BTreeSet::new(); classes];
        free[classes - 1].extend((0..whole).step_by(most));
        Buddies { free, least }
    }

    fn class(&self, size: usize) -> usize {
        (size / self.least).ilog2() as usize
    }

    /// A block of this size, out of the smallest that is large enough.
    pub(super) fn take(&mut self, size: usize) -> Option<usize> {
        let class = self.class(size);
        let from = (class..self.free.len()).find(|&class| !self.free[class].is_empty())?;
        let place = self.free[from].pop_first().expect("it is not empty");
        for class in class..from {
            self.free[class].insert(place + (self.least << class));
        }
        Some(place)
    }

    /// A block is free.
    pub(super) fn free(&mut self, mut place: usize, size: usize) {
        let mut class = self.class(size);
        while class + 1 < self.free.len() {
            let buddy = place ^ (self.least << class);
            if !self.free[class].remove(&buddy) {
                break;
            }
            place = place.min(buddy);
            class += 1;
        }
        assert!(self.free[class].insert(place), "a block at {place} is free twice");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_cut_and_grow_together_and_none_overlap() {
        let mut buddies = Buddies::new(64, 16, 1);
        let sizes = [1, 16, 2, 1, 8, 4, 16, 8];
        let places: Vec<_> = sizes.iter().map(|&size| buddies.take(size).unwrap()).collect();
        let mut taken = [false; 64];
        for (&place, size) in places.iter().zip(sizes) {
            assert!(place.is_multiple_of(size));
            for byte in &mut taken[place..place + size] {
                assert!(!std::mem::replace(byte, true), "{places:?}");
            }
        }
        assert_eq!(buddies.take(16), None);
        for (place, size) in places.into_iter().zip(sizes) {
            buddies.free(place, size);
        }
        let mut whole: Vec<_> = std::iter::from_fn(|| buddies.take(16)).collect();
        whole.sort_unstable();
        assert_eq!(whole, [0, 16, 32, 48]);
    }
}
