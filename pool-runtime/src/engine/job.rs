//! One call, as the core keeps it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar};
use std::task::Waker;
use std::thread::ThreadId;

use super::backlog::Backlog;
use super::batch::Batch;
use super::batches::Batches;
use super::cancel::Ticket;
use super::chunk_policy::{ChunkPolicy, Window, Work};
use super::locked::Notification;
use super::request::Shape;
use super::rules::{Rules, Tries};
use crate::channel::{Bodies, Body, DirectWaiter};
use crate::error::{Error, ErrorKind};
use crate::ids::{Item, Items};
use crate::task::TaskDef;

/// Outcomes that arrived together.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// The encoded results of consecutive items.
    Run { items: Items, results: Bodies },
    /// An item without a result.
    Failed(Item, Error),
}

impl Arrival {
    pub(crate) fn items(&self) -> Items {
        match self {
            Arrival::Run { items, .. } => items.clone(),
            Arrival::Failed(item, _) => *item..*item + 1,
        }
    }
}

/// A job as the core keeps it.
#[derive(Debug)]
pub(super) struct JobState {
    pub(super) task: &'static TaskDef,
    pub(super) shape: Shape,
    pub(super) rules: Rules,
    pub(super) tries: Tries,
    /// Its presence tells a cancel token that the job exists.
    ticket: Option<Arc<Ticket>>,
    batches: Batches,
    /// Outcomes that the caller has not taken, in order of arrival.
    arrivals: VecDeque<Arrival>,
    unsettled: u64,
    /// Items that the scheduler does not have yet.
    backlog: Option<Backlog>,
    pub(super) work: Work,
    /// The caller has queued its last item.
    ended: bool,
    /// Why the job failed as a whole; taken by the caller once.
    failure: Option<Failure>,
    failed: bool,
    /// The deadline has passed and the caller has not been told, which happens once.
    expired: bool,
    /// The handle is dropped; the job is removed when it is done.
    detached: bool,
    /// The thread that pulls the input of a map within the call, which returns after it has
    /// pulled all.
    puller: Option<ThreadId>,
    /// The first sleeper makes it.
    arrived: Option<Arc<Condvar>>,
    sleepers: usize,
    /// When the sleepers are woken.
    wake_when: WakeWhen,
    /// The worker that wakes the caller directly, if it sleeps on its workers.
    direct: Option<DirectWaiter>,
    waker: Option<Waker>,
}

/// When callers are woken that sleep on a job. A failure of the job always wakes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WakeWhen {
    /// When no more outcomes will arrive.
    AtEnd,
    /// At an outcome, if at most this many chunks wait for a worker.
    WhenQueued(usize),
}

impl JobState {
    /// Boxed: it is moved several times, which would be much of the work of a small call.
    pub(super) fn new(task: &'static TaskDef, shape: Shape, rules: Rules) -> Box<JobState> {
        Box::new(JobState {
            task,
            shape,
            rules,
            tries: Tries::default(),
            ticket: None,
            batches: Batches::default(),
            arrivals: VecDeque::new(),
            unsettled: 0,
            backlog: None,
            work: Work::default(),
            ended: false,
            failure: None,
            failed: false,
            expired: false,
            detached: false,
            puller: shape.is_map().then(|| std::thread::current().id()),
            arrived: None,
            sleepers: 0,
            wake_when: WakeWhen::AtEnd,
            direct: None,
            waker: None,
        })
    }

    /// Reuses the memory of another job's batches.
    pub(super) fn reuse(&mut self, batches: Batches) {
        self.batches = batches;
    }

    /// Gives the memory of its batches for reuse, if it is small and empty.
    pub(super) fn give_back(&mut self) -> Batches {
        self.batches.give_back()
    }

    /// Whether no more outcomes will arrive.
    pub(super) fn is_done(&self) -> bool {
        self.failed || (self.ended && self.unsettled == 0)
    }

    /// Whether the caller waits for nothing but outcomes.
    pub(super) fn is_expected(&self) -> bool {
        !self.is_done() && !self.expired
    }

    /// Whether it can be removed: it is done, and its handle is dropped.
    pub(super) fn is_over(&self) -> bool {
        self.is_done() && self.detached
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether an outcome that has arrived is a failure.
    pub(super) fn has_failures(&self) -> bool {
        self.failed || self.arrivals.iter().any(|each| matches!(each, Arrival::Failed(..)))
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended || self.failed
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Whether a call that this thread is within may queue more.
    pub(super) fn is_pulled_on(&self, thread: ThreadId) -> bool {
        self.puller == Some(thread) && !self.ended && !self.failed
    }

    /// Adds items that the scheduler has.
    pub(super) fn accept(&mut self, batch: Batch) {
        let items = batch.items();
        self.unsettled += items.end - items.start;
        self.batches.push(batch);
    }

    /// Adds items that the scheduler gets as the policy allows; see [`JobState::next_chunk`].
    pub(super) fn hold(&mut self, batch: Batch, policy: ChunkPolicy, workers: usize) {
        let items = batch.items();
        let backlog =
            self.backlog.get_or_insert_with(|| Backlog::new(Window::new(policy, workers)));
        backlog.push(items);
        self.accept(batch);
    }

    /// Whether the scheduler gets items as results arrive.
    pub(super) fn has_backlog(&self) -> bool {
        self.backlog.is_some()
    }

    /// The next chunk for the scheduler, if the policy allows one now.
    pub(super) fn next_chunk(&mut self) -> Option<(Items, u32)> {
        let items = self.backlog.as_mut()?.next()?;
        let weight = self.weight(&items);
        Some((items, weight))
    }

    /// Whether the caller has queued its last item and the scheduler has it.
    pub(super) fn is_given(&self) -> bool {
        self.ended && self.backlog.as_ref().is_none_or(Backlog::is_empty)
    }

    /// The weight of a chunk of these items.
    pub(super) fn weight(&mut self, items: &Items) -> u32 {
        let weights = self.batches.of(items.start).weights();
        weights.of(items.end - items.start, self.work.of_item())
    }

    /// Where the encoded items lie.
    pub(super) fn body(&mut self, items: &Items) -> Body<'_> {
        self.batches.of(items.start).body(items)
    }

    /// Items of one chunk have outcomes. `queued` counts the chunks that wait for a worker; it
    /// is called only if a caller sleeps.
    pub(super) fn settle(
        &mut self,
        arrival: Arrival,
        queued: impl FnOnce() -> usize,
    ) -> Option<Notification> {
        let items = arrival.items();
        let count = items.end - items.start;
        self.batches.settle(&items);
        self.unsettled -= count;
        self.tries.forget(&items);
        if let Some(backlog) = &mut self.backlog {
            backlog.settle(count, self.work);
        }
        // Nobody takes the outcomes of a job whose handle is dropped.
        if !self.detached {
            self.arrivals.push_back(arrival);
        }
        let mut notification = self.wake()?;
        if !self.is_done() && WakeWhen::WhenQueued(queued()) > self.wake_when {
            notification.sleepers = None;
        }
        Some(notification)
    }

    /// Fails the job as a whole.
    pub(super) fn fail(&mut self, why: impl Into<Failure>) -> Option<Notification> {
        self.batches = Batches::default();
        self.backlog = None;
        self.failed = true;
        self.failure = Some(why.into());
        self.wake()
    }

    /// The notification of a change, if a caller waits.
    pub(super) fn wake(&mut self) -> Option<Notification> {
        if !self.is_slept_on() && self.waker.is_none() {
            return None;
        }
        let waker = if self.is_done() { self.waker.take() } else { None };
        let sleepers = self.arrived.clone().filter(|_| self.sleepers > 0);
        Some(Notification {
            waker,
            sleepers,
            direct: self.direct.clone(),
            ..Notification::default()
        })
    }

    /// Its deadline has passed.
    pub(super) fn expire(&mut self) -> Option<Notification> {
        self.expired = true;
        self.wake()
    }

    /// The notification that the core is broken and no outcome will arrive.
    pub(super) fn abandon(&mut self) -> Notification {
        let (waker, sleepers) = (self.waker.take(), self.arrived.clone());
        Notification { waker, sleepers, direct: self.direct.clone(), ..Notification::default() }
    }

    pub(super) fn progress(&mut self) -> Progress {
        // First, as a caller that queues on gets failures at once, without end.
        if std::mem::take(&mut self.expired) {
            return Progress::Expired;
        }
        if !self.arrivals.is_empty() {
            return Progress::Arrived(std::mem::take(&mut self.arrivals));
        }
        match self.failure.take() {
            Some(why) => Progress::Failed(why.into_error(self.task)),
            None if self.is_done() => Progress::Done,
            None => Progress::Nothing,
        }
    }

    /// All outcomes of a job that is done.
    pub(super) fn into_outcome(mut self: Box<Self>) -> Result<VecDeque<Arrival>, Error> {
        match self.failure.take() {
            Some(why) => Err(why.into_error(self.task)),
            None => Ok(self.arrivals),
        }
    }

    /// The condition variable to sleep on; [`JobState::end_sleep`] must follow.
    pub(super) fn begin_sleep(&mut self, wake_when: WakeWhen) -> Arc<Condvar> {
        self.wake_when = if self.sleepers == 0 { wake_when } else { self.wake_when.max(wake_when) };
        self.sleepers += 1;
        Arc::clone(self.arrived.get_or_insert_default())
    }

    pub(super) fn end_sleep(&mut self) {
        self.sleepers -= 1;
    }

    /// The handle is dropped; gives the outcomes that were not taken.
    pub(super) fn detach(&mut self) -> VecDeque<Arrival> {
        self.detached = true;
        std::mem::take(&mut self.arrivals)
    }

    /// Whether a caller sleeps already. Only one can sleep on the workers directly.
    pub(super) fn is_slept_on(&self) -> bool {
        self.sleepers > 0 || self.direct.is_some()
    }

    pub(super) fn set_direct_waiter(&mut self, direct: Option<DirectWaiter>) {
        self.direct = direct;
    }

    pub(super) fn set_ticket(&mut self, ticket: Arc<Ticket>) {
        self.ticket = Some(ticket);
    }

    pub(super) fn replace_waker(&mut self, waker: Option<Waker>) -> Option<Waker> {
        std::mem::replace(&mut self.waker, waker)
    }

    /// The index by which an error names the item, if it names one.
    pub(super) fn named(&self, item: Item) -> Option<Item> {
        (!self.shape.single).then_some(item)
    }
}

/// What has become of a job since its caller last looked.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Outcomes, in order of arrival.
    Arrived(VecDeque<Arrival>),
    /// The job has failed as a whole; told once.
    Failed(Error),
    /// The deadline has passed: items that are not done fail, and the caller queues no more;
    /// told once.
    Expired,
    /// No more outcomes will arrive.
    Done,
    /// Nothing yet.
    Nothing,
}

/// Why a job has failed as a whole.
///
/// A terminated pool may fail very many jobs at once under the lock, so their error is put
/// into words when a caller asks for it.
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
    fn into_error(self, task: &TaskDef) -> Error {
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
