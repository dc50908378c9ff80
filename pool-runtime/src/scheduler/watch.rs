//! The watch over a worker whose first chunk has a time limit; see `clock`.

use super::slots::Slots;
use crate::ids::{Moment, Slot, Worker};

/// What is known of the item that a worker is at, if that has a time limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watch {
    /// No later than the item's deadline.
    pub(super) due: Option<Moment>,
    /// Since when it is known that the worker has begun nothing of its first chunk.
    pub(super) unbegun: Option<Moment>,
    /// It has begun nothing for too long, and is asked for all that it has.
    pub(super) suspect: bool,
}

impl Slots {
    /// The first chunk of a worker is another: a limit of its items' counts from when
    /// it was sent, as far as anybody knows.
    pub(super) fn watch_front(&mut self, slot: Slot) {
        let front = self.slots[slot.0].loads.front();
        let due = front.and_then(|load| Some(load.sent.saturating_add(load.timeout?)));
        let due = due.filter(|_| !planted!(self, LimitsAreForgotten));
        let suspect = self.slots[slot.0].watch.suspect && front.is_none();
        self.set_watch(slot, Watch { due, unbegun: None, suspect });
    }

    pub(super) fn set_watch(&mut self, slot: Slot, watch: Watch) {
        let before = std::mem::replace(&mut self.slots[slot.0].watch, watch);
        if before.due != watch.due {
            before.due.map(|due| self.deadlines.remove(&(due, slot)));
            watch.due.map(|due| self.deadlines.insert((due, slot)));
        }
    }

    pub(super) fn is_watched(&self, slot: Slot) -> bool {
        self.slots[slot.0].watch.due.is_some()
    }

    pub(super) fn unbegun_since(&self, slot: Slot) -> Option<Moment> {
        self.slots[slot.0].watch.unbegun
    }

    pub(super) fn watch(&mut self, slot: Slot, due: Moment, unbegun: Option<Moment>) {
        self.set_watch(slot, Watch { due: Some(due), unbegun, suspect: false });
    }

    pub(super) fn unwatch(&mut self, slot: Slot) {
        self.set_watch(slot, Watch::default());
    }

    /// The worker goes on with its first chunk after it was asked for others; if that
    /// has a limit, somebody is to look at it.
    pub(super) fn watch_again(&mut self, slot: Slot, now: Moment) {
        let state = &self.slots[slot.0];
        if state.watch.due.is_none()
            && state.loads.front().is_some_and(|load| load.timeout.is_some())
        {
            self.watch(slot, now, None);
        }
    }

    /// The worker begins nothing, and is asked for all that it has.
    pub(super) fn suspect(&mut self, slot: Slot) {
        self.set_watch(slot, Watch { due: None, unbegun: None, suspect: true });
    }

    /// Whether a worker that has nothing left was suspected.
    pub(super) fn is_suspect(&self, worker: Worker) -> bool {
        let state = &self.slots[worker.slot.0];
        self.current(worker.slot) == worker && state.watch.suspect
    }
}
