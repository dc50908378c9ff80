//! The invariants of the scheduler, held against its state after each decision, in
//! tests.

use std::collections::{BTreeMap, BTreeSet};

use super::life::Life;
use super::slots::Slots;
use super::{DEPTH, FRUITLESS_LIVES, Scheduler};
use crate::ids::{JobId, Slot};

impl Scheduler {
    /// The numbered invariants of the module.
    pub(super) fn check(&self) {
        self.slots.check();
        let mut held: BTreeMap<JobId, usize> = BTreeMap::new();
        for assignment in self.assignments() {
            *held.entry(assignment.job).or_default() += 1;
        }
        let (names, left) = self.rotation.names();
        let waits = |id: &JobId| self.jobs.get(id).is_some_and(|job| !job.queue.is_empty());
        let waiting = names.iter().filter(|id| waits(id)).count();
        let in_rotation: BTreeSet<JobId> = names.iter().copied().collect();
        assert_eq!(in_rotation.len(), names.len(), "a name twice in the rotation: {names:?}");
        assert_eq!(names.len() - waiting, left, "those that have left the rotation: {names:?}");
        let mut timers = BTreeSet::new();
        for (id, job) in &self.jobs {
            let queued = !job.queue.is_empty();
            assert_eq!(
                queued,
                waits(id) && in_rotation.contains(id),
                "rotation and queue of {id:?}"
            );
            assert_eq!(job.assignments, held.remove(id).unwrap_or(0), "assignments of {id:?}");
            assert!(!job.expired || (!queued && job.delayed.is_empty()), "{id:?} has expired");
            assert_eq!(job.timer, job.next_moment(), "timer of {id:?}");
            timers.extend(job.timer.map(|moment| (moment, *id)));
        }
        assert_eq!(timers, self.timers);
        for slot in (0..self.config.workers).map(Slot) {
            let is_seen_to =
                self.slots.is_watched(slot) || self.recalls.contains_key(&self.slots.current(slot));
            let is_due = self.slots.watch_due(slot).is_some();
            assert!(is_seen_to || !is_due, "slot {slot} is not watched");
        }
        if self.recalls.is_empty() {
            assert!(!self.slots.has_room() || self.rotation.is_empty(), "room while chunks wait");
            assert!(!self.slots.has_idle() || self.slots.stocked().is_none(), "idle beside stock");
            for assignment in self.assignments() {
                let is_spared =
                    assignment.spared && assignment.items.end - assignment.items.start == 1;
                let job = self.jobs.get(&assignment.job);
                assert!(job.is_some() || is_spared, "{assignment:?} is of a job that is gone");
                assert!(job.is_none_or(|job| !job.expired), "{assignment:?} is of an expired job");
            }
        }
    }

    fn assignments(&self) -> impl Iterator<Item = &super::slots::Assignment> {
        (0..self.config.workers).flat_map(|slot| self.slots.assignments(Slot(slot)))
    }
}

impl Slots {
    fn check(&self) {
        let mut vacant = 0;
        let mut deadlines = BTreeSet::new();
        for (index, state) in self.slots.iter().enumerate() {
            let slot = Slot(index);
            let serves = state.life == Life::Serving;
            assert!(
                serves || state.assignments.is_empty(),
                "assignments of slot {slot}, which serves nobody"
            );
            let weight: u32 = state.assignments.iter().map(|assignment| assignment.weight).sum();
            assert_eq!(weight, state.weight, "weight of slot {slot}");
            for assignment in &state.assignments {
                assert!(!assignment.items.is_empty(), "an empty assignment in slot {slot}");
            }
            let is_vacant = state.life == Life::Vacant;
            vacant += usize::from(is_vacant);
            deadlines.extend(state.life.deadline().map(|deadline| (deadline, slot)));
            if let Some(due) = state.watch.due {
                assert_eq!(Some(due), self.watch_due(slot), "the watch over slot {slot}");
                deadlines.insert((due, slot));
            }
            let open = serves && weight < DEPTH;
            assert_eq!(open, self.open.contains(weight, slot), "openness of slot {slot}");
            let startable = is_vacant && state.fruitless < FRUITLESS_LIVES;
            assert_eq!(startable, self.startable.contains(&slot), "startability of slot {slot}");
            assert_eq!(state.is_stocked(), self.stocked.contains(&slot), "stock of slot {slot}");
        }
        assert_eq!(vacant, self.vacant);
        assert_eq!(deadlines, self.deadlines);
        let serving = self.slots.iter().filter(|state| state.life == Life::Serving);
        assert!(self.open.len() <= serving.count(), "an openness too many");
    }
}
