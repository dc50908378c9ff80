//! Items of a caller that does not stay.
//!
//! The engine gives them to the scheduler as their results come, so that it can measure
//! how long they take before it cuts them into chunks, as a caller that stays does.

use std::collections::VecDeque;

use super::chunk_policy::{Window, Work};
use crate::ids::Items;

#[derive(Debug)]
pub(super) struct Backlog {
    /// Of items that the scheduler has.
    window: Window,
    /// Consecutive ranges of one batch each, in order.
    ranges: VecDeque<Items>,
    /// Items in these.
    rest: u64,
}

impl Backlog {
    pub(super) fn new(window: Window) -> Backlog {
        Backlog { window, ranges: VecDeque::new(), rest: 0 }
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
        if !self.window.has_room() {
            return None;
        }
        let range = self.ranges.front_mut()?;
        let items = range.start..range.end.min(range.start + self.window.chunk() as u64);
        range.start = items.end;
        if range.is_empty() {
            self.ranges.pop_front();
        }
        let count = items.end - items.start;
        self.rest -= count;
        self.window.enter(count);
        Some(items)
    }

    /// So many that the scheduler had are settled, with so much work done for all.
    pub(super) fn settle(&mut self, count: u64, work: Work) {
        self.window.done(count);
        self.window.measure(work, usize::try_from(self.rest).ok());
    }
}
