//! One call, as the core keeps it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar};
use std::task::Waker;
use std::thread::ThreadId;
use std::time::Duration;

use super::cancel::Ticket;
use super::core::Question;
use super::pace::{Pace, Pacer, Work};
use super::pack::Pack;
use super::rules::{Rules, Tries};
use crate::channel::{Bodies, Line};
use crate::error::{Error, ErrorKind};
use crate::ids::{Item, Items, index};
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

/// See the module.
#[derive(Debug)]
pub(super) struct JobState {
    pub(super) task: &'static TaskDef,
    pub(super) shape: Shape,
    pub(super) rules: Rules,
    pub(super) tries: Tries,
    /// Held so that a token knows whether the job is there.
    ticket: Option<Arc<Ticket>>,
    /// Packs with items that are not settled, in order.
    packs: VecDeque<Pack>,
    /// Outcomes that the caller has not taken, in order of arrival.
    arrivals: VecDeque<Arrival>,
    unsettled: u64,
    /// What the scheduler has not been given yet.
    held: Option<Held>,
    pub(super) work: Work,
    /// The caller has queued its last item.
    ended: bool,
    /// Why the job failed as a whole; taken by the caller once.
    failure: Option<Error>,
    failed: bool,
    /// The deadline has passed, and the caller has not been told; it is told once.
    expired: bool,
    /// Nobody holds the job any more; it goes when it is done.
    detached: bool,
    /// The thread that queued last: where results will be taken.
    pub(super) consumer: Option<ThreadId>,
    /// Made by the first that sleeps on it.
    arrived: Option<Arc<Condvar>>,
    sleepers: usize,
    /// Where a caller sleeps that sleeps on its workers themselves: one of them, by
    /// which it is woken.
    line: Option<Line>,
    waker: Option<Waker>,
}

/// Items of a caller that does not stay: the engine gives them to the scheduler as
/// their results come, so that it can measure how long they take before it cuts
/// them into chunks, as a caller that stays does.
#[derive(Debug)]
struct Held {
    pacer: Pacer,
    /// Consecutive ranges of one pack each, in order.
    ranges: VecDeque<Items>,
    /// Items in these.
    rest: u64,
    /// Items that the scheduler has and that are not settled.
    given: u64,
    settled: u64,
}

/// What is to be told of a change, once the lock is released.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) waker: Option<Waker>,
    pub(super) sleepers: Option<Arc<Condvar>>,
    pub(super) line: Option<Line>,
    /// To be asked of the caller's own rule.
    pub(super) question: Option<Question>,
    /// A job that is over: dropping the caller's rule may run anything.
    pub(super) over: Option<Box<JobState>>,
}

impl JobState {
    pub(super) fn new(task: &'static TaskDef, shape: Shape, rules: Rules) -> JobState {
        JobState {
            task,
            shape,
            rules,
            tries: Tries::default(),
            ticket: None,
            packs: VecDeque::new(),
            arrivals: VecDeque::new(),
            unsettled: 0,
            held: None,
            work: Work::default(),
            ended: false,
            failure: None,
            failed: false,
            expired: false,
            detached: false,
            consumer: Some(std::thread::current().id()),
            arrived: None,
            sleepers: 0,
            line: None,
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

    /// Items that were queued.
    pub(super) fn accept(&mut self, pack: Pack) {
        let items = pack.items();
        self.unsettled += items.end - items.start;
        self.packs.push_back(pack);
        self.consumer = Some(std::thread::current().id());
    }

    /// Items that are queued as the pace allows; see [`JobState::next_chunk`].
    pub(super) fn hold(&mut self, pack: Pack, pace: Pace, workers: usize) {
        let items = pack.items();
        let held = self.held.get_or_insert_with(|| Held {
            pacer: Pacer::new(pace, workers),
            ranges: VecDeque::new(),
            rest: 0,
            given: 0,
            settled: 0,
        });
        held.rest += items.end - items.start;
        held.ranges.push_back(items);
        self.accept(pack);
    }

    /// The next chunk that the scheduler is to have now.
    pub(super) fn next_chunk(&mut self) -> Option<(Items, u32)> {
        let held = self.held.as_mut().filter(|held| held.given < held.pacer.window)?;
        let range = held.ranges.front_mut()?;
        let items = range.start..range.end.min(range.start + held.pacer.chunk as u64);
        range.start = items.end;
        if range.is_empty() {
            held.ranges.pop_front();
        }
        let count = items.end - items.start;
        held.rest -= count;
        held.given += count;
        let weight = self.weight(&items);
        Some((items, weight))
    }

    /// Whether the caller has queued its last item and the scheduler has it.
    pub(super) fn is_given(&self) -> bool {
        self.ended && self.held.as_ref().is_none_or(|held| held.rest == 0)
    }

    /// What a chunk of these items weighs.
    pub(super) fn weight(&self, items: &Items) -> u32 {
        self.pack(items).weights().of(items.end - items.start, self.work.of_item())
    }

    /// Where the encoded items lie.
    pub(super) fn pack(&self, items: &Items) -> &Pack {
        &self.packs[self.pack_of(items.start)]
    }

    /// The last pack that does not begin behind the item, which is not settled.
    fn pack_of(&self, item: Item) -> usize {
        let after = self.packs.partition_point(|pack| pack.items().start <= item);
        after.checked_sub(1).expect("unsettled items are kept")
    }

    /// Items of one chunk have their outcomes.
    pub(super) fn settle(&mut self, arrival: Arrival) -> Due {
        let items = arrival.items();
        let count = items.end - items.start;
        let pack = self.pack_of(items.start);
        if self.packs[pack].settle(count) {
            self.packs.remove(pack);
        }
        self.unsettled -= count;
        self.tries.forget(&items);
        if let Some(held) = &mut self.held {
            held.given -= count;
            held.settled += count;
            held.pacer.measure(self.work, held.settled, usize::try_from(held.rest).ok());
        }
        // Nobody will take what comes of a job that nobody holds.
        if !self.detached {
            self.arrivals.push_back(arrival);
        }
        self.wake()
    }

    /// The job ends here.
    pub(super) fn fail(&mut self, error: Error) -> Due {
        self.packs.clear();
        self.held = None;
        self.failed = true;
        self.failure = Some(error);
        self.wake()
    }

    /// Something has changed for whoever waits.
    pub(super) fn wake(&mut self) -> Due {
        let waker = if self.is_done() { self.waker.take() } else { None };
        let sleepers = self.arrived.clone().filter(|_| self.sleepers > 0);
        Due { waker, sleepers, line: self.line.clone(), ..Due::default() }
    }

    /// Its deadline has passed.
    pub(super) fn expire(&mut self) -> Due {
        self.expired = true;
        self.wake()
    }

    /// No outcome will come; whoever waits is to see why.
    pub(super) fn abandon(&mut self) -> Due {
        let (waker, sleepers) = (self.waker.take(), self.arrived.clone());
        Due { waker, sleepers, line: self.line.clone(), ..Due::default() }
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
            Some(error) => Progress::Failed(error),
            None if self.is_done() => Progress::Done,
            None => Progress::Nothing,
        }
    }

    /// All that has arrived at a job that is done.
    pub(super) fn into_outcome(mut self) -> Result<VecDeque<Arrival>, Error> {
        match self.failure.take() {
            Some(error) => Err(error),
            None => Ok(self.arrivals),
        }
    }

    /// What to sleep on; [`JobState::end_sleep`] follows.
    pub(super) fn begin_sleep(&mut self) -> Arc<Condvar> {
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
        self.sleepers > 0 || self.line.is_some()
    }

    pub(super) fn set_line(&mut self, line: Option<Line>) {
        self.line = line;
    }

    pub(super) fn set_ticket(&mut self, ticket: Arc<Ticket>) {
        self.ticket = Some(ticket);
    }

    pub(super) fn replace_waker(&mut self, waker: Option<Waker>) -> Option<Waker> {
        std::mem::replace(&mut self.waker, waker)
    }

    /// An item that was ended because it had run for as long as it may.
    pub(super) fn overdue(&self, who: &str, pid: Option<u32>, item: Option<Item>) -> Error {
        let (task, item) = (self.task.name, item.map(index));
        let on = item.map_or_else(String::new, |item| format!(" on item {item}"));
        let limit = self.rules.timeout.unwrap_or_default();
        let with_pid = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
        let message = format!(
            "{who}{with_pid} was still running {task}{on} after its time limit of {limit:?} and was \
             ended"
        );
        let error = Error::new(ErrorKind::TimedOut, message).with_task(task, item);
        match pid {
            Some(pid) => error.with_process(pid, None),
            None => error,
        }
    }

    /// An item, or the rest of the input, that was not done when the deadline passed.
    pub(super) fn late(&self, item: Option<Item>) -> Error {
        late(self.task, self.rules.deadline.unwrap_or_default(), item)
    }

    /// What an error of this job says of an item.
    pub(super) fn named(&self, item: Item) -> Option<Item> {
        (!self.shape.single).then_some(item)
    }
}

/// What was not done when a job's deadline had passed.
pub(crate) fn late(task: &'static TaskDef, deadline: Duration, item: Option<Item>) -> Error {
    let item = item.map(index);
    let on = item.map_or_else(String::new, |item| format!(" on item {item}"));
    let message =
        format!("{}{on} was not done within the deadline of its job, {deadline:?}", task.name);
    Error::new(ErrorKind::TimedOut, message).with_task(task.name, item)
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
