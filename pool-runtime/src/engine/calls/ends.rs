//! Why workers ended or could not be started, for the errors of calls that fail by it.

use super::Calls;
use crate::error::Error;
use crate::supervisor::ExitReport;
use crate::task::TaskDef;

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum End {
    /// The pool asked it to leave, for no fault of the worker.
    Asked,
    Unasked,
    /// The worker could not be started.
    NotStarted,
}

/// The end that errors report.
#[derive(Debug)]
struct Last {
    error: Error,
    /// How many starts in a row had failed, if this is a failed start.
    tries: u32,
}

#[derive(Debug, Default)]
pub(super) struct Ends {
    /// The latest unasked end or failed start; if there is none, any end.
    last: Option<Last>,
    /// Starts that have failed since a worker last reported in or ended unasked.
    failed_starts: u32,
}

impl Ends {
    pub(super) fn worker_reported_in(&mut self) {
        self.failed_starts = 0;
    }

    fn last(&self) -> &Last {
        self.last.as_ref().expect("a worker has come to its end")
    }
}

impl Calls {
    /// Whether the builder must wait on.
    pub(in crate::engine) fn starting_up(&self) -> bool {
        self.is_awaiting() && self.ends.last.is_none()
    }

    /// A worker has ended.
    pub(in crate::engine) fn worker_ended(&mut self, exit_report: &ExitReport, end: End) {
        self.note_end(exit_report.of_worker(self.start_timeout), end);
        self.life_changed = true;
    }

    /// Keeps an end. While the pool starts up, it keeps the first, which may have caused the
    /// others.
    pub(in crate::engine) fn note_end(&mut self, error: Error, end: End) {
        let tries = match end {
            End::NotStarted => self.ends.failed_starts + 1,
            End::Unasked => 0,
            End::Asked => self.ends.failed_starts,
        };
        self.ends.failed_starts = tries;
        let (starts_up, is_first) = (self.is_awaiting(), self.ends.last.is_none());
        let counts = match end {
            // A worker that retires while others start is no failure.
            End::Asked => is_first && !starts_up,
            End::Unasked | End::NotStarted => is_first || !starts_up,
        };
        if counts {
            self.ends.last = Some(Last { error, tries });
        }
    }

    pub(in crate::engine) fn take_start_failure(&mut self) -> Option<Error> {
        let last = self.ends.last.take_if(|_| self.awaited > 0)?;
        Some(last.error)
    }

    /// The error of a job for which no worker can be started.
    pub(super) fn no_workers(&self, task: &TaskDef) -> Error {
        let Last { error, tries } = self.ends.last();
        if *tries < 2 {
            return error.again();
        }
        let name = task.name;
        let message = format!(
            "failed to finish {name}: no worker could be started in {tries} tries: {error}"
        );
        Error::new(error.kind(), message).with_cause(error)
    }

    /// The error of a call to a pool whose restart limit has tripped.
    pub(super) fn refusal(&self, task: &TaskDef) -> Error {
        let Last { error, tries } = self.ends.last();
        let name = task.name;
        let why = match tries {
            0 => "too many came to their end".to_owned(),
            1 => "none could be started".to_owned(),
            tries => format!("none could be started in {tries} tries"),
        };
        let message = format!(
            "failed to call {name}: the pool starts no more workers until Pool::reset(), because \
             {why}: {error}"
        );
        Error::new(error.kind(), message).with_cause(error)
    }
}
