//! What the ledger has written down of one job.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Terms;
use super::ledger::{Fate, Serial};
use crate::ids::{Item, Items, JobId, Moment};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    #[default]
    Waiting,
    With(Serial),
    /// It has failed, and may be tried again.
    Unjudged,
    Finished,
    Failed,
}

#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) place: Place,
    /// Where and when it really began, in its present try, whether or not anybody has
    /// heard of it.
    pub(super) began: Option<(Serial, Moment)>,
    /// How often it has begun.
    pub(super) begun: u32,
    /// How often it was said to be tried again.
    pub(super) again: u32,
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) terms: Terms,
    pub(super) fate: Fate,
    pub(super) ended: bool,
    /// Its deadline was acted on.
    pub(super) expired: bool,
    /// It is over or has expired, and nothing of it may begin,
    pub(super) sealed: bool,
    /// save in these processes.
    pub(super) left_with: Vec<Serial>,
    /// Chunks that no process has: from the first to past the last item, and what
    /// they weigh.
    pub(super) waiting: BTreeMap<Item, (Item, u32)>,
    /// Items that wait from a moment on, and what they will weigh.
    pub(super) delayed: BTreeSet<(Moment, Item, u32)>,
    pub(super) items: Vec<Track>,
    pub(super) unsettled: usize,
    /// The jobs that were sent a chunk while this one waited.
    pub(super) overtaken_by: Vec<JobId>,
}

impl Record {
    pub(super) fn new(terms: Terms) -> Self {
        Record {
            terms,
            fate: Fate::Live,
            ended: false,
            expired: false,
            sealed: false,
            left_with: Vec::new(),
            waiting: BTreeMap::new(),
            delayed: BTreeSet::new(),
            items: Vec::new(),
            unsettled: 0,
            overtaken_by: Vec::new(),
        }
    }

    pub(super) fn next_moment(&self) -> Option<Moment> {
        let deadline = self.terms.deadline.filter(|_| !self.expired);
        deadline.into_iter().chain(self.delayed.first().map(|&(moment, ..)| moment)).min()
    }

    pub(super) fn wait_for(&mut self, items: &Items, weight: u32) {
        if self.waiting.is_empty() {
            self.overtaken_by.clear();
        }
        self.waiting.insert(items.start, (items.end, weight));
    }

    pub(super) fn settle_one(&mut self) {
        self.unsettled -= 1;
        self.close_if_done();
    }

    pub(super) fn close_if_done(&mut self) {
        if self.fate == Fate::Live && self.ended && self.unsettled == 0 {
            self.fate = Fate::Done;
        }
    }
}
