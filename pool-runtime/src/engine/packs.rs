//! The packs of a job that have items which are not settled.

use std::collections::VecDeque;

use super::pack::Pack;
use crate::ids::{Item, Items};

/// Memory for so many packs at most is kept for the next job: one call after another
/// allocates none.
const SPARE: usize = 8;

/// See the module. In order, and between them some that are settled.
#[derive(Debug, Default)]
pub(super) struct Packs {
    packs: VecDeque<Pack>,
    /// The first item of each: closer together than the packs, of which a search would wait
    /// for one after the other to come from memory.
    starts: VecDeque<Item>,
    settled: usize,
}

impl Packs {
    pub(super) fn push(&mut self, pack: Pack) {
        self.starts.push_back(pack.items().start);
        self.packs.push_back(pack);
    }

    /// That of an item which is not settled.
    pub(super) fn of(&mut self, item: Item) -> &mut Pack {
        let place = self.place(item);
        &mut self.packs[place]
    }

    /// The last that does not begin behind the item.
    fn place(&self, item: Item) -> usize {
        let after = self.starts.partition_point(|&start| start <= item);
        after.checked_sub(1).expect("unsettled items are kept")
    }

    /// Items of one pack are settled.
    pub(super) fn settle(&mut self, items: &Items) {
        let place = self.place(items.start);
        if self.packs[place].settle(items.end - items.start) {
            self.packs[place].let_go();
            self.remove(place);
        }
    }

    /// A pack is settled. There may be as many as thousands of workers have room for, and
    /// they are settled in any order: to take one out from among them would move many.
    fn remove(&mut self, place: usize) {
        if place > 0 {
            self.settled += 1;
            if self.settled > self.packs.len() / 2 {
                self.packs.retain(|pack| !pack.is_settled());
                self.starts.clear();
                self.starts.extend(self.packs.iter().map(|pack| pack.items().start));
                self.settled = 0;
            }
            return;
        }
        self.pop();
        while self.packs.front().is_some_and(Pack::is_settled) {
            self.pop();
            self.settled -= 1;
        }
    }

    fn pop(&mut self) {
        self.packs.pop_front();
        self.starts.pop_front();
    }

    /// Its memory, for another job, if there is little of it and nothing in it.
    pub(super) fn give_back(&mut self) -> Packs {
        match self.packs.is_empty() && self.packs.capacity() <= SPARE {
            true => std::mem::take(self),
            false => Packs::default(),
        }
    }
}
