//! Workers that seem to be ending, and how long the program waits for their ends.
//!
//! When a process ends, the kernel first closes its descriptors and then tells of the end. So
//! a worker that hangs up is, as a rule, gone a moment later. If it lives on it can say no
//! more, and is killed: at once if the kernel tells that it lives, else after a time in which
//! it should have ended. It may have been ending all the same, so the error goes by its exit
//! status if that tells of another end than the kill.
//!
//! A worker that crashes says so before the kernel writes its core dump. The dump may go to a
//! program that is slow, or stuck. So after a time the worker is killed, which cuts the dump
//! short.

use std::time::Duration;

use super::super::exit_report::KillCause;
use super::Fleet;
use crate::ids::{Moment, Slot, Worker};
use crate::limits::{DUMP_TIME, HANG_UP_GRACE};

/// Why a worker seems to be ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parting {
    HungUp,
    Crashed,
}

/// The workers whose ends are waited for, each until a moment. As a rule there is none.
#[derive(Debug, Default)]
pub(super) struct Partings(Vec<(Moment, Worker, Parting)>);

impl Partings {
    /// The earliest of the moments.
    fn next(&self) -> Option<Moment> {
        self.0.iter().map(|&(until, ..)| until).min()
    }

    /// The worker has ended.
    pub(super) fn forget(&mut self, worker: Worker) {
        self.0.retain(|&(_, other, _)| other != worker);
    }

    /// Neither the program nor its workers have run for this long.
    fn postpone(&mut self, by: Duration) {
        self.0.iter_mut().for_each(|(until, ..)| *until = until.saturating_add(by));
    }

    /// Takes out those that were waited for long enough.
    fn expired(&mut self, now: Moment) -> Vec<(Worker, Parting)> {
        let expired = self.0.extract_if(.., |&mut (until, ..)| until <= now);
        expired.map(|(_, worker, parting)| (worker, parting)).collect()
    }
}

impl Fleet {
    /// When the earliest of these waits is over.
    pub(crate) fn next_parting(&self) -> Option<Moment> {
        self.partings.next()
    }

    /// Neither the program nor its workers have run for this long.
    pub(crate) fn postpone_partings(&mut self, by: Duration) {
        self.partings.postpone(by);
    }

    /// The worker has hung up.
    pub(super) fn await_end(&mut self, worker: Worker, now: Moment) {
        self.expect(worker, Parting::HungUp, now.saturating_add(HANG_UP_GRACE));
    }

    /// Looks whether the worker has said that it crashes.
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

    /// Ends workers that should have ended by now.
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
