//! Workers that seem to be about to end, and how long that is waited for.
//!
//! The kernel closes the descriptors of a process before it tells of its end, so a worker
//! that has hung up has ended in a moment as a rule. One that lives on can say no more,
//! and is ended: at once if the kernel tells that it lives, and else when it should have
//! ended by now. The guess may be wrong, so what the exit status says comes first.
//!
//! One that crashes says so before the kernel writes its core dump, which may go to a
//! program that is slow, or stuck. Then the dump is cut short: a process that dumps its
//! core can still be killed.

use std::time::Duration;

use super::Core;
use crate::ids::{Moment, Slot, Worker};
use crate::limits::{DUMP_TIME, HANG_UP_GRACE};
use crate::supervisor::Doom;

/// What the worker has done last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parting {
    HungUp,
    Crashed,
}

/// Until when the ends of which workers are waited for. As a rule of none.
#[derive(Debug, Default)]
pub(super) struct Partings(Vec<(Moment, Worker, Parting)>);

impl Partings {
    pub(super) fn next(&self) -> Option<Moment> {
        self.0.iter().map(|&(until, ..)| until).min()
    }

    /// The worker has ended.
    pub(super) fn forget(&mut self, worker: Worker) {
        self.0.retain(|&(_, other, _)| other != worker);
    }

    /// Nobody has run for so long.
    pub(super) fn postpone(&mut self, by: Duration) {
        self.0.iter_mut().for_each(|(until, ..)| *until = until.saturating_add(by));
    }

    /// Those that were waited for long enough.
    fn expired(&mut self, now: Moment) -> Vec<(Worker, Parting)> {
        let expired = self.0.extract_if(.., |&mut (until, ..)| until <= now);
        expired.map(|(_, worker, parting)| (worker, parting)).collect()
    }
}

impl Core {
    /// The worker has hung up.
    pub(super) fn await_end(&mut self, worker: Worker) {
        self.expect(worker, Parting::HungUp, HANG_UP_GRACE);
    }

    /// The worker may have said that it crashes.
    pub(super) fn hear_crash(&mut self, slot: Slot) {
        let Some(member) = self.members[slot.0].as_ref() else {
            return;
        };
        if member.has_crashed() && member.doom.is_none() {
            let worker = member.worker;
            self.expect(worker, Parting::Crashed, DUMP_TIME);
        }
    }

    fn expect(&mut self, worker: Worker, parting: Parting, limit: Duration) {
        let known = |&(_, other, of): &(Moment, Worker, Parting)| (other, of) == (worker, parting);
        if !self.partings.0.iter().any(known) {
            let until = self.now().saturating_add(limit);
            self.partings.0.push((until, worker, parting));
        }
    }

    /// Ends those that should have ended by now.
    pub(super) fn end_parting(&mut self, now: Moment) {
        for (worker, parting) in self.partings.expired(now) {
            match (self.member(worker), parting) {
                (Some(member), Parting::HungUp) => member.condemn(Doom::ChannelClosed),
                (Some(member), Parting::Crashed) => member.cut_dump_short(),
                (None, _) => {}
            }
        }
    }
}
