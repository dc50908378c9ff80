//! The slots: what each worker is doing, and the sets derived from it.
//!
//! Every change of a life goes through [`Slots::set`], which alone keeps `idle`
//! and `deadlines` in step with it.

use std::collections::BTreeSet;

use super::{FRUITLESS_LIVES, Verdict};
use crate::ids::{Item, Items, JobId, Moment, Slot, Worker};

/// What the worker of a slot is doing.
///
/// ```text
///            start             ready            last item done
///   Vacant ---------> Starting -----> Serving <----------------+
///     ^                  |             |  |  |  chunk sent     |
///     |                  | deadline    |  |  +---> Serving ----+
///     |                  v    killed   |  |        with a load
///     +--- exited --- Dying <----------+  | goodbye
///     |                  ^                v
///     |                  +-- deadline - Stopping
///     +------------------- exited --------+
/// ```
///
/// From every state but `Vacant` an exit leads to `Vacant`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// No process.
    Vacant,
    /// A process that has not reported in.
    Starting { deadline: Moment },
    /// Ready for items, or at work on some.
    Serving { load: Option<Load> },
    /// Told to leave; has no items.
    Stopping { deadline: Moment },
    /// Killed; the exit is still to come. Whatever it sends is too late.
    Dying { fruitless: bool },
}

/// The items that a worker holds. The first is running if `begun`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) job: JobId,
    pub(crate) items: Items,
    pub(crate) begun: bool,
}

#[derive(Debug)]
struct SlotState {
    incarnation: u64,
    life: Life,
    /// Lives in a row that ended before an item began.
    fruitless: u32,
    /// An item has begun in the present life.
    fruitful: bool,
}

#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<SlotState>,
    /// Serving, without a load.
    idle: BTreeSet<Slot>,
    /// Vacant, and not given up.
    startable: BTreeSet<Slot>,
    vacant: usize,
    deadlines: BTreeSet<(Moment, Slot)>,
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        let vacant =
            || SlotState { incarnation: 0, life: Life::Vacant, fruitless: 0, fruitful: false };
        Slots {
            slots: std::iter::repeat_with(vacant).take(count).collect(),
            idle: BTreeSet::new(),
            startable: (0..count).map(Slot).collect(),
            vacant: count,
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
        !self.idle.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// A worker whose deadline is not after `now`.
    pub(super) fn expired(&self, now: Moment) -> Option<Worker> {
        let &(deadline, slot) = self.deadlines.first()?;
        (deadline <= now).then(|| self.current(slot))
    }

    pub(super) fn overdue(&self, now: Moment) -> Vec<Slot> {
        let due = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now);
        due.map(|&(_, slot)| slot).collect()
    }

    /// The one place where a life changes.
    pub(super) fn set(&mut self, slot: Slot, life: Life) -> Life {
        let old = std::mem::replace(&mut self.slots[slot.0].life, life);
        match &old {
            Life::Vacant => {
                self.vacant -= 1;
                self.startable.remove(&slot);
            }
            Life::Starting { deadline } | Life::Stopping { deadline } => {
                self.deadlines.remove(&(*deadline, slot));
            }
            Life::Serving { .. } => {
                self.idle.remove(&slot);
            }
            Life::Dying { .. } => {}
        }
        match self.life(slot) {
            Life::Vacant => {
                self.vacant += 1;
                if self.slots[slot.0].fruitless < FRUITLESS_LIVES {
                    self.startable.insert(slot);
                }
            }
            &(Life::Starting { deadline } | Life::Stopping { deadline }) => {
                self.deadlines.insert((deadline, slot));
            }
            Life::Serving { load: None } => {
                self.idle.insert(slot);
            }
            Life::Serving { load: Some(_) } | Life::Dying { .. } => {}
        }
        old
    }

    /// Starts the next incarnation in some vacant slot.
    pub(super) fn start_next(&mut self, deadline: Moment, given_up_too: bool) -> Option<Worker> {
        let slot = match self.startable.first() {
            Some(&slot) => slot,
            None if given_up_too => Slot(self.slots.iter().position(|s| s.life == Life::Vacant)?),
            None => return None,
        };
        self.slots[slot.0].incarnation += 1;
        self.slots[slot.0].fruitful = false;
        self.set(slot, Life::Starting { deadline });
        Some(self.current(slot))
    }

    pub(super) fn ready(&mut self, worker: Worker) -> Verdict {
        let starting = matches!(self.life(worker.slot), Life::Starting { .. });
        if self.current(worker.slot) != worker || !starting {
            return Verdict::Ignored;
        }
        self.set(worker.slot, Life::Serving { load: None });
        Verdict::Accepted
    }

    /// Gives a load to an idle worker; there is one.
    pub(super) fn load_idle(&mut self, load: Load) -> Worker {
        let slot = *self.idle.first().expect("the caller saw an idle worker");
        self.set(slot, Life::Serving { load: Some(load) });
        self.current(slot)
    }

    /// The load of a worker, if it is the present one and has a load.
    pub(super) fn load_mut(&mut self, worker: Worker) -> Option<&mut Load> {
        if self.current(worker.slot) != worker {
            return None;
        }
        match &mut self.slots[worker.slot.0].life {
            Life::Serving { load } => load.as_mut(),
            _ => None,
        }
    }

    pub(super) fn begin(&mut self, worker: Worker, job: JobId, item: Item) -> Verdict {
        match self.load_mut(worker) {
            Some(load) if load.job == job && load.items.start == item && !load.begun => {
                load.begun = true;
            }
            _ => return Verdict::Ignored,
        }
        self.slots[worker.slot.0].fruitless = 0;
        self.slots[worker.slot.0].fruitful = true;
        Verdict::Accepted
    }

    /// Whether an item has begun in the present life of the slot.
    pub(super) fn is_fruitful(&self, slot: Slot) -> bool {
        self.slots[slot.0].fruitful
    }

    /// The process of the slot is gone; gives what it held.
    pub(super) fn vacate(&mut self, slot: Slot, fruitless: bool) -> Option<Load> {
        if fruitless {
            self.slots[slot.0].fruitless += 1;
        }
        match self.set(slot, Life::Vacant) {
            Life::Serving { load } => load,
            _ => None,
        }
    }

    pub(super) fn give_up(&mut self, slot: Slot) {
        self.slots[slot.0].fruitless = FRUITLESS_LIVES;
        self.startable.remove(&slot);
    }

    /// Gives every slot all its tries again: what was, is not held against a job
    /// that opens now.
    pub(super) fn forgive(&mut self) {
        for (index, state) in self.slots.iter_mut().enumerate() {
            state.fruitless = 0;
            if state.life == Life::Vacant {
                self.startable.insert(Slot(index));
            }
        }
    }

    pub(super) fn stop_next_idle(&mut self, deadline: Moment) -> Option<Worker> {
        let slot = *self.idle.first()?;
        self.set(slot, Life::Stopping { deadline });
        Some(self.current(slot))
    }

    /// Every worker that has not been killed yet.
    pub(super) fn alive(&self) -> Vec<Worker> {
        let slots = (0..self.slots.len()).map(Slot);
        slots
            .filter(|&slot| !matches!(self.life(slot), Life::Vacant | Life::Dying { .. }))
            .map(|slot| self.current(slot))
            .collect()
    }

    /// The workers that hold items of a job.
    pub(super) fn holders(&self, job: JobId) -> Vec<Worker> {
        let slots = (0..self.slots.len()).map(Slot);
        slots
            .filter(|&slot| match self.life(slot) {
                Life::Serving { load: Some(load) } => load.job == job,
                _ => false,
            })
            .map(|slot| self.current(slot))
            .collect()
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut vacant = 0;
        let mut deadlines = 0;
        for (index, state) in self.slots.iter().enumerate() {
            let slot = Slot(index);
            let mut idle = false;
            let mut startable = false;
            match &state.life {
                Life::Vacant => {
                    vacant += 1;
                    startable = state.fruitless < FRUITLESS_LIVES;
                }
                Life::Starting { deadline } | Life::Stopping { deadline } => {
                    deadlines += 1;
                    assert!(self.deadlines.contains(&(*deadline, slot)), "deadline of slot {slot}");
                }
                Life::Serving { load: None } => idle = true,
                Life::Serving { load: Some(load) } => {
                    assert!(!load.items.is_empty(), "an empty load in slot {slot}");
                }
                Life::Dying { .. } => {}
            }
            assert_eq!(idle, self.idle.contains(&slot), "idleness of slot {slot}");
            assert_eq!(startable, self.startable.contains(&slot), "startability of slot {slot}");
        }
        assert_eq!(vacant, self.vacant);
        assert_eq!(deadlines, self.deadlines.len());
    }
}
