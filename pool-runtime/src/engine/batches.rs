//! The batches of a job that have unsettled items.

use std::collections::VecDeque;

use super::batch::Batch;
use crate::ids::{Item, Items};

/// The next job reuses the memory of up to this many batches, so that a series of calls
/// allocates none.
const SPARE: usize = 8;

/// The batches, in order. Some between them may be settled.
#[derive(Debug, Default)]
pub(super) struct Batches {
    batches: VecDeque<Batch>,
    /// The first item of each batch. A search in this dense array has fewer cache misses than
    /// one in the batches.
    starts: VecDeque<Item>,
    settled: usize,
}

impl Batches {
    pub(super) fn push(&mut self, batch: Batch) {
        self.starts.push_back(batch.items().start);
        self.batches.push_back(batch);
    }

    /// The batch of an unsettled item.
    pub(super) fn of(&mut self, item: Item) -> &mut Batch {
        let place = self.place(item);
        &mut self.batches[place]
    }

    /// The index of the last batch that does not begin after the item.
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

    /// Removes a settled batch. There may be as many batches as thousands of workers have room
    /// for, settled in any order, and removing one from the middle would move many. So settled
    /// ones stay until they are more than half.
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

    /// Gives its memory to another job, if it is small and empty.
    pub(super) fn give_back(&mut self) -> Batches {
        match self.batches.is_empty() && self.batches.capacity() <= SPARE {
            true => std::mem::take(self),
            false => Batches::default(),
        }
    }
}
