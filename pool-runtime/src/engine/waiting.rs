//! How a caller waits for its job.
//!
//! Whoever waits for a result first looks for it itself: a caller that finds a
//! core free for it reads the workers' rings, so a call on a warm pool needs no
//! other thread and no system call. After a moment it sleeps on the workers that
//! are at its job, to be woken by one of them. The engine's thread looks for those
//! who wait in another way: futures, a second caller of the same job, one whose
//! job is still queued, and the callers of a large pool. It wakes the caller of a map
//! when half of what was queued has gone to workers, or at the end, and not for each
//! result that nobody takes yet. One that wants a whole map may even sleep beside results
//! that it could take.

use std::time::{Duration, Instant};

use super::core::Core;
use super::handle::Job;
use super::job::Rouse;
use super::shared::Locked;
use crate::channel::Line;
use crate::ids::Slot;

/// Looks at the rings before a caller sleeps, where a core is free: some 50 µs, which
/// is longer than it takes to wake a worker that sleeps.
const LOOKS: u32 = 1000;

/// Looks before others may have the lock.
const LOOKS_AT_ONCE: u32 = 10;

/// How long a caller goes on waiting, and in which way.
pub(super) struct Patience {
    looks: u32,
    until: Option<Instant>,
    patient: bool,
    /// Until nothing more will arrive.
    to_the_end: bool,
}

impl Patience {
    pub(super) fn new(until: Option<Instant>, patient: bool, to_the_end: bool) -> Patience {
        Patience { looks: LOOKS, until, patient, to_the_end }
    }
}

impl Job {
    /// Waits for a change of the job for a while, first by looking, then asleep.
    /// Tells whether there is any time left, and this is no copy that somebody's code has
    /// forked meanwhile.
    pub(super) fn pause(&self, core: &mut Locked<'_>, patience: &mut Patience) -> bool {
        if patience.looks > 0 && !core.has_free_core() {
            // One before it sleeps, but not to find what it would sleep beside; who may not
            // wait does not sleep.
            let look = patience.until.is_some() || !self.is_spare(core, patience);
            patience.looks = u32::from(look);
        }
        if patience.looks > 0 {
            patience.looks -= 1;
            let came = core.poll();
            match patience.looks.is_multiple_of(LOOKS_AT_ONCE) {
                true => core.step_aside(),
                false if came => {}
                false => std::hint::spin_loop(),
            }
            return !core.is_lost();
        }
        let limit = match patience.until {
            None => None,
            Some(until) => match until.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return false,
                left => Some(left),
            },
        };
        match patience.patient {
            true => core.calls.patient += 1,
            false => core.calls.waiters += 1,
        }
        // What has come by now, no bell will tell of.
        let came = core.listen();
        // Others may have something to do about it, and who is at the job depends on it.
        core.settle();
        let spare = self.is_spare(core, patience);
        let lines = match came && !spare {
            false => self.sleep(core, patience, limit, spare),
            true => {
                core.step_aside();
                Vec::new()
            }
        };
        if core.is_lost() {
            return false;
        }
        match patience.patient {
            true => core.calls.patient -= 1,
            false => core.calls.waiters -= 1,
        }
        if !lines.is_empty() {
            core.hang_up(self.id, &lines);
        }
        true
    }

    /// Whether a caller may sleep beside results that it could take.
    fn is_spare(&self, core: &mut Core, patience: &Patience) -> bool {
        patience.patient && core.can_spare(self.id)
    }

    /// Sleeps until something may have changed for the job, or, if the caller is `spare`,
    /// until workers need more soon. Gives the workers that were told to wake this caller,
    /// and are to be told otherwise.
    fn sleep(
        &self,
        core: &mut Locked<'_>,
        patience: &Patience,
        limit: Option<Duration>,
        spare: bool,
    ) -> Vec<(Slot, Line)> {
        let lines = core.lines(self.id);
        if lines.is_empty() {
            let rouse = self.rouse(core, patience);
            let arrived = core.calls.job_mut(self.id).begin_sleep(rouse);
            core.wait(&arrived, limit);
            if !core.is_lost() {
                core.calls.job_mut(self.id).end_sleep();
            }
            return lines;
        }
        // Not if it came before the worker could see that it is waited for. One that has begun
        // all that it has, and nothing is to be read of, is mad or dead: its end will wake.
        let missed = |&(slot, _): &(Slot, Line)| {
            // In this order: what it has begun its last chunk after is there to be read.
            let is_expected = spare && core.is_stocked(slot);
            !is_expected && core.has_news(slot)
        };
        if !lines.iter().any(missed) {
            core.sleep_on(&lines, limit);
        }
        lines
    }

    /// When one who sleeps has something to do. One who is patient has when the workers
    /// need more items soon, or when there is no more to be had.
    fn rouse(&self, core: &mut Core, patience: &Patience) -> Rouse {
        if patience.to_the_end || (patience.patient && core.calls.job_mut(self.id).is_ended()) {
            return Rouse::AtEnd;
        }
        match patience.patient {
            true => Rouse::WhenQueued(core.calls.scheduler.queued(self.id).div_ceil(2)),
            false => Rouse::WhenQueued(usize::MAX),
        }
    }
}
