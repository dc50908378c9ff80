//! The items of a `map_async`, whose caller does not wait.
//!
//! The engine gives them to the scheduler as results arrive, so that it can measure how long
//! items take before it cuts more chunks, as the caller of a `map` does itself.

use std::collections::VecDeque;

use super::chunk_policy::{Window, Work};
use crate::ids::Items;

/// Items that the scheduler does not have yet.
#[derive(Debug)]
pub(super) struct Backlog {
    /// Limits the items that the scheduler has.
    window: Window,
    /// Consecutive ranges of one batch each, in order.
    ranges: VecDeque<Items>,
    /// Items in all ranges.
    rest: u64,
}

impl Backlog {
    pub(super) fn new(window: Window) -> Backlog {
        Backlog { window, ranges: VecDeque::new(), rest: 0 }
    }

    /// Whether the scheduler has all items.
    pub(super) fn is_empty(&self) -> bool {
        self.rest == 0
    }

    pub(super) fn push(&mut self, items: Items) {
        self.rest += items.end - items.start;
        self.ranges.push_back(items);
    }

    /// The next chunk for the scheduler, if the window has room.
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

    /// This many items of the scheduler are settled; `work` is what workers have done for the
    /// job.
    pub(super) fn settle(&mut self, count: u64, work: Work) {
        self.window.done(count);
        self.window.measure(work, usize::try_from(self.rest).ok());
    }
}
