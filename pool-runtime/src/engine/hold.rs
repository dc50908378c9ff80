//! A caller's hold on its job.
//!
//! Whoever waits for a result first looks for it itself: a caller that finds a
//! core free for it reads the workers' rings, so a call on a warm pool needs no
//! other thread and no system call. After a moment it sleeps on the workers that
//! are at its job, to be woken by one of them. The engine's thread looks for those
//! who wait in another way: futures, a second caller of the same job, one whose
//! job is still queued, and the callers of a large pool. It wakes the caller of a map
//! when half of what was queued has gone to workers, or at the end, and not for each
//! result that nobody takes yet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::cancel::CancelToken;
use super::core::Core;
use super::job::{Arrival, JobState, Progress, Rouse, Shape};
use super::pace::{Pace, Work};
use super::pack::Pack;
use super::rules::Rules;
use super::shared::{Locked, Shared};
use crate::channel::Line;
use crate::error::Error;
use crate::ids::{JobId, Slot};
use crate::task::TaskDef;

/// Looks at the rings before a caller sleeps, where a core is free: some 50 µs, which
/// is longer than it takes to wake a worker that sleeps.
const LOOKS: u32 = 1000;

/// Looks before others may have the lock.
const LOOKS_AT_ONCE: u32 = 10;

/// A caller's hold on its job. Dropped, the job is dropped too, with whatever
/// of it is running.
#[derive(Debug)]
pub(crate) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) id: JobId,
    pub(super) task: &'static TaskDef,
    /// From when on nothing is pulled for it; see `late`.
    pub(super) deadline: Option<Instant>,
    /// The core keeps nothing of the job any more.
    left: bool,
}

impl Job {
    /// Begins a job; its items follow.
    pub(super) fn open(
        shared: &Arc<Shared>,
        task: &'static TaskDef,
        shape: Shape,
        rules: Rules,
    ) -> Result<Job, Error> {
        let (token, limit) = (rules.token.clone(), rules.deadline);
        let mut core = shared.lock();
        let id = core.open_job(JobState::new(task, shape, rules))?;
        // The first item may be long in coming, and the engine's thread asleep beyond the
        // deadline.
        core.act();
        drop(core);
        // Not before the core has looked at the clock: its deadline is never the later one.
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let job = Job { shared: Arc::clone(shared), id, task, deadline, left: false };
        job.obey(token);
        Ok(job)
    }

    /// A job with all of its items. In one step, because a worker that leaves after
    /// one call may be gone before a second step could be made.
    pub(super) fn submit(
        shared: &Arc<Shared>,
        task: &'static TaskDef,
        shape: Shape,
        rules: Rules,
        pack: Pack,
    ) -> Result<Job, Error> {
        let token = rules.token.clone();
        let mut core = shared.lock();
        let id = core.open_job(JobState::new(task, shape, rules))?;
        let count = usize::MAX;
        core.queue(id, pack, count);
        core.end_job(id);
        core.act();
        drop(core);
        // Nothing is pulled for it.
        let deadline = None;
        let job = Job { shared: Arc::clone(shared), id, task, deadline, left: false };
        job.obey(token);
        Ok(job)
    }

    /// Ends with the token, which may have been cancelled already.
    fn obey(&self, token: Option<CancelToken>) {
        let Some(token) = token.filter(|_| !self.shared.is_foreign()) else {
            return;
        };
        match token.hand_out(&self.shared, self.id) {
            Some(ticket) => self.shared.lock().job_mut(self.id).set_ticket(ticket),
            None => self.cancel(),
        }
    }

    /// Why nothing can be had of the job, in a forked copy of the program.
    pub(super) fn foreign(&self) -> Option<Error> {
        let name = self.task.name;
        self.shared.is_foreign().then(|| self.shared.foreign(&format!("wait for {name}")))
    }

    pub(crate) fn task(&self) -> &'static TaskDef {
        self.task
    }

    /// Queues items as the pace allows, also when the caller has gone.
    pub(crate) fn hold(&self, pack: Pack, pace: Pace) {
        if self.shared.is_foreign() {
            return;
        }
        let mut core = self.shared.lock();
        core.hold(self.id, pack, pace);
        core.act();
    }

    /// Queues items, in chunks of so many; they are on their way to a worker that
    /// has room for them when this returns. Takes what has arrived meanwhile, and memory
    /// for the next.
    pub(crate) fn exchange(&self, pack: Pack, chunk: usize) -> (Progress, Work, Vec<u8>) {
        if let Some(error) = self.foreign() {
            return (Progress::Failed(error), Work::default(), Vec::new());
        }
        let bytes = pack.bytes();
        let mut core = self.shared.lock();
        core.queue(self.id, pack, chunk);
        core.look();
        core.act();
        let buffer = core.buffers.take(bytes);
        let state = core.job_mut(self.id);
        (state.progress(), state.work, buffer)
    }

    /// No more items will be queued.
    pub(crate) fn end(&self) {
        if self.shared.is_foreign() {
            return;
        }
        let mut core = self.shared.lock();
        core.end_job(self.id);
        core.act();
    }

    /// Whether a worker would be idle if nothing more were queued now.
    pub(crate) fn is_hungry(&self) -> bool {
        !self.shared.is_foreign() && self.shared.lock().is_hungry()
    }

    /// Takes what there is; waits until there is something. One who is `patient` wants
    /// all results in the end, and may be woken for many at once.
    pub(crate) fn wait(&self, patient: bool) -> Progress {
        if let Some(error) = self.foreign() {
            return Progress::Failed(error);
        }
        if let Err(error) = self.check_may_wait(None) {
            return Progress::Failed(error);
        }
        let mut core = self.shared.lock();
        let mut patience = Patience { looks: LOOKS, until: None, patient, to_the_end: false };
        loop {
            let progress = core.job_mut(self.id).progress();
            if !matches!(progress, Progress::Nothing) {
                return progress;
            }
            if !self.pause(&mut core, &mut patience) {
                return Progress::Failed(self.foreign().expect("there was time"));
            }
        }
    }

    /// Waits until nothing more will arrive, or `until`, if it may wait; tells whether it
    /// is so.
    pub(crate) fn wait_done(&self, until: Option<Instant>) -> bool {
        // Who may not still looks, where callers do that.
        let until = if self.check_may_wait(until).is_ok() { until } else { Some(Instant::now()) };
        self.locked_when_done(until).is_some() || self.shared.is_foreign()
    }

    /// All outcomes, once nothing more will arrive; `None` if that is not so at
    /// `until`.
    pub(crate) fn finish(
        &mut self,
        until: Option<Instant>,
    ) -> Option<Result<VecDeque<Arrival>, Error>> {
        let Some(mut core) = self.locked_when_done(until) else {
            return self.foreign().map(Err);
        };
        let state = core.leave_job(self.id).expect("a job that is done goes with its holder");
        drop(core);
        self.left = true;
        Some(state.into_outcome())
    }

    /// `None` also in a forked copy of the program.
    fn locked_when_done(&self, until: Option<Instant>) -> Option<Locked<'_>> {
        if self.shared.is_foreign() {
            return None;
        }
        let mut core = self.shared.lock();
        let patient = !core.job_mut(self.id).shape.single;
        let mut patience = Patience { looks: LOOKS, until, patient, to_the_end: true };
        while !core.job_mut(self.id).is_done() {
            if !self.pause(&mut core, &mut patience) {
                return None;
            }
        }
        Some(core)
    }

    /// Waits for a change of the job for a while, first by looking, then asleep.
    /// Tells whether there is any time left, and this is no copy that somebody's code has
    /// forked meanwhile.
    fn pause(&self, core: &mut Locked<'_>, patience: &mut Patience) -> bool {
        if patience.looks > 0 && !core.has_free_core() {
            // One before it sleeps, but not to find what it would sleep beside; who may not
            // wait does not sleep.
            let look = patience.until.is_some() || !self.is_spare(core, patience);
            patience.looks = u32::from(look);
        }
        if patience.looks > 0 {
            patience.looks -= 1;
            let came = core.look();
            if came {
                core.act();
            }
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
            true => core.patient += 1,
            false => core.waiters += 1,
        }
        // What has come by now, no bell will tell of.
        let came = core.listen();
        if came {
            // Others may have something to do about it.
            core.act();
        }
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
            true => core.patient -= 1,
            false => core.waiters -= 1,
        }
        if !lines.is_empty() {
            core.hang_up(self.id, &lines);
        }
        core.act();
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
            let arrived = core.job_mut(self.id).begin_sleep(rouse);
            core.wait(&arrived, limit);
            if !core.is_lost() {
                core.job_mut(self.id).end_sleep();
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
        if patience.to_the_end || (patience.patient && core.job_mut(self.id).is_ended()) {
            return Rouse::AtEnd;
        }
        match patience.patient {
            true => Rouse::WhenQueued(core.queued(self.id).div_ceil(2)),
            false => Rouse::WhenQueued(usize::MAX),
        }
    }

    /// As a future waits: `waker` is woken when nothing more will arrive.
    pub(crate) fn poll_done(&self, waker: &Waker) -> Poll<()> {
        if self.shared.is_foreign() {
            return Poll::Ready(());
        }
        // Before the lock: cloning a waker may run anything too.
        let waker = waker.clone();
        let mut core = self.shared.lock();
        let before = core.set_waker(self.id, Some(waker));
        if !core.job_mut(self.id).is_done() && core.listen() {
            core.act();
        }
        // It may have been woken by that already, and is polled again for nothing.
        let done = core.job_mut(self.id).is_done();
        let unused = if done { core.set_waker(self.id, None) } else { None };
        // Dropping a waker may run anything; see `Locked`.
        drop(core);
        drop((before, unused));
        // In a copy that any of that has forked nobody will wake the waker.
        if done || self.shared.is_foreign() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether the job is done without a failure, as far as is known.
    pub(crate) fn has_failed(&self) -> bool {
        self.shared.is_foreign() || self.shared.lock().job_mut(self.id).has_failures()
    }

    /// Takes the work back: what is queued never runs, what runs is ended, or spared.
    /// Nothing happens to a job that is done.
    pub(crate) fn cancel(&self) {
        self.shared.cancel([self.id]);
    }

    /// Lets the job go on with nobody holding it.
    pub(crate) fn detach(mut self) {
        // As in `drop`, which follows.
        if self.left || self.shared.is_poisoned() || self.shared.is_foreign() {
            return;
        }
        let mut core = self.shared.lock();
        let waker = core.set_waker(self.id, None);
        let untaken = core.job_mut(self.id).detach();
        core.remove_if_over(self.id);
        self.left = true;
        // As in `poll_done`.
        drop(core);
        drop((waker, untaken));
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // After a panic of the engine its callers are told by panics elsewhere; one
        // here could be a second one, which aborts the program.
        if self.left || self.shared.is_poisoned() || self.shared.is_foreign() {
            return;
        }
        let mut core = self.shared.lock();
        let state = core.leave_job(self.id);
        core.act();
        // As in `poll_done`.
        drop(core);
        drop(state);
    }
}

/// How long a caller goes on waiting, and in which way.
struct Patience {
    looks: u32,
    until: Option<Instant>,
    patient: bool,
    /// Until nothing more will arrive.
    to_the_end: bool,
}
