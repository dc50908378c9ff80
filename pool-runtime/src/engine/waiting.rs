//! How a caller waits for its job.
//!
//! A caller first polls: while a core is free for it, it reads the workers' rings itself, so
//! a call on a warm pool needs no other thread and no system call. After a moment it sleeps
//! directly on the workers that run its job, and one of them wakes it.
//!
//! The engine's thread polls for all others: futures, a second caller of the same job, a
//! caller whose job is still queued, and the callers of a large pool. It wakes the caller of a
//! map when half of what was queued has gone to workers, or at the end, and not at each result
//! that nobody takes yet. A caller that wants a whole map may even sleep while results that it
//! could take pile up.

use std::time::{Duration, Instant};

use super::core::Core;
use super::handle::JobHandle;
use super::job::WakeWhen;
use super::locked::Locked;
use crate::channel::DirectWaiter;
use crate::ids::Slot;

/// How often a caller polls before it sleeps, if a core is free: for some 50 µs, which is
/// longer than it takes to wake a worker that sleeps.
const POLLS: u32 = 1000;

/// How often it polls before it releases the lock for a moment.
const POLLS_AT_ONCE: u32 = 10;

/// How long a caller goes on waiting, and in which way.
pub(super) struct WaitPolicy {
    /// How often it polls before it sleeps.
    polls: u32,
    until: Option<Instant>,
    /// The caller wants all results in the end, and may be woken for many at once.
    patient: bool,
    /// It waits until nothing more will arrive.
    to_the_end: bool,
}

impl WaitPolicy {
    pub(super) fn new(until: Option<Instant>, patient: bool, to_the_end: bool) -> WaitPolicy {
        WaitPolicy { polls: POLLS, until, patient, to_the_end }
    }
}

impl JobHandle {
    /// Waits for a change of the job for a while, first by polling, then asleep. Returns
    /// false if the time is up, or if this is a copy that a caller's code has forked meanwhile.
    pub(super) fn pause(&self, core: &mut Locked<'_>, policy: &mut WaitPolicy) -> bool {
        if policy.polls > 0 && !core.has_free_core() {
            // Polls once more before it sleeps, unless results may pile up meanwhile. A caller
            // with a time limit may have no time to sleep.
            let poll = policy.until.is_some() || !self.may_pile_up(core, policy);
            policy.polls = u32::from(poll);
        }
        if policy.polls > 0 {
            policy.polls -= 1;
            let came = core.poll();
            match policy.polls.is_multiple_of(POLLS_AT_ONCE) {
                true => core.step_aside(),
                false if came => {}
                false => std::hint::spin_loop(),
            }
            return !core.is_lost();
        }
        let limit = match policy.until {
            None => None,
            Some(until) => match until.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return false,
                left => Some(left),
            },
        };
        match policy.patient {
            true => core.calls.patient += 1,
            false => core.calls.waiters += 1,
        }
        // No bell will ring for what has come by now.
        let came = core.listen();
        // Before the workers that run the job are asked for: this may change which do.
        core.settle();
        let piles_up = self.may_pile_up(core, policy);
        let waiters = match came && !piles_up {
            false => self.sleep(core, policy, limit, piles_up),
            true => {
                core.step_aside();
                Vec::new()
            }
        };
        if core.is_lost() {
            return false;
        }
        match policy.patient {
            true => core.calls.patient -= 1,
            false => core.calls.waiters -= 1,
        }
        if !waiters.is_empty() {
            core.leave_direct_wait(self.id, &waiters);
        }
        true
    }

    /// Whether the caller may sleep while results that it could take pile up.
    fn may_pile_up(&self, core: &mut Core, policy: &WaitPolicy) -> bool {
        policy.patient && core.may_pile_up(self.id)
    }

    /// Sleeps until something may have changed for the job, or, if results may pile up, until
    /// workers need more soon. Returns the workers that were told to wake this caller
    /// directly, which [`Core::leave_direct_wait`] undoes.
    fn sleep(
        &self,
        core: &mut Locked<'_>,
        policy: &WaitPolicy,
        limit: Option<Duration>,
        piles_up: bool,
    ) -> Vec<(Slot, DirectWaiter)> {
        let waiters = core.direct_waiters(self.id);
        if waiters.is_empty() {
            let wake_when = self.wake_when(core, policy);
            let arrived = core.calls.job_mut(self.id).begin_sleep(wake_when);
            core.wait(&arrived, limit);
            if !core.is_lost() {
                core.calls.job_mut(self.id).end_sleep();
            }
            return waiters;
        }
        // Does not sleep if something came before the worker could see its new policy. A worker
        // that started its last chunk and published nothing is corrupt or dead; its exit wakes
        // this caller.
        let missed = |&(slot, _): &(Slot, DirectWaiter)| {
            // In this order: what it published before it began its last chunk is readable then.
            let is_expected = piles_up && core.is_stocked(slot);
            !is_expected && core.has_unread(slot)
        };
        if !waiters.iter().any(missed) {
            core.sleep_on(&waiters, limit);
        }
        waiters
    }

    /// When a sleeping caller has something to do. A patient one has if the workers need more
    /// items soon, or if no more results will come.
    fn wake_when(&self, core: &mut Core, policy: &WaitPolicy) -> WakeWhen {
        if policy.to_the_end || (policy.patient && core.calls.job_mut(self.id).is_ended()) {
            return WakeWhen::AtEnd;
        }
        match policy.patient {
            true => WakeWhen::WhenQueued(core.calls.scheduler.queued(self.id).div_ceil(2)),
            false => WakeWhen::WhenQueued(usize::MAX),
        }
    }
}
