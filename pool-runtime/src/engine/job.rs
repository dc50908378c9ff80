//! One call, as the core keeps it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar};
use std::task::Waker;
use std::thread::ThreadId;

use super::backlog::Backlog;
use super::batch::Batch;
use super::batches::Batches;
use super::calls::Question;
use super::cancel::Ticket;
use super::chunk_policy::{ChunkPolicy, Window, Work};
use super::failure::Failure;
use super::rules::{Rules, Tries};
use crate::channel::{Bodies, Body, DirectWaiter};
use crate::error::Error;
use crate::ids::{Item, Items};
use crate::task::TaskDef;

/// Outcomes that came together.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// The results of consecutive items, as bytes.
    Run { items: Items, results: Bodies },
    /// An item that has none.
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

/// What kind of call a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// One call: its errors name no item.
    pub(crate) single: bool,
    /// The first failed item ends the job.
    pub(crate) fail_fast: bool,
}

impl Shape {
    /// Whether its items are pulled as it is asked for results, which may end at any time.
    pub(super) fn is_lazy(self) -> bool {
        !self.single && !self.fail_fast
    }

    /// Whether nobody wants any result of it before it has them all.
    pub(super) fn is_map(self) -> bool {
        self.fail_fast && !self.single
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct JobState {
    pub(super) task: &'static TaskDef,
    pub(super) shape: Shape,
    pub(super) rules: Rules,
    pub(super) tries: Tries,
    /// Backlog so that a token knows whether the job is there.
    ticket: Option<Arc<Ticket>>,
    batches: Batches,
    /// Outcomes that the caller has not taken, in order of arrival.
    arrivals: VecDeque<Arrival>,
    unsettled: u64,
    /// What the scheduler has not been given yet.
    backlog: Option<Backlog>,
    pub(super) work: Work,
    /// The caller has queued its last item.
    ended: bool,
    /// Why the job failed as a whole; taken by the caller once.
    failure: Option<Failure>,
    failed: bool,
    /// The deadline has passed, and the caller has not been told; it is told once.
    expired: bool,
    /// Nobody holds the job any more; it goes when it is done.
    detached: bool,
    /// The thread that is inside of the call and pulls its input, if one is: it pulls all of
    /// it before it returns.
    puller: Option<ThreadId>,
    /// Made by the first that sleeps on it.
    arrived: Option<Arc<Condvar>>,
    sleepers: usize,
    /// When they are woken.
    wake_when: WakeWhen,
    /// Where a caller sleeps that sleeps on its workers themselves: one of them, by
    /// which it is woken.
    direct: Option<DirectWaiter>,
    waker: Option<Waker>,
}

/// When those are woken who sleep until something happens to their job, which a failure
/// of the job always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WakeWhen {
    /// When nothing more will arrive.
    AtEnd,
    /// At an outcome when no more chunks than these wait for a worker.
    WhenQueued(usize),
}

/// What is to be told of a change, once the lock is released.
#[derive(Debug, Default)]
pub(super) struct Notification {
    pub(super) waker: Option<Waker>,
    pub(super) sleepers: Option<Arc<Condvar>>,
    pub(super) direct: Option<DirectWaiter>,
    /// To be asked of the caller's own rule.
    pub(super) question: Option<Question>,
    /// A job that is over: dropping the caller's rule may run anything.
    pub(super) over: Option<Box<JobState>>,
}

impl JobState {
    /// Boxed: it is moved about some times, which for a small call is much of the work.
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

    /// Memory for its batches that another job has left.
    pub(super) fn reuse(&mut self, batches: Batches) {
        self.batches = batches;
    }

    /// Gives such memory back, if there is little of it and nothing in it.
    pub(super) fn give_back(&mut self) -> Batches {
        self.batches.give_back()
    }

    /// No outcome will arrive any more.
    pub(super) fn is_done(&self) -> bool {
        self.failed || (self.ended && self.unsettled == 0)
    }

    /// Whether outcomes are all that is to be told of it.
    pub(super) fn is_expected(&self) -> bool {
        !self.is_done() && !self.expired
    }

    /// Whether it can go: done, and nobody will ask for it.
    pub(super) fn is_over(&self) -> bool {
        self.is_done() && self.detached
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether some outcome that has arrived is none that the caller wished for.
    pub(super) fn has_failures(&self) -> bool {
        self.failed || self.arrivals.iter().any(|each| matches!(each, Arrival::Failed(..)))
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended || self.failed
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Whether more may be queued, by a call that this thread is inside of.
    pub(super) fn is_pulled_on(&self, thread: ThreadId) -> bool {
        self.puller == Some(thread) && !self.ended && !self.failed
    }

    /// Items that were queued.
    pub(super) fn accept(&mut self, batch: Batch) {
        let items = batch.items();
        self.unsettled += items.end - items.start;
        self.batches.push(batch);
    }

    /// Items that are queued as the policy allows; see [`JobState::next_chunk`].
    pub(super) fn hold(&mut self, batch: Batch, policy: ChunkPolicy, workers: usize) {
        let items = batch.items();
        let backlog =
            self.backlog.get_or_insert_with(|| Backlog::new(Window::new(policy, workers)));
        backlog.push(items);
        self.accept(batch);
    }

    /// Whether the scheduler is given items as results come.
    pub(super) fn has_backlog(&self) -> bool {
        self.backlog.is_some()
    }

    /// The next chunk that the scheduler is to have now.
    pub(super) fn next_chunk(&mut self) -> Option<(Items, u32)> {
        let items = self.backlog.as_mut()?.next()?;
        let weight = self.weight(&items);
        Some((items, weight))
    }

    /// Whether the caller has queued its last item and the scheduler has it.
    pub(super) fn is_given(&self) -> bool {
        self.ended && self.backlog.as_ref().is_none_or(Backlog::is_empty)
    }

    /// What a chunk of these items weighs.
    pub(super) fn weight(&mut self, items: &Items) -> u32 {
        let weights = self.batches.of(items.start).weights();
        weights.of(items.end - items.start, self.work.of_item())
    }

    /// Where the encoded items lie.
    pub(super) fn body(&mut self, items: &Items) -> Body<'_> {
        self.batches.of(items.start).body(items)
    }

    /// Items of one chunk have their outcomes, and so many chunks wait for a worker (asked if
    /// somebody sleeps).
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
        // Nobody will take what comes of a job that nobody holds.
        if !self.detached {
            self.arrivals.push_back(arrival);
        }
        let mut notification = self.wake()?;
        if !self.is_done() && WakeWhen::WhenQueued(queued()) > self.wake_when {
            notification.sleepers = None;
        }
        Some(notification)
    }

    /// The job ends here.
    pub(super) fn fail(&mut self, why: impl Into<Failure>) -> Option<Notification> {
        self.batches = Batches::default();
        self.backlog = None;
        self.failed = true;
        self.failure = Some(why.into());
        self.wake()
    }

    /// Something has changed for whoever waits, if somebody does.
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

    /// No outcome will come; whoever waits is to see why.
    pub(super) fn abandon(&mut self) -> Notification {
        let (waker, sleepers) = (self.waker.take(), self.arrived.clone());
        Notification { waker, sleepers, direct: self.direct.clone(), ..Notification::default() }
    }

    pub(super) fn progress(&mut self) -> Progress {
        // First: whoever queues more gets failures for it at once, without end.
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

    /// All that has arrived at a job that is done.
    pub(super) fn into_outcome(mut self: Box<Self>) -> Result<VecDeque<Arrival>, Error> {
        match self.failure.take() {
            Some(why) => Err(why.into_error(self.task)),
            None => Ok(self.arrivals),
        }
    }

    /// What to sleep on; [`JobState::end_sleep`] follows.
    pub(super) fn begin_sleep(&mut self, wake_when: WakeWhen) -> Arc<Condvar> {
        self.wake_when = if self.sleepers == 0 { wake_when } else { self.wake_when.max(wake_when) };
        self.sleepers += 1;
        Arc::clone(self.arrived.get_or_insert_default())
    }

    pub(super) fn end_sleep(&mut self) {
        self.sleepers -= 1;
    }

    /// The caller has let go; gives what it had not taken.
    pub(super) fn detach(&mut self) -> VecDeque<Arrival> {
        self.detached = true;
        std::mem::take(&mut self.arrivals)
    }

    /// Whether some caller sleeps already: only one can on the workers themselves.
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

    /// What an error of this job says of an item.
    pub(super) fn named(&self, item: Item) -> Option<Item> {
        (!self.shape.single).then_some(item)
    }
}

/// What a caller finds when it looks at its job.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Outcomes, in order of arrival.
    Arrived(VecDeque<Arrival>),
    /// The job has failed as a whole; told once.
    Failed(Error),
    /// The deadline has passed: what is not done fails, and nothing more should be
    /// queued; told once.
    Expired,
    /// Nothing more will come.
    Done,
    /// Nothing yet.
    Nothing,
}
