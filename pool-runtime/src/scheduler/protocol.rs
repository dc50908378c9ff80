//! The scheduler's events and commands.

use std::time::Duration;

use crate::ids::{Item, Items, JobId, Moment, Worker};

/// The rules of a job that the scheduler applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// How long an item may run.
    pub(crate) timeout: Option<Duration>,
    /// When items that are not done fail.
    pub(crate) deadline: Option<Moment>,
    /// An item that fails may be tried again: each failure is judged, see
    /// [`Event::ItemJudged`].
    pub(crate) retries: bool,
    /// Items that run when the job is dropped are left to finish.
    pub(crate) spares_running: bool,
    /// Its caller queues items as results are taken, which may never happen again.
    pub(crate) lazy: bool,
}

/// Everything that can happen to a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A caller begins a job; its items follow.
    JobOpened { job: JobId, terms: Terms },
    /// Items of an open job, in order, as one chunk, which takes `weight` of the
    /// [`DEPTH`](super::DEPTH) of a worker's queue.
    ItemsQueued { job: JobId, items: Items, weight: u32 },
    /// No more items will be queued for the job.
    JobEnded { job: JobId },
    /// The caller has dropped the job.
    JobDropped { job: JobId },
    /// A started worker reported in.
    WorkerReady { worker: Worker },
    /// A worker has sent the outcomes, good or bad, of the next items of its first
    /// chunk.
    ItemsFinished { worker: Worker, job: JobId, items: Items },
    /// Like `ItemsFinished` for the next item, which has failed. The job has retries and keeps
    /// the item until it is judged.
    ItemHeld { worker: Worker, job: JobId, item: Item },
    /// An item of a job with retries, which was held or failed by a command, is tried again or
    /// settled.
    ItemJudged { job: JobId, item: Item, verdict: Judgement },
    /// The answer to `Recall` and `Fence`. The events of all that the worker had finished come
    /// before it, and no other event of the worker does. The worker begins only what it keeps.
    Recalled { worker: Worker, kept: Kept, now: Moment },
    /// When the present item of an overdue watched worker began; `None` if it has begun none. The
    /// events of all that it had finished come first.
    ProgressChecked { worker: Worker, began: Option<Moment>, now: Moment },
    /// A worker has reported that it begins nothing more and leaves: it has reached its number of
    /// items, its age or its size, or it was fenced.
    WorkerRetired { worker: Worker, now: Moment },
    /// A worker's process could not be made; `exhausted` if the cause is a resource that may
    /// soon be free again, like processes or descriptors.
    StartFailed { worker: Worker, exhausted: bool, now: Moment },
    /// A worker's process has ended, and all that it sent has been handled; `begun` tells whether
    /// it had begun its first unfinished item.
    WorkerExited { worker: Worker, begun: bool },
    /// The breaker lets workers start again.
    Reset,
    /// No new jobs are taken; the accepted ones finish.
    Close,
    /// A caller waits until the workers of a closed pool have left.
    Join,
    /// Stop everything now: busy workers are killed, idle ones may exit by themselves within
    /// `kill_grace`.
    Terminate { now: Moment },
}

/// Everything that the scheduler may command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Start a process; report `WorkerReady`, `StartFailed` or `WorkerExited`.
    Start { worker: Worker },
    /// Send these items to the worker, behind those that it has.
    Send { worker: Worker, job: JobId, items: Items },
    /// Withdraw the chunks that the worker has not begun; report `Recalled`.
    Recall { worker: Worker },
    /// The same; and if the worker runs this very item, or begins it next, let it begin nothing
    /// more.
    Fence { worker: Worker, job: JobId, item: Item },
    /// Tell the worker to leave; it exits by itself.
    Stop { worker: Worker },
    /// Ask the worker to end, which it may refuse.
    Ask { worker: Worker, why: KillReason },
    /// Kill the worker; it cannot refuse.
    Kill { worker: Worker, why: KillReason },
    /// The item failed with the worker that ran it.
    FailItem { worker: Worker, job: JobId, item: Item, why: ItemFailure },
    /// The job's deadline has passed. Items that are not done, and those queued later, fail by
    /// `FailItems`.
    ExpireJob { job: JobId },
    /// The items failed, as the job's deadline passed before they were done.
    FailItems { job: JobId, items: Items },
    /// The job has failed as a whole; nothing of it is left in the scheduler.
    FailJob { job: JobId, why: JobFailure },
}

/// Why a worker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KillReason {
    /// It did not report in within `start_timeout`.
    StartTimeout,
    /// It did not leave within `stop_grace`.
    StopGrace,
    /// The job of its present chunk was dropped.
    JobDropped,
    /// Its item ran beyond its limit.
    ItemTimeout,
    /// The deadline of the job of its present chunk has passed.
    JobDeadline,
    /// It did not begin a chunk with a time limit.
    Unresponsive,
    /// The pool was terminated.
    Terminated,
}

/// Why a job fails as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobFailure {
    /// Every slot was given up, or the breaker has tripped.
    NoWorkers,
    /// The pool was terminated.
    Terminated,
}

/// Why an item fails with its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemFailure {
    /// The worker died while it ran the item.
    Died,
    /// The item ran beyond its limit; its worker is killed.
    TimedOut,
}

/// What a worker keeps after a recall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Nothing: it runs no item.
    Nothing,
    /// Its first chunk, with which it goes on.
    Chunk,
    /// Its first item, and it begins no other; only in answer to `Fence`.
    Item,
}

/// The verdict on a failed item of a job with retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// That was its last outcome.
    Settled,
    /// It is tried again, not before this moment; alone, it has this weight.
    Again { not_before: Moment, weight: u32 },
}

/// Whether an event was accepted. An ignored one (stale, repeated, of a removed job) changes
/// nothing, and its payload must not be delivered. Until a worker has answered `Recall`, its
/// events may be of a dropped job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    Accepted,
    Ignored,
}
