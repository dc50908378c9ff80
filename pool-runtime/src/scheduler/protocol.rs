//! All that goes in and comes out.

use std::time::Duration;

use crate::ids::{Item, Items, JobId, Moment, Worker};

/// What a job's caller has asked for beyond its results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// How long an item may run.
    pub(crate) timeout: Option<Duration>,
    /// When whatever is not done fails.
    pub(crate) deadline: Option<Moment>,
    /// An item that fails may be tried again: each failure is judged, see
    /// [`Event::ItemJudged`].
    pub(crate) retries: bool,
    /// What runs when the job is dropped is left to finish.
    pub(crate) spares_running: bool,
    /// Its caller queues when it is asked for results, which may be never again.
    pub(crate) lazy: bool,
}

/// Everything that can happen to a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A caller begins a job; its items follow.
    JobOpened { job: JobId, terms: Terms },
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
    /// As `ItemsFinished` for the next item, which has failed, of a job with retries:
    /// the job keeps the item until it is judged.
    ItemHeld { worker: Worker, job: JobId, item: Item },
    /// An item that was held, or failed by a command, of a job with retries: it is
    /// tried again, or that was its last outcome.
    ItemJudged { job: JobId, item: Item, verdict: Judgement },
    /// The answer to `Recall` and `Fence`, before any other event but those of what the
    /// worker had finished by then, all of which come first. It will not begin what it
    /// had not, save what it keeps.
    Recalled { worker: Worker, kept: Kept, now: Moment },
    /// How a watched worker is getting on that is overdue: when the item began that it is
    /// at, or that it has begun none. All that it had finished comes first.
    ProgressChecked { worker: Worker, began: Option<Moment>, now: Moment },
    /// A worker has said that it will begin nothing more and is leaving, as it was told
    /// to when it started (so many items, such an age), or because it was fenced.
    WorkerRetired { worker: Worker, now: Moment },
    /// A worker's process could not be made. It is `exhausted` if that was for lack of
    /// something of which there may soon be enough, as processes or descriptors.
    StartFailed { worker: Worker, exhausted: bool, now: Moment },
    /// A worker's process has ended, and all it sent has been handled; `begun` tells
    /// whether it had begun the first of the items that it had not finished.
    WorkerExited { worker: Worker, begun: bool },
    /// The breaker is to let workers start again.
    Reset,
    /// No new jobs; the accepted ones finish.
    Close,
    /// Somebody waits for the workers of a closed pool to be gone.
    Join,
    /// Stop everything now: who is at work is killed, who has nothing to do may leave in
    /// order, within `kill_grace`.
    Terminate { now: Moment },
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
    /// The same; and if it is at this very item, or will begin it next, let it begin
    /// nothing more.
    Fence { worker: Worker, job: JobId, item: Item },
    /// Say goodbye; the worker leaves by itself.
    Stop { worker: Worker },
    /// Ask the worker to end, which it may refuse.
    Ask { worker: Worker, why: KillReason },
    /// Kill the worker; it cannot refuse.
    Kill { worker: Worker, why: KillReason },
    /// The item failed with the worker that ran it.
    FailItem { worker: Worker, job: JobId, item: Item, why: ItemFailure },
    /// The job's deadline has passed. Whatever is not done fails by `FailItems`; what is
    /// queued from now on does too.
    ExpireJob { job: JobId },
    /// The items failed, because the job's deadline had passed before they were done.
    FailItems { job: JobId, items: Items },
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
    /// The item that it was at had run for as long as it may.
    ItemTimeout,
    /// The deadline of the job of the chunk that it has begun has passed.
    JobDeadline,
    /// It had a time limit and did not begin what it was sent.
    Unresponsive,
    /// The pool was terminated.
    Terminated,
}

/// Why a job fails as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobFailure {
    /// Every slot was given up, or workers died too often: the breaker has tripped.
    NoWorkers,
    /// The pool was terminated.
    Terminated,
}

/// Why an item fails with its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemFailure {
    /// The worker died while it ran the item.
    Died,
    /// The item has run for as long as it may; its worker comes to its end.
    TimedOut,
}

/// What a worker keeps that was asked for what it has not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// All is back: it is at no item.
    Nothing,
    /// It goes on with the first chunk that is left.
    Chunk,
    /// It is at the first item that is left, and will begin no other: the answer to
    /// `Fence` alone.
    Item,
}

/// What becomes of an item that failed, in a job with retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// That was its last outcome.
    Settled,
    /// It is tried again, not before this moment; alone, it takes up this weight.
    Again { not_before: Moment, weight: u32 },
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
