//! All that goes in and comes out.

use crate::ids::{Item, Items, JobId, Worker};

/// Everything that can happen to a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A caller begins a job; its items follow.
    JobOpened { job: JobId },
    /// Items of an open job, in order, as one chunk.
    ItemsQueued { job: JobId, items: Items },
    /// No more items will be queued for the job.
    JobEnded { job: JobId },
    /// The caller wants nothing more of the job.
    JobDropped { job: JobId },
    /// A started worker reported in.
    WorkerReady { worker: Worker },
    /// A worker is about to run an item.
    ItemBegan { worker: Worker, job: JobId, item: Item },
    /// A worker has sent an item's outcome, good or bad.
    ItemFinished { worker: Worker, job: JobId, item: Item },
    /// A worker's process could not be made.
    StartFailed { worker: Worker },
    /// A worker's process has ended, and all it sent has been handled.
    WorkerExited { worker: Worker },
    /// No new jobs; the accepted ones finish.
    Close,
    /// Stop everything now.
    Terminate,
}

/// Everything that the engine may be told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Start a process; report `WorkerReady`, `StartFailed` or `WorkerExited`.
    Start { worker: Worker },
    /// Send these items to the worker, which has none.
    Send { worker: Worker, job: JobId, items: Items },
    /// Say goodbye; the worker leaves by itself.
    Stop { worker: Worker },
    /// Kill the worker; it cannot refuse.
    Kill { worker: Worker, why: KillReason },
    /// The item failed, because the worker died while it ran.
    FailItem { worker: Worker, job: JobId, item: Item },
    /// The job has failed as a whole; nothing of it is left in the scheduler.
    FailJob { job: JobId, why: JobFailure },
}

/// Why a worker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KillReason {
    /// It did not report in within `start_timeout`.
    StartTimeout,
    /// It did not leave within `stop_grace` after goodbye.
    StopGrace,
    /// Its job was dropped.
    JobDropped,
    /// The pool was terminated.
    Terminated,
}

/// Why a job fails as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobFailure {
    /// Every slot was given up.
    NoWorkers,
    /// The pool was terminated.
    Terminated,
}

/// Whether an event was news. What is not news (stale, repeated, for a job
/// that is gone) changes nothing, and its payload must not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    Accepted,
    Ignored,
}
