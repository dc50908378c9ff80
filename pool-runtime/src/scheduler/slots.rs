//! The slots: the life and the assignments of each worker, and the sets derived from them.
//!
//! Every change of a life goes through [`Slots::set`], and every change of assignments through
//! [`Slots::change_assignments`]. Only these two keep the sets in step.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::jobs::Chunk;
use super::life::Life;
use super::room::Room;
use super::watch::Watch;
use super::{DEPTH, FRUITLESS_LIVES, Verdict};
use crate::ids::{Items, JobId, Moment, Slot, Worker};

/// A chunk that a worker has, without its settled items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) job: JobId,
    pub(crate) items: Items,
    pub(crate) weight: u32,
    /// How long an item of it may run.
    pub(crate) timeout: Option<Duration>,
    /// If it has such a limit: no unfinished item of it began before this moment.
    pub(crate) since: Moment,
    /// Its item is left to finish when the job is dropped.
    pub(crate) spared: bool,
}

#[derive(Debug)]
pub(super) struct SlotState {
    incarnation: u64,
    pub(super) life: Life,
    /// In the order in which they were sent and run. Empty unless it serves.
    pub(super) assignments: VecDeque<Assignment>,
    /// The sum of the assignments' weights.
    pub(super) weight: u32,
    /// Lives in a row that ended before an item began.
    pub(super) fruitless: u32,
    /// An item has begun in the present life, as far as is known.
    fruitful: bool,
    pub(super) watch: Watch,
}

impl SlotState {
    /// Whether it has something to recall: any assignment but the first, which may have begun.
    pub(super) fn is_stocked(&self) -> bool {
        self.assignments.len() > 1
    }
}

#[derive(Debug)]
pub(super) struct Slots {
    pub(super) slots: Vec<SlotState>,
    /// Serving workers with room for another assignment.
    pub(super) open: Room,
    /// Workers with assignments that may be recalled.
    pub(super) stocked: BTreeSet<Slot>,
    /// Vacant slots that are not given up.
    pub(super) startable: BTreeSet<Slot>,
    pub(super) vacant: usize,
    /// Some slot may have fruitless lives.
    blamed: bool,
    pub(super) deadlines: BTreeSet<(Moment, Slot)>,
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        let vacant = || SlotState {
            incarnation: 0,
            life: Life::Vacant,
            assignments: VecDeque::new(),
            weight: 0,
            fruitless: 0,
            fruitful: false,
            watch: Watch::default(),
        };
        Slots {
            slots: std::iter::repeat_with(vacant).take(count).collect(),
            open: Room::of(count),
            stocked: BTreeSet::new(),
            startable: (0..count).map(Slot).collect(),
            vacant: count,
            blamed: false,
            deadlines: BTreeSet::new(),
        }
    }

    pub(super) fn life(&self, slot: Slot) -> &Life {
        &self.slots[slot.0].life
    }

    pub(super) fn current(&self, slot: Slot) -> Worker {
        Worker { slot, incarnation: self.slots[slot.0].incarnation }
    }

    pub(super) fn is_vacant(&self, slot: Slot) -> bool {
        *self.life(slot) == Life::Vacant
    }

    pub(super) fn all_vacant(&self) -> bool {
        self.vacant == self.slots.len()
    }

    pub(super) fn all_given_up(&self) -> bool {
        self.all_vacant() && self.startable.is_empty()
    }

    pub(super) fn has_idle(&self) -> bool {
        self.open.has_idle()
    }

    /// Whether some worker has room for one more assignment.
    pub(super) fn has_room(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// A worker whose deadline is not after `now`, apart from watches.
    pub(super) fn expired(&self, now: Moment) -> Option<Worker> {
        let mut due = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now);
        let &(_, slot) = due.find(|&&(_, slot)| *self.life(slot) != Life::Serving)?;
        Some(self.current(slot))
    }

    pub(super) fn overdue(&self, now: Moment) -> Vec<Slot> {
        let due = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now);
        due.map(|&(_, slot)| slot).collect()
    }

    /// The one place where a life changes. Assignments end with the life that had them.
    pub(super) fn set(&mut self, slot: Slot, life: Life) -> VecDeque<Assignment> {
        self.set_due(slot, None);
        let state = &mut self.slots[slot.0];
        let before = std::mem::replace(&mut state.life, life);
        match before {
            Life::Vacant => {
                self.vacant -= 1;
                self.startable.remove(&slot);
            }
            Life::Serving => {
                self.open.remove(state.weight, slot);
                self.stocked.remove(&slot);
            }
            _ => {}
        }
        if let Some(deadline) = before.deadline() {
            self.deadlines.remove(&(deadline, slot));
        }
        state.weight = 0;
        state.watch = Watch::default();
        let assignments = std::mem::take(&mut state.assignments);
        match state.life {
            Life::Vacant => {
                self.vacant += 1;
                if state.fruitless < FRUITLESS_LIVES {
                    self.startable.insert(slot);
                }
            }
            Life::Serving => self.open.insert(0, slot),
            _ => {}
        }
        if let Some(deadline) = state.life.deadline() {
            self.deadlines.insert((deadline, slot));
        }
        assignments
    }

    /// The one place where the assignments of a serving worker change.
    fn change_assignments<R>(&mut self, slot: Slot, change: impl FnOnce(&mut SlotState) -> R) -> R {
        let state = &mut self.slots[slot.0];
        let (weight, stocked) = (state.weight, state.is_stocked());
        // This stays the same while items of the chunk are done.
        let name = |assignment: &Assignment| (assignment.job, assignment.items.end);
        let front = state.assignments.front().map(name);
        let result = change(state);
        if weight != state.weight {
            self.open.remove(weight, slot);
            if state.weight < DEPTH {
                self.open.insert(state.weight, slot);
            }
        }
        match (stocked, state.is_stocked()) {
            (false, true) => drop(self.stocked.insert(slot)),
            (true, false) => drop(self.stocked.remove(&slot)),
            _ => {}
        }
        if front != state.assignments.front().map(name) {
            state.watch.unbegun = None;
            if state.watch.due.is_some() {
                self.watch(slot);
            }
        }
        result
    }

    /// Starts the next incarnation in a vacant slot.
    pub(super) fn start_next(&mut self, deadline: &impl Fn() -> Moment) -> Option<Worker> {
        let &slot = self.startable.first()?;
        self.slots[slot.0].incarnation += 1;
        self.slots[slot.0].fruitful = false;
        self.set(slot, Life::Starting { deadline: deadline() });
        Some(self.current(slot))
    }

    pub(super) fn ready(&mut self, worker: Worker) -> Verdict {
        let starting = matches!(self.life(worker.slot), Life::Starting { .. });
        if self.current(worker.slot) != worker || !starting {
            return Verdict::Ignored;
        }
        self.set(worker.slot, Life::Serving);
        Verdict::Accepted
    }

    /// Assigns to the worker that has the least; the caller has seen one with room.
    pub(super) fn assign(&mut self, assignment: Assignment) -> Worker {
        let (_, slot) = self.open.first().expect("the caller saw a worker with room");
        let limited = assignment.timeout.is_some();
        self.change_assignments(slot, |state| {
            state.weight += assignment.weight;
            state.assignments.push_back(assignment);
        });
        if limited {
            self.watch(slot);
        }
        self.current(slot)
    }

    /// The first chunk of a worker, if it is the present one of its slot and has any.
    pub(super) fn front(&self, worker: Worker) -> Option<&Assignment> {
        if self.current(worker.slot) != worker {
            return None;
        }
        self.slots[worker.slot.0].assignments.front()
    }

    /// This many items at the head of the worker's first chunk are settled. Tells whether the
    /// chunk is done.
    pub(super) fn advance(&mut self, slot: Slot, count: u64) -> bool {
        self.begin(slot);
        self.change_assignments(slot, |state| {
            let assignment = state.assignments.front_mut().expect("the caller saw an assignment");
            assignment.items.start += count;
            if !assignment.items.is_empty() {
                return false;
            }
            state.weight -= assignment.weight;
            state.assignments.pop_front();
            true
        })
    }

    /// A worker with assignments that can be recalled.
    pub(super) fn stocked(&self) -> Option<Worker> {
        self.stocked.first().map(|&slot| self.current(slot))
    }

    /// The worker has begun no more than its first `kept` assignments; gives the others.
    pub(super) fn recall(&mut self, slot: Slot, kept: usize) -> VecDeque<Assignment> {
        self.change_assignments(slot, |state| {
            let recalled = state.assignments.split_off(kept.min(state.assignments.len()));
            state.weight -= recalled.iter().map(|assignment| assignment.weight).sum::<u32>();
            recalled
        })
    }

    /// The worker keeps only the first item of its first chunk; gives the others.
    pub(super) fn split(&mut self, slot: Slot) -> Chunk {
        self.change_assignments(slot, |state| {
            let assignment = state.assignments.front_mut().expect("the caller saw an assignment");
            let items = assignment.items.start + 1..assignment.items.end;
            assignment.items.end = items.start;
            Chunk { items, weight: assignment.weight }
        })
    }

    /// The assignments of a worker, in order.
    pub(super) fn assignments(&self, slot: Slot) -> &VecDeque<Assignment> {
        &self.slots[slot.0].assignments
    }

    /// An item has begun in the present life of the slot.
    pub(super) fn begin(&mut self, slot: Slot) {
        let state = &mut self.slots[slot.0];
        state.fruitless = 0;
        state.fruitful = true;
        if state.watch.unbegun.take().is_some() && self.is_watched(slot) {
            self.watch(slot);
        }
    }

    /// Whether an item has begun in the present life of the slot.
    pub(super) fn is_fruitful(&self, slot: Slot) -> bool {
        self.slots[slot.0].fruitful
    }

    /// The process of the slot has exited; gives its assignments.
    pub(super) fn vacate(&mut self, slot: Slot, fruitless: bool) -> VecDeque<Assignment> {
        if fruitless {
            self.blamed = true;
            self.slots[slot.0].fruitless += 1;
        }
        self.set(slot, Life::Vacant)
    }

    pub(super) fn give_up(&mut self, slot: Slot) {
        self.blamed = true;
        self.slots[slot.0].fruitless = FRUITLESS_LIVES;
        self.startable.remove(&slot);
    }

    /// Gives every slot all its tries again: earlier lives do not count against a job that opens
    /// now.
    pub(super) fn forgive(&mut self) {
        // A pool may have thousands of slots, and a job may take a microsecond.
        if !std::mem::take(&mut self.blamed) {
            return;
        }
        for (index, state) in self.slots.iter_mut().enumerate() {
            state.fruitless = 0;
            if state.life == Life::Vacant {
                self.startable.insert(Slot(index));
            }
        }
    }

    pub(super) fn stop_next_idle(&mut self, deadline: &impl Fn() -> Moment) -> Option<Worker> {
        let (weight, slot) = self.open.first()?;
        if weight > 0 {
            return None;
        }
        self.set(slot, Life::Stopping { deadline: deadline() });
        Some(self.current(slot))
    }

    /// Every worker that has not been killed yet.
    pub(super) fn alive(&self) -> Vec<Worker> {
        let slots = (0..self.slots.len()).map(Slot);
        let gone =
            |slot| matches!(self.life(slot), Life::Vacant | Life::Dying { kill_at: None, .. });
        slots.filter(|&slot| !gone(slot)).map(|slot| self.current(slot)).collect()
    }

    /// The workers that have chunks.
    pub(super) fn assigned(&self) -> Vec<Worker> {
        let slots = (0..self.slots.len()).map(Slot);
        slots
            .filter(|&slot| !self.assignments(slot).is_empty())
            .map(|slot| self.current(slot))
            .collect()
    }

    /// The workers that hold items of a job.
    pub(super) fn holders(&self, job: JobId) -> Vec<Worker> {
        let slots = (0..self.slots.len()).map(Slot);
        slots
            .filter(|&slot| self.assignments(slot).iter().any(|assignment| assignment.job == job))
            .map(|slot| self.current(slot))
            .collect()
    }
}
