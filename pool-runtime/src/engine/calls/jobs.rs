//! What callers do with their jobs: open, queue, end, cancel and leave them.

use std::task::Waker;

use super::super::batch::Batch;
use super::super::chunk_policy::ChunkPolicy;
use super::super::job::JobState;
use super::super::locked::Notification;
use super::super::rules;
use super::Calls;
use crate::error::{Error, ErrorKind};
use crate::ids::{JobId, Moment};
use crate::scheduler::Event;
use crate::task::registered_twice;

impl Calls {
    pub(in crate::engine) fn open_job(&mut self, mut state: Box<JobState>) -> Result<JobId, Error> {
        if let Some((one, other)) = registered_twice() {
            return Err(Error::invalid(format!(
                "two tasks are registered under the name {:?}, at {} and at {}; give one of them \
                 another with #[pool_task(name = \"…\")]",
                one.name, one.place, other.place
            )));
        }
        if !self.scheduler.is_open() {
            let message = format!("failed to call {}: the pool is closed", state.task.name);
            return Err(Error::new(ErrorKind::Closed, message).with_task(state.task.name, None));
        }
        if self.scheduler.has_tripped() {
            return Err(self.refusal(state.task).with_task(state.task.name, None));
        }
        let id = JobId(self.next_job);
        self.next_job += 1;
        // Reading the clock takes longer than opening a job.
        let now = if state.rules.deadline.is_some() { self.now() } else { Moment::ZERO };
        let terms = state.rules.terms(now, state.shape.is_lazy());
        state.reuse(std::mem::take(&mut self.spare));
        self.jobs.insert(id, state);
        self.tell(Event::JobOpened { job: id, terms });
        Ok(id)
    }

    /// Queues items in chunks of this many.
    pub(in crate::engine) fn queue(&mut self, id: JobId, batch: Batch, chunk: usize) {
        let items = batch.items();
        let state = self.job_mut(id);
        if state.has_failed() {
            return;
        }
        let (weights, nanos) = (batch.weights(), state.work.of_item());
        state.accept(batch);
        let mut start = items.start;
        while start < items.end {
            let end = items.end.min(start.saturating_add(chunk as u64));
            let weight = weights.of(end - start, nanos);
            self.tell(Event::ItemsQueued { job: id, items: start..end, weight });
            start = end;
        }
    }

    /// Queues items that the scheduler gets as results arrive.
    pub(in crate::engine) fn hold(&mut self, id: JobId, batch: Batch, policy: ChunkPolicy) {
        let workers = self.scheduler.size();
        let state = self.job_mut(id);
        if !state.has_failed() {
            state.hold(batch, policy, workers);
            self.feed(id);
        }
    }

    /// Gives the scheduler as much of a job's backlog as the policy allows now.
    pub(in crate::engine) fn feed(&mut self, id: JobId) {
        while let Some((items, weight)) = self.job_mut(id).next_chunk() {
            self.tell(Event::ItemsQueued { job: id, items, weight });
        }
        if self.job_mut(id).is_given() {
            self.tell(Event::JobEnded { job: id });
        }
    }

    /// No more items will be queued for the job, which may be done by this.
    pub(in crate::engine) fn end_job(&mut self, id: JobId) {
        let state = self.job_mut(id);
        state.end();
        let (notification, has_backlog) = (state.wake(), state.has_backlog());
        self.notify_later(notification);
        match has_backlog {
            true => self.feed(id),
            false => self.tell(Event::JobEnded { job: id }),
        }
    }

    /// A job that has a handle.
    pub(in crate::engine) fn job_mut(&mut self, id: JobId) -> &mut JobState {
        self.jobs.get_mut(&id).expect("a job is kept while it has a handle")
    }

    /// The caller leaves its job and gets what is left of it.
    pub(in crate::engine) fn leave_job(&mut self, id: JobId) -> Option<Box<JobState>> {
        let mut state = self.jobs.remove(&id)?;
        if let Some(waker) = state.replace_waker(None) {
            self.waiters -= 1;
            // Dropped with the state, outside the lock.
            state.replace_waker(Some(waker));
        }
        if !state.is_done() {
            self.tell(Event::JobDropped { job: id });
        }
        self.spare = state.give_back();
        Some(state)
    }

    /// Replaces the waker of a job's future; gives the former one.
    pub(in crate::engine) fn set_waker(
        &mut self,
        id: JobId,
        waker: Option<Waker>,
    ) -> Option<Waker> {
        self.waiters += usize::from(waker.is_some());
        let before = self.job_mut(id).replace_waker(waker);
        self.waiters -= usize::from(before.is_some());
        before
    }

    /// Keeps a notification until the lock is released.
    pub(in crate::engine) fn notify_later(&mut self, notification: Option<Notification>) {
        let Some(notification) = notification else {
            return;
        };
        self.waiters -= usize::from(notification.waker.is_some());
        if notification.waker.is_some()
            || notification.sleepers.is_some()
            || notification.direct.is_some()
        {
            self.notifications.push(notification);
        }
    }

    /// The caller cancels its job.
    pub(in crate::engine) fn cancel_job(&mut self, id: JobId) {
        self.end_early(id, |state| rules::cancelled(state.task));
    }

    /// The deadline has passed before the caller had queued its last item.
    pub(in crate::engine) fn end_late(&mut self, id: JobId) {
        self.end_early(id, |state| state.late(None, None));
    }

    /// Fails a job that is not done. Its running items are treated as those of a dropped job.
    fn end_early(&mut self, id: JobId, why: impl FnOnce(&JobState) -> Error) {
        let Some(state) = self.jobs.get_mut(&id).filter(|state| !state.is_done()) else {
            return;
        };
        let error = why(state);
        let notification = state.fail(error);
        self.notify_later(notification);
        self.tell(Event::JobDropped { job: id });
        self.remove_if_over(id);
    }
}
