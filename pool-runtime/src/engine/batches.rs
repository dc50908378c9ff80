//! The batches of a job that have items which are not settled.

use std::collections::VecDeque;

use super::batch::Batch;
use crate::ids::{Item, Items};

/// Memory for so many batches at most is kept for the next job: one call after another
/// allocates none.
const SPARE: usize = 8;

/// See the module. In order, and between them some that are settled.
#[derive(Debug, Default)]
pub(super) struct Batches {
    batches: VecDeque<Batch>,
    /// The first item of each: closer together than the batches, of which a search would wait
    /// for one after the other to come from memory.
    starts: VecDeque<Item>,
    settled: usize,
}

impl Batches {
    pub(super) fn push(&mut self, batch: Batch) {
        self.starts.push_back(batch.items().start);
        self.batches.push_back(batch);
    }

    /// That of an item which is not settled.
    pub(super) fn of(&mut self, item: Item) -> &mut Batch {
        let place = self.place(item);
        &mut self.batches[place]
    }

    /// The last that does not begin behind the item.
    fn place(&self, item: Item) -> usize {
        let after = self.starts.partition_point(|&start| start <= item);
        after.checked_sub(1).expect("unsettled items are kept")
    }

    /// Items of one batch are settled.
    pub(super) fn settle(&mut self, items: &Items) {
        let place = self.place(items.start);
        if self.batches[place].settle(items.end - items.start) {
            self.batches[place].let_go();
            self.remove(place);
        }
    }

    /// A batch is settled. There may be as many as thousands of workers have room for, and
    /// they are settled in any order: to take one out from among them would move many.
    fn remove(&mut self, place: usize) {
        if place > 0 {
            self.settled += 1;
            if self.settled > self.batches.len() / 2 {
                self.batches.retain(|batch| !batch.is_settled());
                self.starts.clear();
                self.starts.extend(self.batches.iter().map(|batch| batch.items().start));
                self.settled = 0;
            }
            return;
        }
        self.pop();
        while self.batches.front().is_some_and(Batch::is_settled) {
            self.pop();
            self.settled -= 1;
        }
    }

    fn pop(&mut self) {
        self.batches.pop_front();
        self.starts.pop_front();
    }

    /// Its memory, for another job, if there is little of it and nothing in it.
    pub(super) fn give_back(&mut self) -> Batches {
        match self.batches.is_empty() && self.batches.capacity() <= SPARE {
            true => std::mem::take(self),
            false => Batches::default(),
        }
    }
}
