//! What an event that is no news must leave as it was.

use std::collections::VecDeque;

use super::super::slots::Assignment;
use super::super::{Life, Scheduler};
use crate::ids::{Moment, Slot};

/// All that can be seen of a scheduler from outside, and what it holds its workers
/// to have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Glimpse {
    lives: Vec<(Life, VecDeque<Assignment>)>,
    deadline: Option<Moment>,
    flags: [bool; 4],
}

impl Glimpse {
    pub(super) fn of(scheduler: &Scheduler, workers: usize) -> Self {
        Glimpse {
            lives: (0..workers)
                .map(Slot)
                .map(|slot| {
                    (scheduler.life(slot).clone(), scheduler.slots.assignments(slot).clone())
                })
                .collect(),
            deadline: scheduler.next_deadline(),
            flags: [
                scheduler.is_open(),
                scheduler.is_hungry(),
                scheduler.is_finished(),
                scheduler.has_tripped(),
            ],
        }
    }
}
