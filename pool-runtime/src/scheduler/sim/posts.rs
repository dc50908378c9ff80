//! Processes and their places, as far as each was told something and has told
//! something.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::{DEPTH, FRUITLESS_LIVES, KillReason, Terms};
use super::ledger::Serial;
use crate::ids::{Item, Items, JobId, Moment, Worker};

/// A chunk that a process was sent, as far as it has not told that it is done.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) job: JobId,
    pub(super) items: Items,
    pub(super) weight: u32,
    pub(super) terms: Terms,
    pub(super) sent: Moment,
}

/// Why a process was asked for what it has not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// For others, or for a job that is over.
    ToShare,
    /// And to begin nothing after this item, because that
    Fenced(Accusation, JobId, Item),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accusation {
    /// has run for as long as it may,
    Overdue,
    /// was to begin long ago,
    Unresponsive,
    /// is the last of its job.
    Spared,
}

#[derive(Debug)]
pub(super) struct Post {
    pub(super) serial: Serial,
    pub(super) name: Worker,
    pub(super) ready: bool,
    /// In the order in which it was sent them.
    pub(super) held: VecDeque<Held>,
    /// It has not answered.
    pub(super) asked: Option<Asked>,
    /// It will be accused in this step.
    pub(super) accused: Option<Accusation>,
    /// Since when it has begun nothing of its first chunk, as far as was seen.
    pub(super) unbegun: Option<Moment>,
    pub(super) deadline: Option<Moment>,
    /// Finishes an item for nobody, and leaves.
    pub(super) leaving: bool,
    /// Leaves, because it was told to or has said so.
    pub(super) stopped: bool,
    /// Was asked to end, or killed.
    pub(super) ended: Option<KillReason>,
    pub(super) killed: bool,
    /// An item has begun in it, as far as it has told.
    pub(super) fruitful: bool,
}

impl Post {
    pub(super) fn new(serial: Serial, name: Worker, deadline: Moment) -> Self {
        Post {
            serial,
            name,
            ready: false,
            held: VecDeque::new(),
            asked: None,
            accused: None,
            unbegun: None,
            deadline: Some(deadline),
            leaving: false,
            stopped: false,
            ended: None,
            killed: false,
            fruitful: false,
        }
    }

    pub(super) fn serves(&self) -> bool {
        self.ready && !self.leaving && !self.stopped && self.ended.is_none()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.serves() && self.held.is_empty()
    }

    /// Whether it has chunks behind the one that it may have begun.
    pub(super) fn is_stocked(&self) -> bool {
        self.serves() && self.held.len() > 1
    }

    pub(super) fn weight(&self) -> u32 {
        self.held.iter().map(|held| held.weight).sum()
    }

    pub(super) fn has_room(&self) -> bool {
        self.serves() && self.weight() < DEPTH
    }

    /// Whether it is to be looked at now and then: it has something with a time limit,
    /// and was not accused already.
    pub(super) fn is_watched(&self) -> bool {
        let limited = self.held.iter().any(|held| held.terms.timeout.is_some());
        limited && !matches!(self.asked, Some(Asked::Fenced(..)))
    }

    /// No item that it has can be overdue before.
    pub(super) fn soonest_overdue(&self) -> Option<Moment> {
        let held = self.held.iter().filter(|_| self.is_watched());
        held.filter_map(|held| Some(held.sent.saturating_add(held.terms.timeout?))).min()
    }

    pub(super) fn limit(&self) -> Option<Duration> {
        self.held.front()?.terms.timeout
    }

    /// Whether this is what it is at, or begins next.
    pub(super) fn is_at(&self, job: JobId, item: Item) -> bool {
        self.held.front().is_some_and(|held| held.job == job && held.items.start == item)
    }

    pub(super) fn holds(&self, job: JobId) -> bool {
        self.held.iter().any(|held| held.job == job)
    }
}

#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) post: Option<Post>,
    /// The names of all that were here before.
    pub(super) past: Vec<Worker>,
    /// Processes in a row that ended before an item began in them.
    pub(super) fruitless: u32,
    /// Processes started since the last job was opened or item known to have begun,
    /// save those that were ended with a job.
    pub(super) starts: u32,
}

impl Place {
    pub(super) fn is_given_up(&self, replace: bool) -> bool {
        let used_up = !replace && !self.past.is_empty();
        self.post.is_none() && (used_up || self.fruitless >= FRUITLESS_LIVES)
    }

    /// It is known that an item has begun in the process.
    pub(super) fn bear_fruit(&mut self) {
        (self.fruitless, self.starts) = (0, 0);
        let post = self.post.as_mut().expect("news comes from a process");
        (post.fruitful, post.unbegun, post.accused) = (true, None, None);
    }
}
