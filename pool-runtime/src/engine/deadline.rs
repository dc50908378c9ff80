//! Time limits that have passed: how a caller that pulls input sees it, and the errors.

use std::time::Instant;

use super::handle::JobHandle;
use super::job::JobState;
use super::rules::Tried;
use crate::error::{Error, ErrorKind, on_item};
use crate::ids::{Item, index};

impl JobState {
    /// The error of an item whose worker was killed since the item ran beyond its limit.
    pub(super) fn overdue(&self, who: &str, pid: u32, item: Option<Item>) -> Error {
        let (task, item) = (self.task.name, item.map(index));
        let limit = self.rules.timeout.unwrap_or_default();
        let message = format!(
            "{who} (pid {pid}) was still running {task}{} after its time limit of {limit:?} (see \
             `timeout`) and was ended",
            on_item(item)
        );
        Error::new(ErrorKind::TimedOut, message).with_task(task, item).with_process(pid, None)
    }

    /// The error of an item, or of the rest of the input, that was not done at the deadline,
    /// with the item's earlier failures.
    pub(super) fn late(&self, item: Option<Item>, tried: Option<Tried>) -> Error {
        let (task, item) = (self.task.name, item.map(index));
        let limit = self.rules.deadline.unwrap_or_default();
        let on = on_item(item);
        let message = format!(
            "{task}{on} was not done within the deadline of its job, {limit:?} (see `deadline`)"
        );
        let error = Error::new(ErrorKind::TimedOut, message).with_task(task, item);
        let Some(Tried { failures, error: last }) = tried else {
            return error;
        };
        let error = error.with_failed_tries(failures);
        match last {
            Some(last) => error.with_source(last),
            None => error,
        }
    }
}

impl JobHandle {
    /// Whether the deadline has passed, by the caller's own clock, so that what is pulled does
    /// not depend on when the engine's thread runs.
    #[inline]
    pub(crate) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Fails the whole job if the deadline has passed; tells whether it has.
    pub(crate) fn end_if_late(&self) -> bool {
        let is_late = self.is_late();
        if is_late && let Ok(mut core) = self.shared.lock() {
            core.calls.end_late(self.id);
        }
        is_late
    }

    /// The error of an item, or of the rest of the input, once the deadline has passed.
    pub(crate) fn late(&self, item: Option<Item>) -> Error {
        match self.shared.lock() {
            Ok(mut core) => core.calls.job_mut(self.id).late(item, None),
            Err(copy) => self.foreign(copy),
        }
    }
}
