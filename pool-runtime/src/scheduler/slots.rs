//! The slots: what each worker is doing, and the sets derived from it.
//!
//! Every change of a life goes through [`Slots::set`], and every change of a
//! worker's loads through [`Slots::reload`]; these two alone keep the sets in
//! step.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::jobs::Chunk;
use super::life::Life;
use super::room::Room;
use super::watch::Watch;
use super::{DEPTH, FRUITLESS_LIVES, Verdict};
use crate::ids::{Items, JobId, Moment, Slot, Worker};

/// A chunk that a worker has, without the items that are settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) job: JobId,
    pub(crate) items: Items,
    pub(crate) weight: u32,
    /// How long an item of it may run.
    pub(crate) timeout: Option<Duration>,
    /// If it has such a limit: no item of it that is not done has begun before.
    pub(crate) since: Moment,
    /// Its item is left to finish when the job is dropped.
    pub(crate) spared: bool,
}

#[derive(Debug)]
pub(super) struct SlotState {
    incarnation: u64,
    pub(super) life: Life,
    /// In the order in which they were sent, which is that in which the worker runs
    /// them. Empty unless it serves.
    pub(super) loads: VecDeque<Load>,
    /// The sum of the loads' weights.
    pub(super) weight: u32,
    /// Lives in a row that ended before an item began.
    pub(super) fruitless: u32,
    /// An item has begun in the present life, as far as is known.
    fruitful: bool,
    pub(super) watch: Watch,
}

impl SlotState {
    /// Whether there is something to recall: the first load may have been begun.
    pub(super) fn is_stocked(&self) -> bool {
        self.loads.len() > 1
    }
}

#[derive(Debug)]
pub(super) struct Slots {
    pub(super) slots: Vec<SlotState>,
    /// Serving, with room for another load; those with the least first.
    pub(super) open: Room,
    /// With loads that are not begun and may be recalled.
    pub(super) stocked: BTreeSet<Slot>,
    /// Vacant, and not given up.
    pub(super) startable: BTreeSet<Slot>,
    pub(super) vacant: usize,
    /// Some slot may have fruitless lives behind it.
    blamed: bool,
    pub(super) deadlines: BTreeSet<(Moment, Slot)>,
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        let vacant = || SlotState {
            incarnation: 0,
            life: Life::Vacant,
            loads: VecDeque::new(),
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

    /// Whether some worker can be given one more load.
    pub(super) fn has_room(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// A worker whose deadline is not after `now`, save that of its watch.
    pub(super) fn expired(&self, now: Moment) -> Option<Worker> {
        let mut due = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now);
        let &(_, slot) = due.find(|&&(_, slot)| *self.life(slot) != Life::Serving)?;
        Some(self.current(slot))
    }

    pub(super) fn overdue(&self, now: Moment) -> Vec<Slot> {
        let due = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now);
        due.map(|&(_, slot)| slot).collect()
    }

    /// The one place where a life changes. Loads end with the life that had them.
    pub(super) fn set(&mut self, slot: Slot, life: Life) -> VecDeque<Load> {
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
        let loads = std::mem::take(&mut state.loads);
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
        loads
    }

    /// The one place where the loads of a serving worker change.
    fn reload<R>(&mut self, slot: Slot, change: impl FnOnce(&mut SlotState) -> R) -> R {
        let state = &mut self.slots[slot.0];
        let (weight, stocked) = (state.weight, state.is_stocked());
        // What stays the same when items of the chunk are done.
        let name = |load: &Load| (load.job, load.items.end);
        let front = state.loads.front().map(name);
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
        if front != state.loads.front().map(name) {
            state.watch.unbegun = None;
            if state.watch.due.is_some() {
                self.watch(slot);
            }
        }
        result
    }

    /// Starts the next incarnation in some vacant slot.
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

    /// Gives a load to the worker that has the least; there is one with room.
    pub(super) fn load(&mut self, load: Load) -> Worker {
        let (_, slot) = self.open.first().expect("the caller saw a worker with room");
        let limited = load.timeout.is_some();
        self.reload(slot, |state| {
            state.weight += load.weight;
            state.loads.push_back(load);
        });
        if limited {
            self.watch(slot);
        }
        self.current(slot)
    }

    /// The chunk that a worker is at, if the worker is the present one and has any.
    pub(super) fn front(&self, worker: Worker) -> Option<&Load> {
        if self.current(worker.slot) != worker {
            return None;
        }
        self.slots[worker.slot.0].loads.front()
    }

    /// So many items at the head of the worker's first chunk are settled; tells
    /// whether that was the last of the chunk.
    pub(super) fn advance(&mut self, slot: Slot, count: u64) -> bool {
        self.begin(slot);
        self.reload(slot, |state| {
            let load = state.loads.front_mut().expect("the caller saw a load");
            load.items.start += count;
            if !load.items.is_empty() {
                return false;
            }
            state.weight -= load.weight;
            state.loads.pop_front();
            true
        })
    }

    /// A worker with loads that can be recalled.
    pub(super) fn stocked(&self) -> Option<Worker> {
        self.stocked.first().map(|&slot| self.current(slot))
    }

    /// The worker has begun no more than its first `kept` loads; gives the others.
    pub(super) fn recall(&mut self, slot: Slot, kept: usize) -> VecDeque<Load> {
        self.reload(slot, |state| {
            let recalled = state.loads.split_off(kept.min(state.loads.len()));
            state.weight -= recalled.iter().map(|load| load.weight).sum::<u32>();
            recalled
        })
    }

    /// The worker keeps of its first chunk the first item only; gives the others.
    pub(super) fn split(&mut self, slot: Slot) -> Chunk {
        self.reload(slot, |state| {
            let load = state.loads.front_mut().expect("the caller saw a load");
            let items = load.items.start + 1..load.items.end;
            load.items.end = items.start;
            Chunk { items, weight: load.weight }
        })
    }

    /// What a serving worker has, in order.
    pub(super) fn loads(&self, slot: Slot) -> &VecDeque<Load> {
        &self.slots[slot.0].loads
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

    /// The process of the slot is gone; gives what it held.
    pub(super) fn vacate(&mut self, slot: Slot, fruitless: bool) -> VecDeque<Load> {
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

    /// Gives every slot all its tries again: what was, is not held against a job
    /// that opens now.
    pub(super) fn forgive(&mut self) {
        // A pool may have thousands of slots, and a job be over in a microsecond.
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
    pub(super) fn loaded(&self) -> Vec<Worker> {
        let slots = (0..self.slots.len()).map(Slot);
        slots.filter(|&slot| !self.loads(slot).is_empty()).map(|slot| self.current(slot)).collect()
    }

    /// The workers that hold items of a job.
    pub(super) fn holders(&self, job: JobId) -> Vec<Worker> {
        let slots = (0..self.slots.len()).map(Slot);
        slots
            .filter(|&slot| self.loads(slot).iter().any(|load| load.job == job))
            .map(|slot| self.current(slot))
            .collect()
    }
}
