//! Workers that cannot be started since descriptors, processes or memory are exhausted. Mostly
//! that passes, and trying again at once would use up all tries before it has.
//!
//! So no worker is started for a while after such a failure, and then a single one, the *probe*.
//! Each probe that fails doubles the pause. A worker that reports in ends the exhaustion, and
//! all others start. If too many starts in a row have failed and no other worker lives, all
//! slots are given up, like those in which nothing begins, and the jobs fail. If other workers
//! live, which do the work, probes go on with the longest pause.
//!
//! ```text
//!                 failed              its time has come
//!   no exhaustion ---------> a pause ------------------------> a probe, and a pause
//!        ^                    ^                                |    |    |
//!        |                    +--- failed ---------------------+    |    |
//!        |                    +--- its time has come, another ------+    |
//!        +------------------------ a worker reports in ------------------+
//! ```
//!
//! The pause goes on beside a probe, so one that hangs keeps nobody from being the next.
//! Workers that were started together may all fail, which is one failure: it counts if
//! it is that of the probe, or if no pause goes on.

use std::time::Duration;

use super::slots::Slots;
use super::{Life, Scheduler, Verdict};
use crate::ids::{Moment, Worker};

/// The pause after the first failure, and the longest.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(10);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How many failures in a row are tolerated if no worker lives: nine, over 2.3 s.
pub(super) const EXHAUSTED_STARTS: u32 = 9;

#[derive(Debug, Default)]
pub(super) struct Exhaustion {
    /// Failures in a row.
    failures: u32,
    /// Until when no worker is started. Only [`Scheduler::expire`] ends it before a worker
    /// reports in, so that decisions depend on events alone.
    until: Option<Moment>,
    probe: Option<Worker>,
}

impl Exhaustion {
    pub(super) fn until(&self) -> Option<Moment> {
        self.until
    }

    /// Whether a pause keeps workers from being started.
    pub(super) fn is_waited_out(&self) -> bool {
        self.until.is_some()
    }

    /// A worker is being started. Tells whether it is a probe, which is started alone.
    pub(super) fn probes(&mut self, worker: Worker, now: impl Fn() -> Moment) -> bool {
        if self.failures == 0 {
            return false;
        }
        self.probe = Some(worker);
        self.pause(now());
        true
    }

    fn pause(&mut self, now: Moment) {
        let doubled = FIRST_PAUSE.saturating_mul(1 << (self.failures - 1).min(EXHAUSTED_STARTS));
        self.until = Some(now.saturating_add(doubled.min(LONGEST_PAUSE)));
    }

    /// Ends the pause if its time has passed.
    pub(super) fn wake(&mut self, now: Moment) {
        self.until = self.until.filter(|&until| until > now);
    }

    pub(super) fn end(&mut self) {
        *self = Exhaustion::default();
    }
}

impl Scheduler {
    pub(super) fn ready(&mut self, worker: Worker) -> Verdict {
        let verdict = self.slots.ready(worker);
        if verdict == Verdict::Accepted {
            self.exhaustion.end();
        }
        verdict
    }

    /// A process could not be made. If a resource was exhausted, that is no death and does not
    /// count against the slot.
    pub(super) fn fail_start(&mut self, worker: Worker, exhausted: bool, now: Moment) -> Verdict {
        let slot = worker.slot;
        let starts = self.slots.current(slot) == worker
            && matches!(self.slots.life(slot), Life::Starting { .. });
        // A pool without replacement has no second try.
        if !(exhausted && starts && self.config.replace) {
            return self.worker_exited(worker, false);
        }
        self.slots.vacate(slot, false);
        let is_probe = self.exhaustion.probe == Some(worker);
        if is_probe || !self.exhaustion.is_waited_out() {
            self.exhaustion.failures = self.exhaustion.failures.saturating_add(1);
            self.exhaustion.probe = None;
            self.exhaustion.pause(now);
            let many = self.exhaustion.failures >= EXHAUSTED_STARTS;
            if many && self.slots.all_vacant() {
                self.exhaustion.end();
                self.slots.give_up_all();
            }
        }
        Verdict::Accepted
    }
}

impl Slots {
    fn give_up_all(&mut self) {
        for slot in std::mem::take(&mut self.startable) {
            self.give_up(slot);
        }
    }
}
