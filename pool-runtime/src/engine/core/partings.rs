//! Workers that seem to be about to end, and how long that is waited for.
//!
//! The kernel closes the descriptors of a process before it tells of its end, so a worker
//! that has hung up has ended in a moment as a rule. One that lives on can say no more,
//! and is ended: at once if the kernel tells that it lives, and else when it should have
//! ended by now. The guess may be wrong, so what the exit status says comes first.

use std::time::Duration;

use super::super::obituary::Doom;
use super::Core;
use crate::ids::{Moment, Worker};
use crate::limits::HANG_UP_GRACE;

/// Until when the ends of which workers are waited for. As a rule of none.
#[derive(Debug, Default)]
pub(super) struct Partings(Vec<(Moment, Worker)>);

impl Partings {
    pub(super) fn next(&self) -> Option<Moment> {
        self.0.iter().map(|&(until, _)| until).min()
    }

    /// The worker has ended.
    pub(super) fn forget(&mut self, worker: Worker) {
        self.0.retain(|&(_, other)| other != worker);
    }

    /// Nobody has run for so long.
    pub(super) fn postpone(&mut self, by: Duration) {
        self.0.iter_mut().for_each(|(until, _)| *until = until.saturating_add(by));
    }

    /// Those that were waited for long enough.
    fn expired(&mut self, now: Moment) -> Vec<Worker> {
        self.0.extract_if(.., |&mut (until, _)| until <= now).map(|(_, worker)| worker).collect()
    }
}

impl Core {
    /// The worker has hung up.
    pub(super) fn await_end(&mut self, worker: Worker) {
        let until = self.now().saturating_add(HANG_UP_GRACE);
        self.partings.0.push((until, worker));
    }

    /// Ends those that should have ended by now.
    pub(super) fn end_parting(&mut self, now: Moment) {
        for worker in self.partings.expired(now) {
            if let Some(member) = self.member(worker) {
                member.condemn(Doom::ChannelClosed);
            }
        }
    }
}
