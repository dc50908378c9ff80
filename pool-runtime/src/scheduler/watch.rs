//! The watch over a worker that has chunks with a time limit; see `clock`.

use std::time::Duration;

use super::slots::Slots;
use crate::ids::{Moment, Slot};
use crate::limits::UNRESPONSIVE;

/// When the progress of a worker is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watch {
    /// Not later than the deadline of any item that the worker may run. `None` while it is
    /// accused and has not answered, and if none of its chunks has a limit.
    pub(super) due: Option<Moment>,
    /// Since when the worker is known to have begun no item of its first chunk.
    pub(super) unbegun: Option<Moment>,
}

impl Slots {
    /// When the worker is to be checked, by what is known of its chunks.
    pub(super) fn watch_due(&self, slot: Slot) -> Option<Moment> {
        let state = &self.slots[slot.0];
        let overdue = |assignment: &super::slots::Assignment| {
            Some(assignment.since.saturating_add(assignment.timeout?))
        };
        state.assignments.iter().filter_map(overdue).chain(self.gives_up_at(slot)).min()
    }

    /// When a worker that begins nothing is given up.
    pub(super) fn gives_up_at(&self, slot: Slot) -> Option<Moment> {
        let state = &self.slots[slot.0];
        let limit = state.assignments.front()?.timeout?;
        Some(state.watch.unbegun?.saturating_add(limit.max(UNRESPONSIVE)))
    }

    /// Sets the watch again: more is known of the worker's chunks, they have changed, or it is
    /// no longer accused.
    pub(super) fn watch(&mut self, slot: Slot) {
        self.set_due(slot, self.watch_due(slot));
    }

    pub(super) fn set_due(&mut self, slot: Slot, due: Option<Moment>) {
        let before = std::mem::replace(&mut self.slots[slot.0].watch.due, due);
        if before != due {
            before.map(|due| self.deadlines.remove(&(due, slot)));
            due.map(|due| self.deadlines.insert((due, slot)));
        }
    }

    pub(super) fn is_watched(&self, slot: Slot) -> bool {
        self.slots[slot.0].watch.due.is_some()
    }

    /// No process ran for this long before `now`, so no worker has used that time.
    pub(super) fn postpone(&mut self, by: Duration, now: Moment) {
        let later = |moment: Moment| moment.saturating_add(by).min(now);
        for state in &mut self.slots {
            state.life.postpone(by);
            state
                .assignments
                .iter_mut()
                .for_each(|assignment| assignment.since = later(assignment.since));
            state.watch.unbegun = state.watch.unbegun.map(later);
        }
        self.deadlines.clear();
        for slot in (0..self.slots.len()).map(Slot) {
            let due = if self.is_watched(slot) { self.watch_due(slot) } else { None };
            let state = &mut self.slots[slot.0];
            state.watch.due = due;
            let deadlines = state.life.deadline().into_iter().chain(due);
            self.deadlines.extend(deadlines.map(|deadline| (deadline, slot)));
        }
    }

    /// The worker's progress was checked: its present item began at this moment, or no item
    /// has begun. No chunk behind the first has begun.
    pub(super) fn see(&mut self, slot: Slot, began: Option<Moment>, now: Moment) {
        let state = &mut self.slots[slot.0];
        for (index, assignment) in state.assignments.iter_mut().enumerate() {
            assignment.since = if index == 0 { began.unwrap_or(now) } else { now };
        }
        state.watch.unbegun = match began {
            None => state.watch.unbegun.or(Some(now)),
            Some(_) => None,
        };
    }
}
