//! One call, as its caller holds it and as the core keeps it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar};
use std::task::{Poll, Waker};
use std::thread::ThreadId;
use std::time::Instant;

use super::core::Core;
use super::pack::Pack;
use super::shared::Shared;
use crate::error::{Error, ErrorKind};
use crate::ids::{Item, Items, JobId};
use crate::scheduler::Event;
use crate::task::TaskDef;

/// A result's bytes, or why there is none.
pub(crate) type Outcome = Result<Vec<u8>, Error>;

/// An outcome with its item.
pub(crate) type Arrival = (Item, Outcome);

/// What kind of call a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// One call: its errors name no item.
    pub(crate) single: bool,
    /// The first failed item ends the job.
    pub(crate) fail_fast: bool,
}

/// A job, as the core keeps it.
#[derive(Debug)]
pub(super) struct JobState {
    pub(super) task: &'static TaskDef,
    pub(super) shape: Shape,
    /// Packs with items that are not settled, by their first item.
    packs: BTreeMap<Item, Pack>,
    /// Outcomes that the caller has not taken, in order of arrival.
    arrivals: VecDeque<Arrival>,
    unsettled: u64,
    /// The caller has queued its last item.
    ended: bool,
    /// Why the job failed as a whole; taken by the caller once.
    failure: Option<Error>,
    failed: bool,
    /// Nobody holds the job any more; it goes when it is done.
    detached: bool,
    /// The thread that queued last: where results will be taken.
    pub(super) consumer: Option<ThreadId>,
    arrived: Arc<Condvar>,
    waker: Option<Waker>,
}

impl JobState {
    fn new(task: &'static TaskDef, shape: Shape) -> JobState {
        JobState {
            task,
            shape,
            packs: BTreeMap::new(),
            arrivals: VecDeque::new(),
            unsettled: 0,
            ended: false,
            failure: None,
            failed: false,
            detached: false,
            consumer: Some(std::thread::current().id()),
            arrived: Arc::new(Condvar::new()),
            waker: None,
        }
    }

    /// No outcome will arrive any more.
    pub(super) fn is_done(&self) -> bool {
        self.failed || (self.ended && self.unsettled == 0)
    }

    /// Whether it can go: done, and nobody will ask for it.
    pub(super) fn is_over(&self) -> bool {
        self.is_done() && self.detached
    }

    /// Where the encoded items lie.
    pub(super) fn pack(&self, items: &Items) -> &Pack {
        let (_, pack) =
            self.packs.range(..=items.start).next_back().expect("unsettled items are kept");
        pack
    }

    /// An item has its outcome. Gives whom to wake, as the others here do.
    pub(super) fn settle(&mut self, item: Item, outcome: Outcome) -> Option<Waker> {
        let (&first, pack) =
            self.packs.range_mut(..=item).next_back().expect("unsettled items are kept");
        if pack.settle() {
            self.packs.remove(&first);
        }
        self.unsettled -= 1;
        self.arrivals.push_back((item, outcome));
        self.wake()
    }

    /// The job ends here.
    pub(super) fn fail(&mut self, error: Error) -> Option<Waker> {
        self.packs.clear();
        self.failed = true;
        self.failure = Some(error);
        self.wake()
    }

    /// No outcome will come; whoever waits is to see why.
    pub(super) fn abandon(&mut self) -> Option<Waker> {
        self.arrived.notify_all();
        self.waker.take()
    }

    /// Something has changed for whoever waits.
    pub(super) fn wake(&mut self) -> Option<Waker> {
        self.arrived.notify_all();
        if self.is_done() { self.waker.take() } else { None }
    }

    fn progress(&mut self) -> Progress {
        if !self.arrivals.is_empty() {
            return Progress::Arrived(std::mem::take(&mut self.arrivals));
        }
        match self.failure.take() {
            Some(error) => Progress::Failed(error),
            None if self.is_done() => Progress::Done,
            None => Progress::Nothing,
        }
    }

    pub(super) fn is_detached(&self) -> bool {
        self.detached
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended || self.failed
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
    /// Nothing more will come.
    Done,
    /// Nothing yet.
    Nothing,
}

/// A caller's hold on its job. Dropped, the job is dropped too, with whatever
/// of it is running.
#[derive(Debug)]
pub(crate) struct Job {
    shared: Arc<Shared>,
    id: JobId,
    task: &'static TaskDef,
}

impl Job {
    pub(super) fn open(
        shared: &Arc<Shared>,
        task: &'static TaskDef,
        shape: Shape,
    ) -> Result<Job, Error> {
        let mut core = shared.lock();
        let id = core.open_job(JobState::new(task, shape))?;
        drop(core);
        Ok(Job { shared: Arc::clone(shared), id, task })
    }

    pub(crate) fn task(&self) -> &'static TaskDef {
        self.task
    }

    /// Queues items; they are on their way to an idle worker, if there is one,
    /// when this returns.
    pub(crate) fn queue(&self, pack: Pack) {
        let mut core = self.shared.lock();
        if let Some(queued) = self.accept(&mut core, pack) {
            core.act(queued);
        }
    }

    /// Queues the only items of a job. In one step, because a worker that leaves
    /// after one call may be gone before a second step could be made.
    pub(crate) fn queue_all(&self, pack: Pack) {
        let mut core = self.shared.lock();
        if let Some(queued) = self.accept(&mut core, pack) {
            core.job_mut(self.id).ended = true;
            core.act_all([queued, Event::JobEnded { job: self.id }]);
        }
    }

    fn accept(&self, core: &mut Core, pack: Pack) -> Option<Event> {
        let items = pack.items();
        let state = core.job_mut(self.id);
        if state.failed {
            return None;
        }
        state.unsettled += items.end - items.start;
        state.packs.insert(items.start, pack);
        state.consumer = Some(std::thread::current().id());
        Some(Event::ItemsQueued { job: self.id, items })
    }

    /// No more items will be queued.
    pub(crate) fn end(&self) {
        let mut core = self.shared.lock();
        core.job_mut(self.id).ended = true;
        core.act(Event::JobEnded { job: self.id });
        // It may be done by this.
        let waker = core.job_mut(self.id).wake();
        core.wake_later(waker);
    }

    /// Whether a worker would be idle if nothing more were queued now.
    pub(crate) fn is_hungry(&self) -> bool {
        self.shared.lock().is_hungry()
    }

    /// Takes what there is.
    pub(crate) fn look(&self) -> Progress {
        self.shared.lock().job_mut(self.id).progress()
    }

    /// Takes what there is; waits until there is something, or `until`.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Progress {
        let mut core = self.shared.lock();
        loop {
            let progress = core.job_mut(self.id).progress();
            if !matches!(progress, Progress::Nothing) {
                return progress;
            }
            let arrived = Arc::clone(&core.job_mut(self.id).arrived);
            match remaining(until) {
                None => core.wait(&arrived, None),
                Some(None) => return Progress::Nothing,
                Some(left) => core.wait(&arrived, left),
            }
        }
    }

    /// Waits until nothing more will arrive, or `until`; tells whether it is so.
    pub(crate) fn wait_done(&self, until: Option<Instant>) -> bool {
        let mut core = self.shared.lock();
        loop {
            let state = core.job_mut(self.id);
            if state.is_done() {
                return true;
            }
            let arrived = Arc::clone(&state.arrived);
            match remaining(until) {
                None => core.wait(&arrived, None),
                Some(None) => return false,
                Some(left) => core.wait(&arrived, left),
            }
        }
    }

    /// As a future waits: `waker` is woken when nothing more will arrive.
    pub(crate) fn poll_done(&self, waker: &Waker) -> Poll<()> {
        // Before the lock: cloning a waker may run anything too.
        let waker = waker.clone();
        let mut core = self.shared.lock();
        let state = core.job_mut(self.id);
        if state.is_done() {
            drop(core);
            return Poll::Ready(());
        }
        let before = state.waker.replace(waker);
        // Dropping a waker may run anything; see `Locked`.
        drop(core);
        drop(before);
        Poll::Pending
    }

    /// Whether the job is done without a failure, as far as is known.
    pub(crate) fn has_failed(&self) -> bool {
        let mut core = self.shared.lock();
        let state = core.job_mut(self.id);
        state.failed || state.arrivals.iter().any(|(_, outcome)| outcome.is_err())
    }

    /// Takes the work back: what is queued never runs, what runs is killed.
    /// Nothing happens to a job that is done.
    pub(crate) fn cancel(&self) {
        let mut core = self.shared.lock();
        let state = core.job_mut(self.id);
        if state.is_done() {
            return;
        }
        let name = state.task.name;
        let message = format!("the call of {name} was cancelled before it was done");
        let error = Error::new(ErrorKind::Cancelled, message).with_task(name, None);
        let waker = state.fail(error);
        core.wake_later(waker);
        core.act(Event::JobDropped { job: self.id });
    }

    /// Lets the job go on with nobody holding it.
    pub(crate) fn detach(self) {
        // As in `drop`, which follows.
        if self.shared.is_poisoned() {
            return;
        }
        let mut core = self.shared.lock();
        let state = core.job_mut(self.id);
        state.detached = true;
        let waker = state.waker.take();
        // As in `poll_done`. Then `self` goes, which a detached job outlives.
        drop(core);
        drop(waker);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // After a panic of the engine its callers are told by panics elsewhere; one
        // here could be a second one, which aborts the program.
        if self.shared.is_poisoned() {
            return;
        }
        let mut core = self.shared.lock();
        let state = core.leave_job(self.id);
        // As in `poll_done`.
        drop(core);
        drop(state);
    }
}

/// The time left: `None` for ever, `Some(None)` none.
fn remaining(until: Option<Instant>) -> Option<Option<std::time::Duration>> {
    until.map(|until| {
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    })
}
