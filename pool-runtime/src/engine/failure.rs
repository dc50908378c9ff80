//! Why a job has failed as a whole.

use crate::error::{Error, ErrorKind};
use crate::task::TaskDef;

/// With a pool very many jobs may be terminated at once, whose callers wait for that: so
/// the reason is put into words when somebody asks for it.
#[derive(Debug)]
pub(super) enum Failure {
    PoolTerminated,
    Told(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Told(error)
    }
}

impl Failure {
    pub(super) fn into_error(self, task: &TaskDef) -> Error {
        match self {
            Failure::Told(error) => error,
            Failure::PoolTerminated => {
                let name = task.name;
                let message = format!("the pool was terminated before {name} was done");
                Error::new(ErrorKind::Terminated, message).with_task(name, None)
            }
        }
    }
}
