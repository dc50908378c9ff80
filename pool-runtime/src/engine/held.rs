//! Items of a caller that does not stay.
//!
//! The engine gives them to the scheduler as their results come, so that it can measure
//! how long they take before it cuts them into chunks, as a caller that stays does.

use std::collections::VecDeque;

use super::pace::{Pacer, Work};
use crate::ids::Items;

#[derive(Debug)]
pub(super) struct Held {
    pacer: Pacer,
    /// Consecutive ranges of one pack each, in order.
    ranges: VecDeque<Items>,
    /// Items in these.
    rest: u64,
    /// Items that the scheduler has and that are not settled.
    given: u64,
    settled: u64,
}

impl Held {
    pub(super) fn new(pacer: Pacer) -> Held {
        Held { pacer, ranges: VecDeque::new(), rest: 0, given: 0, settled: 0 }
    }

    /// The scheduler has all of them.
    pub(super) fn is_empty(&self) -> bool {
        self.rest == 0
    }

    pub(super) fn push(&mut self, items: Items) {
        self.rest += items.end - items.start;
        self.ranges.push_back(items);
    }

    /// The next chunk that the scheduler is to have now.
    pub(super) fn next(&mut self) -> Option<Items> {
        if self.given >= self.pacer.window {
            return None;
        }
        let range = self.ranges.front_mut()?;
        let items = range.start..range.end.min(range.start + self.pacer.chunk as u64);
        range.start = items.end;
        if range.is_empty() {
            self.ranges.pop_front();
        }
        let count = items.end - items.start;
        self.rest -= count;
        self.given += count;
        Some(items)
    }

    /// So many that the scheduler had are settled, with so much work done for all.
    pub(super) fn settle(&mut self, count: u64, work: Work) {
        self.given -= count;
        self.settled += count;
        self.pacer.measure(work, self.settled, usize::try_from(self.rest).ok());
    }
}
