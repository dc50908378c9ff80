//! Time limits that have passed, put into words.

use super::job::JobState;
use super::rules::Tried;
use crate::error::{Error, ErrorKind, on_item};
use crate::ids::{Item, index};

impl JobState {
    /// An item that was ended because it had run for as long as it may.
    pub(super) fn overdue(&self, who: &str, pid: u32, item: Option<Item>) -> Error {
        let (task, item) = (self.task.name, item.map(index));
        let limit = self.rules.timeout.unwrap_or_default();
        let message = format!(
            "{who} (pid {pid}) was still running {task}{} after its time limit of {limit:?} and was \
             ended",
            on_item(item)
        );
        Error::new(ErrorKind::TimedOut, message).with_task(task, item).with_process(pid, None)
    }

    /// An item, or the rest of the input, that was not done when the deadline passed, and
    /// how it had failed before.
    pub(super) fn late(&self, item: Option<Item>, tried: Option<Tried>) -> Error {
        let (task, item) = (self.task.name, item.map(index));
        let limit = self.rules.deadline.unwrap_or_default();
        let on = on_item(item);
        let message = format!("{task}{on} was not done within the deadline of its job, {limit:?}");
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
