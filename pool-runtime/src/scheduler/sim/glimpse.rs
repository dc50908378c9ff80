//! What an event that is no news must leave as it was.

use super::super::Scheduler;
use super::super::slots::Life;
use crate::ids::{Moment, Slot};

/// All that can be seen of a scheduler from outside.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Glimpse {
    lives: Vec<Life>,
    deadline: Option<Moment>,
    flags: [bool; 3],
}

impl Glimpse {
    pub(super) fn of(scheduler: &Scheduler, workers: usize) -> Self {
        Glimpse {
            lives: (0..workers).map(|slot| scheduler.life(Slot(slot)).clone()).collect(),
            deadline: scheduler.next_deadline(),
            flags: [scheduler.is_open(), scheduler.is_hungry(), scheduler.is_finished()],
        }
    }
}
