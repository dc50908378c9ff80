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

use super::super::exit_report::KillCause;
use super::Fleet;
use crate::ids::{Moment, Slot, Worker};
use crate::limits::{DUMP_TIME, HANG_UP_GRACE};

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
    fn next(&self) -> Option<Moment> {
        self.0.iter().map(|&(until, ..)| until).min()
    }

    /// The worker has ended.
    pub(super) fn forget(&mut self, worker: Worker) {
        self.0.retain(|&(_, other, _)| other != worker);
    }

    /// Nobody has run for so long.
    fn postpone(&mut self, by: Duration) {
        self.0.iter_mut().for_each(|(until, ..)| *until = until.saturating_add(by));
    }

    /// Those that were waited for long enough.
    fn expired(&mut self, now: Moment) -> Vec<(Worker, Parting)> {
        let expired = self.0.extract_if(.., |&mut (until, ..)| until <= now);
        expired.map(|(_, worker, parting)| (worker, parting)).collect()
    }
}

impl Fleet {
    /// When the next of them is waited for no longer.
    pub(crate) fn next_parting(&self) -> Option<Moment> {
        self.partings.next()
    }

    /// Nobody has run for so long.
    pub(crate) fn postpone_partings(&mut self, by: Duration) {
        self.partings.postpone(by);
    }

    /// The worker has hung up.
    pub(super) fn await_end(&mut self, worker: Worker, now: Moment) {
        self.expect(worker, Parting::HungUp, now.saturating_add(HANG_UP_GRACE));
    }

    /// The worker may have said that it crashes.
    pub(crate) fn hear_crash(&mut self, slot: Slot, now: impl FnOnce() -> Moment) {
        if let Some(process) = self.get(slot).filter(|process| process.has_crashed()) {
            let worker = process.worker;
            self.expect(worker, Parting::Crashed, now().saturating_add(DUMP_TIME));
        }
    }

    fn expect(&mut self, worker: Worker, parting: Parting, until: Moment) {
        let known = |&(_, other, of): &(Moment, Worker, Parting)| (other, of) == (worker, parting);
        if !self.partings.0.iter().any(known) {
            self.partings.0.push((until, worker, parting));
        }
    }

    /// Ends those that should have ended by now.
    pub(crate) fn end_parting(&mut self, now: Moment) {
        for (worker, parting) in self.partings.expired(now) {
            match (self.find(worker), parting) {
                (Some(process), Parting::HungUp) => process.kill(KillCause::ChannelClosed),
                (Some(process), Parting::Crashed) => process.cut_dump_short(),
                (None, _) => {}
            }
        }
    }
}
