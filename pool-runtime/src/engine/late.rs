//! Time limits that have passed, put into words.

use std::time::Duration;

use super::job::JobState;
use crate::error::{Error, ErrorKind};
use crate::ids::{Item, index};
use crate::task::TaskDef;

impl JobState {
    /// An item that was ended because it had run for as long as it may.
    pub(super) fn overdue(&self, who: &str, pid: Option<u32>, item: Option<Item>) -> Error {
        let (task, item) = (self.task.name, item.map(index));
        let on = item.map_or_else(String::new, |item| format!(" on item {item}"));
        let limit = self.rules.timeout.unwrap_or_default();
        let with_pid = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
        let message = format!(
            "{who}{with_pid} was still running {task}{on} after its time limit of {limit:?} and was \
             ended"
        );
        let error = Error::new(ErrorKind::TimedOut, message).with_task(task, item);
        match pid {
            Some(pid) => error.with_process(pid, None),
            None => error,
        }
    }

    /// An item, or the rest of the input, that was not done when the deadline passed.
    pub(super) fn late(&self, item: Option<Item>) -> Error {
        late(self.task, self.rules.deadline.unwrap_or_default(), item)
    }
}

/// What was not done when a job's deadline had passed.
pub(crate) fn late(task: &'static TaskDef, deadline: Duration, item: Option<Item>) -> Error {
    let item = item.map(index);
    let on = item.map_or_else(String::new, |item| format!(" on item {item}"));
    let message =
        format!("{}{on} was not done within the deadline of its job, {deadline:?}", task.name);
    Error::new(ErrorKind::TimedOut, message).with_task(task.name, item)
}
