//! Settles items that have outcomes, and retries or fails those that failed.

use super::super::job::{Arrival, Failure};
use super::super::locked::Notification;
use super::super::rules;
use super::Calls;
use crate::error::{Error, ErrorKind, on_item};
use crate::ids::{Item, Items, JobId, Moment};
use crate::scheduler::{Event, JobFailure, Judgement};
use crate::supervisor::to_panic;
use crate::task::TaskDef;
use crate::wire::message::{self, Phase};

/// A question for the caller's `retry_if`, which must not run under the lock: is this item
/// tried again?
pub(in crate::engine) struct Question {
    pub(in crate::engine) job: JobId,
    pub(in crate::engine) item: Item,
    pub(in crate::engine) error: Error,
    pub(in crate::engine) rule: rules::RetryIf,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").field("item", &self.item).finish_non_exhaustive()
    }
}

impl Calls {
    /// An item has failed. If the job has retries, the scheduler keeps it until it is judged.
    pub(in crate::engine) fn fail(&mut self, id: JobId, item: Item, error: Error) {
        // The recall before this may have ended the job.
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.rules.retries == 0 {
            return self.settle(id, Arrival::Failed(item, error));
        }
        let again = job.tries.note(item, &job.rules) && !job.has_failed();
        match job.rules.retry_if.clone() {
            Some(rule) if again => {
                let question = Some(Question { job: id, item, error, rule });
                self.notifications.push(Notification { question, ..Notification::default() });
            }
            None if again && rules::is_tried_again(&error) => self.try_again(id, item, error),
            _ => self.give_up(id, item, error),
        }
    }

    /// The caller's `retry_if` has returned.
    pub(in crate::engine) fn answer(&mut self, job: JobId, item: Item, error: Error, again: bool) {
        if !self.jobs.contains_key(&job) {
            return;
        }
        match again {
            true => self.try_again(job, item, error),
            false => self.give_up(job, item, error),
        }
    }

    fn try_again(&mut self, id: JobId, item: Item, error: Error) {
        let now = self.now();
        let job = self.job_mut(id);
        // A failure has ended the job, so the scheduler keeps no items of it.
        if job.has_failed() {
            return;
        }
        let wait = job.tries.wait(item, error, &job.rules);
        let not_before = if wait.is_zero() { Moment::ZERO } else { now.saturating_add(wait) };
        let weight = job.weight(&(item..item + 1));
        let verdict = Judgement::Again { not_before, weight };
        self.tell(Event::ItemJudged { job: id, item, verdict });
    }

    fn give_up(&mut self, id: JobId, item: Item, error: Error) {
        self.tell(Event::ItemJudged { job: id, item, verdict: Judgement::Settled });
        let tries = self.job_mut(id).tries.end(item).map(|tried| tried.failures);
        self.settle(id, Arrival::Failed(item, error.with_tries(tries)));
    }

    /// Fails a job as a whole.
    pub(in crate::engine) fn fail_job(&mut self, id: JobId, why: JobFailure) {
        let task = self.job_mut(id).task;
        let why = match why {
            JobFailure::Terminated => Failure::PoolTerminated,
            JobFailure::NoWorkers => self.no_workers(task).with_task(task.name, None).into(),
        };
        let notification = self.job_mut(id).fail(why);
        self.notify_later(notification);
        self.remove_if_over(id);
    }

    /// Tells the caller that the deadline of a job has passed.
    pub(in crate::engine) fn expire_job(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id) {
            let notification = job.expire();
            self.notify_later(notification);
        }
    }

    /// Fails items that were not done at the deadline of their job.
    pub(in crate::engine) fn fail_late(&mut self, id: JobId, items: &Items) {
        for item in items.clone() {
            // The first failure may end the job.
            let Some(job) = self.jobs.get_mut(&id).filter(|job| !job.has_failed()) else {
                return;
            };
            let tried = job.tries.end(item);
            let error = job.late(job.named(item), tried);
            self.settle(id, Arrival::Failed(item, error));
        }
    }

    /// Items have outcomes. The scheduler decides at the end of the turn.
    pub(super) fn settle(&mut self, id: JobId, arrival: Arrival) {
        let job = self.jobs.get_mut(&id).expect("the scheduler knows only jobs that are kept");
        if job.has_failed() {
            return;
        }
        let notification = match arrival {
            Arrival::Failed(_, error) if job.shape.fail_fast => {
                let notification = job.fail(error);
                self.tell(Event::JobDropped { job: id });
                notification
            }
            arrival => {
                let notification = job.settle(arrival, || self.scheduler.queued(id));
                if job.has_backlog() {
                    self.feed(id);
                }
                notification
            }
        };
        self.notify_later(notification);
        self.remove_if_over(id);
    }

    pub(in crate::engine) fn remove_if_over(&mut self, id: JobId) {
        if self.jobs.get(&id).is_some_and(|job| job.is_over()) {
            let over = self.jobs.remove(&id);
            self.notifications.push(Notification { over, ..Notification::default() });
        }
    }
}

/// The error of a call that failed in a worker that lives on.
pub(super) fn describe(
    failure: message::Failure,
    task: &'static TaskDef,
    item: Option<usize>,
    pid: u32,
) -> Error {
    let name = task.name;
    let on = on_item(item);
    let error = match failure {
        message::Failure::Panicked(report) => {
            let during = match report.phase {
                Phase::Decode => " while its arguments were decoded",
                Phase::Body => "",
                Phase::Encode => " while its result was encoded",
            };
            let panic = to_panic(report);
            let place =
                panic.location.as_deref().map_or_else(String::new, |at| format!(" at {at}"));
            let message = format!("task {name} panicked{during}{on}{place}: {}", panic.message);
            Error::new(ErrorKind::Panicked, message).with_panic(panic)
        }
        message::Failure::Undecodable(why) => Error::new(
            ErrorKind::Decode,
            format!("task {name} could not decode its input{on}: {why}"),
        ),
        message::Failure::Unencodable(why) => Error::new(
            ErrorKind::Encode,
            format!("task {name} could not encode its result{on}: {why}"),
        ),
        message::Failure::UnknownTask => Error::invalid(format!(
            "the worker's program has no task {name:?} (likely cause: it was built from other \
             sources than this program, or the linker dropped the crate that has the task: name \
             that crate, as in `use my_tasks as _;`)"
        )),
    };
    error.with_task(name, item).with_process(pid, None)
}
