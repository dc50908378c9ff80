//! What a caller asks for: a task, the kind of call, its rules and its token.

use super::cancel::CancelToken;
use super::rules::{Rules, cancelled};
use crate::error::Error;
use crate::task::TaskDef;

/// A call that is to become a job.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) task: &'static TaskDef,
    pub(crate) shape: Shape,
    pub(crate) rules: Rules,
    pub(crate) token: Option<CancelToken>,
}

impl Request {
    /// Refuses a call that is cancelled before it begins.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.token.as_ref().is_some_and(CancelToken::is_cancelled) {
            true => Err(cancelled(self.task)),
            false => Ok(()),
        }
    }
}

/// The kind of call that a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// One call: its errors name no item.
    pub(crate) single: bool,
    /// The first failed item ends the job.
    pub(crate) fail_fast: bool,
}

impl Shape {
    /// Whether its input is pulled as results are taken, which may stop at any time.
    pub(super) fn is_lazy(self) -> bool {
        !self.single && !self.fail_fast
    }

    /// Whether the caller takes the results only when all have arrived.
    pub(super) fn is_map(self) -> bool {
        self.fail_fast && !self.single
    }
}
