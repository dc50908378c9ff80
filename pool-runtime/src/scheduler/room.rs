//! The workers that have room, ordered by the weight of what they have.
//!
//! A worker is removed and inserted whenever it gets or finishes something, twice in a call of a
//! microsecond. In a tree of weights and slots that was a tenth of the program's work for the
//! call; here it is a bit in a word, and another bit that tells whether any worker has that
//! weight.

use super::DEPTH;
use crate::ids::Slot;

const BITS: usize = u64::BITS as usize;

/// Weights with room in them are the bits of one word.
const _: () = assert!(DEPTH as usize == BITS);

/// A set of slots, each with the weight of what its worker has.
#[derive(Debug)]
pub(super) struct Room {
    /// The weights that some slot has, one bit each.
    weights: u64,
    /// For each weight one bit for each slot, in `words` words.
    slots: Vec<u64>,
    words: usize,
}

impl Room {
    /// An empty set for this many slots.
    pub(super) fn of(slots: usize) -> Room {
        let words = slots.div_ceil(BITS);
        Room { weights: 0, slots: vec![0; words * BITS], words }
    }

    pub(super) fn insert(&mut self, weight: u32, slot: Slot) {
        assert!(weight < DEPTH, "slot {slot} has no room beside {weight}");
        self.of_weight(weight)[slot.0 / BITS] |= 1 << (slot.0 % BITS);
        self.weights |= 1 << weight;
    }

    /// Removes a slot, if it is there with this weight.
    pub(super) fn remove(&mut self, weight: u32, slot: Slot) {
        if weight >= DEPTH {
            return;
        }
        let words = self.of_weight(weight);
        words[slot.0 / BITS] &= !(1 << (slot.0 % BITS));
        if words.iter().all(|&word| word == 0) {
            self.weights &= !(1 << weight);
        }
    }

    fn of_weight(&mut self, weight: u32) -> &mut [u64] {
        let start = weight as usize * self.words;
        &mut self.slots[start..start + self.words]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.weights == 0
    }

    /// Whether some worker is idle.
    pub(super) fn has_idle(&self) -> bool {
        self.weights & 1 != 0
    }

    /// The worker with the least weight; of several, the first.
    pub(super) fn first(&self) -> Option<(u32, Slot)> {
        (!self.is_empty()).then(|| self.first_of(self.weights.trailing_zeros()))
    }

    fn first_of(&self, weight: u32) -> (u32, Slot) {
        let start = weight as usize * self.words;
        let words = self.slots[start..start + self.words].iter();
        let (index, word) =
            words.enumerate().find(|&(_, &word)| word != 0).expect("there is one of this weight");
        (weight, Slot(index * BITS + word.trailing_zeros() as usize))
    }

    #[cfg(test)]
    pub(super) fn contains(&self, weight: u32, slot: Slot) -> bool {
        let place = weight as usize * self.words + slot.0 / BITS;
        self.slots.get(place).is_some_and(|word| word >> (slot.0 % BITS) & 1 == 1)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.iter().map(|word| word.count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::sim::rng::Rng;
    use super::*;

    #[test]
    fn it_is_a_sorted_set_of_weights_and_slots() {
        for slots in [1, 2, 63, 64, 65, 1000] {
            let (mut room, mut set) = (Room::of(slots), BTreeSet::new());
            let mut rng = Rng::new(slots as u64);
            for _ in 0..5_000 {
                let (weight, slot) = (rng.index(DEPTH as usize) as u32, Slot(rng.index(slots)));
                match rng.percent(50) {
                    true => {
                        room.insert(weight, slot);
                        set.insert((weight, slot));
                    }
                    false => {
                        room.remove(weight, slot);
                        set.remove(&(weight, slot));
                    }
                }
                assert_eq!(room.first(), set.first().copied());
                assert_eq!((room.len(), room.is_empty()), (set.len(), set.is_empty()));
                assert_eq!(room.contains(weight, slot), set.contains(&(weight, slot)));
                assert_eq!(room.has_idle(), set.first().is_some_and(|&(weight, _)| weight == 0));
            }
        }
    }

    #[test]
    fn who_has_no_room_is_not_there() {
        let mut room = Room::of(1);
        room.remove(DEPTH, Slot(0));
        assert!(room.is_empty() && !room.contains(DEPTH, Slot(0)));
    }
}
