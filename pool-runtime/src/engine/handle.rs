//! A caller's handle on its job: it gives items, takes results and cancels. `waiting` has how
//! it waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::batch::Batch;
use super::cancel::CancelToken;
use super::chunk_policy::{ChunkPolicy, Work};
use super::job::{Arrival, JobState, Progress};
use super::locked::Locked;
use super::request::Request;
use super::shared::{Foreign, Shared};
use super::waiting::WaitPolicy;
use crate::error::Error;
use crate::ids::JobId;
use crate::task::TaskDef;

/// A caller's handle on its job. Dropping it drops the job, with its items that run.
#[derive(Debug)]
pub(crate) struct JobHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) id: JobId,
    pub(super) task: &'static TaskDef,
    /// No input is pulled for it from this moment on; see `deadline`.
    pub(super) deadline: Option<Instant>,
    /// The core has removed the job, or keeps it without this handle.
    left: bool,
}

impl JobHandle {
    /// Begins a job; its items follow.
    pub(super) fn open(shared: &Arc<Shared>, request: Request) -> Result<JobHandle, Error> {
        let Request { task, shape, rules, token } = request;
        let limit = rules.deadline;
        let mut core = JobHandle::lock(shared, task)?;
        let id = core.calls.open_job(JobState::new(task, shape, rules))?;
        // Releasing the lock wakes the engine's thread for the deadline: the first item may
        // come late, and the thread may be asleep beyond the deadline.
        drop(core);
        // After the core has read the clock, so the core's deadline is never the later one.
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let job = JobHandle { shared: Arc::clone(shared), id, task, deadline, left: false };
        job.obey(token);
        Ok(job)
    }

    /// A job with all of its items. In one step, since a worker that leaves after one call may
    /// be gone before a second step.
    pub(super) fn submit(
        shared: &Arc<Shared>,
        request: Request,
        batch: Batch,
    ) -> Result<JobHandle, Error> {
        let Request { task, shape, rules, token } = request;
        let mut core = JobHandle::lock(shared, task)?;
        let id = core.calls.open_job(JobState::new(task, shape, rules))?;
        let count = usize::MAX;
        core.calls.queue(id, batch, count);
        core.calls.end_job(id);
        drop(core);
        // No input is pulled for it.
        let deadline = None;
        let job = JobHandle { shared: Arc::clone(shared), id, task, deadline, left: false };
        job.obey(token);
        Ok(job)
    }

    fn lock<'a>(shared: &'a Shared, task: &TaskDef) -> Result<Locked<'a>, Error> {
        shared.lock().map_err(|copy| copy.error(format_args!("call {}", task.name)))
    }

    /// Is cancelled with the token, which may be cancelled already.
    fn obey(&self, token: Option<CancelToken>) {
        let Some(token) = token else {
            return;
        };
        match token.hand_out(&self.shared, self.id) {
            None => self.cancel(),
            Some(ticket) => {
                if let Ok(mut core) = self.shared.lock() {
                    core.calls.job_mut(self.id).set_ticket(ticket);
                }
            }
        }
    }

    /// The error of a wait in a forked copy of the program.
    pub(super) fn foreign(&self, copy: Foreign) -> Error {
        copy.error(format_args!("wait for {}", self.task.name))
    }

    pub(crate) fn task(&self) -> &'static TaskDef {
        self.task
    }

    /// Queues items as the policy allows, even after the handle is detached.
    pub(crate) fn hold(&self, batch: Batch, policy: ChunkPolicy) {
        if let Ok(mut core) = self.shared.lock() {
            core.calls.hold(self.id, batch, policy);
        }
    }

    /// Queues items in chunks of this many. When this returns, they are on their way to the
    /// workers that have room. Takes the outcomes that have arrived meanwhile.
    pub(crate) fn exchange(&self, batch: Batch, chunk: usize) -> (Progress, Work) {
        let mut core = match self.shared.lock() {
            Ok(core) => core,
            Err(copy) => return (Progress::Failed(self.foreign(copy)), Work::default()),
        };
        core.calls.queue(self.id, batch, chunk);
        core.poll();
        let state = core.calls.job_mut(self.id);
        (state.progress(), state.work)
    }

    /// No more items will be queued.
    pub(crate) fn end(&self) {
        if let Ok(mut core) = self.shared.lock() {
            core.calls.end_job(self.id);
        }
    }

    /// Whether a worker would be idle if nothing more were queued now.
    pub(crate) fn is_hungry(&self) -> bool {
        self.shared.lock().is_ok_and(|core| core.calls.scheduler.is_hungry())
    }

    /// Waits for outcomes and takes them. A `patient` caller wants all results in the end, and
    /// may be woken for many at once.
    pub(crate) fn wait(&self, patient: bool) -> Progress {
        if let Err(error) = self.check_may_wait(None) {
            return Progress::Failed(error);
        }
        let mut core = match self.shared.lock() {
            Ok(core) => core,
            Err(copy) => return Progress::Failed(self.foreign(copy)),
        };
        let mut policy = WaitPolicy::new(None, patient, false);
        loop {
            let progress = core.calls.job_mut(self.id).progress();
            if !matches!(progress, Progress::Nothing) {
                return progress;
            }
            if !self.pause(&mut core, &mut policy) {
                let copy = self.shared.lock().expect_err("there was time");
                return Progress::Failed(self.foreign(copy));
            }
        }
    }

    /// Waits until no more outcomes will arrive, but not beyond `until`. Tells whether the job
    /// is done.
    pub(crate) fn wait_done(&self, until: Option<Instant>) -> bool {
        // If blocking is not allowed, poll once.
        let until = if self.check_may_wait(until).is_ok() { until } else { Some(Instant::now()) };
        self.locked_when_done(until).is_some() || self.shared.is_foreign()
    }

    /// All outcomes, once the job is done; `None` if it is not done at `until`.
    pub(crate) fn finish(
        &mut self,
        until: Option<Instant>,
    ) -> Option<Result<VecDeque<Arrival>, Error>> {
        let Some(mut core) = self.locked_when_done(until) else {
            return self.shared.lock().err().map(|copy| Err(self.foreign(copy)));
        };
        let state = core.calls.leave_job(self.id).expect("a job that is done goes with its holder");
        drop(core);
        self.left = true;
        Some(state.into_outcome())
    }

    /// `None` also in a forked copy of the program.
    fn locked_when_done(&self, until: Option<Instant>) -> Option<Locked<'_>> {
        let mut core = self.shared.lock().ok()?;
        let patient = !core.calls.job_mut(self.id).shape.single;
        let mut policy = WaitPolicy::new(until, patient, true);
        while !core.calls.job_mut(self.id).is_done() {
            if !self.pause(&mut core, &mut policy) {
                return None;
            }
        }
        Some(core)
    }

    /// Polls for a future: `waker` is woken when the job is done.
    pub(crate) fn poll_done(&self, waker: &Waker) -> Poll<()> {
        // Before the lock, as cloning a waker may run any code too.
        let waker = waker.clone();
        let Ok(mut core) = self.shared.lock() else {
            return Poll::Ready(());
        };
        let before = core.calls.set_waker(self.id, Some(waker));
        if !core.calls.job_mut(self.id).is_done() {
            core.listen();
        }
        // `listen` may have woken it already, in which case it is polled once more in vain.
        let done = core.calls.job_mut(self.id).is_done();
        let unused = if done { core.calls.set_waker(self.id, None) } else { None };
        // Dropping a waker may run any code; see `Locked`.
        drop(core);
        drop((before, unused));
        // If that code has forked, no thread of the copy will wake the waker.
        if done || self.shared.is_foreign() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether the job has a failure so far.
    pub(crate) fn has_failed(&self) -> bool {
        let lock = self.shared.lock();
        lock.map_or(true, |mut core| core.calls.job_mut(self.id).has_failures())
    }

    /// Cancels the job: queued items never run; running ones are killed or spared. Does nothing
    /// to a job that is done.
    pub(crate) fn cancel(&self) {
        self.shared.cancel([self.id]);
    }

    /// Lets the job go on without a handle.
    pub(crate) fn detach(mut self) {
        if self.left {
            return;
        }
        // `drop` follows.
        let shared = Arc::clone(&self.shared);
        let Some(mut core) = shared.lock_to_drop() else {
            return;
        };
        let waker = core.calls.set_waker(self.id, None);
        let untaken = core.calls.job_mut(self.id).detach();
        core.calls.remove_if_over(self.id);
        self.left = true;
        // As in `poll_done`.
        drop(core);
        drop((waker, untaken));
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let Some(mut core) = self.shared.lock_to_drop() else {
            return;
        };
        let state = core.calls.leave_job(self.id);
        // As in `poll_done`.
        drop(core);
        drop(state);
    }
}
