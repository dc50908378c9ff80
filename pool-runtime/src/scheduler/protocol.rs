//! All that goes in and comes out.

use crate::ids::{Item, Items, JobId, Worker};

/// Everything that can happen to a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A caller begins a job; its items follow.
    JobOpened { job: JobId },
    /// Items of an open job, in order, as one chunk, which takes up `weight` of
    /// the [`DEPTH`](super::DEPTH) that a worker's queue has.
    ItemsQueued { job: JobId, items: Items, weight: u32 },
    /// No more items will be queued for the job.
    JobEnded { job: JobId },
    /// The caller wants nothing more of the job.
    JobDropped { job: JobId },
    /// A started worker reported in.
    WorkerReady { worker: Worker },
    /// A worker has sent the outcomes, good or bad, of the next items of its first
    /// chunk.
    ItemsFinished { worker: Worker, job: JobId, items: Items },
    /// The answer to `Recall`, before any other event but those of what the worker
    /// had finished by then, all of which come first. It will not begin what it had
    /// not; `begun` tells whether it keeps the first chunk that is left.
    Recalled { worker: Worker, begun: bool },
    /// A worker's process could not be made.
    StartFailed { worker: Worker },
    /// A worker's process has ended, and all it sent has been handled; `begun` tells
    /// whether it had begun the first of the items that it had not finished.
    WorkerExited { worker: Worker, begun: bool },
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
    /// Send these items to the worker, behind those that it has.
    Send { worker: Worker, job: JobId, items: Items },
    /// Take back the chunks that the worker has not begun; report `Recalled`.
    Recall { worker: Worker },
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
    /// The job of the chunk that it has begun was dropped.
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
/// that is gone) changes nothing, and its payload must not be delivered. Until a
/// worker has answered `Recall`, its news may be of a job that was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    Accepted,
    Ignored,
}
