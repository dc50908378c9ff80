//! Who polls the workers' rings: callers that wait, or the engine's thread when a worker
//! rings its bell. Each worker is told by its wake policy when to ring.

use super::Core;
use crate::channel::{DirectWaiter, WakePolicy};
use crate::ids::{Items, JobId, Slot, Worker};
use crate::limits::{LOOK_MOST, STOCK_TIME};
use crate::supervisor::WorkerProcess;

/// Polling this many rings costs a tenth of what a bell costs, so it is worth it if one of
/// them has data.
const POLLS_FOR_ONE: usize = 8;

/// What decides when to poll which workers.
#[derive(Debug)]
pub(super) struct Polling {
    /// By slot: the map that all chunks of the worker belong to, if they belong to one.
    maps: Vec<Option<JobId>>,
    /// A worker of a map has rung, so others are polled too; see [`Core::poll_others`].
    poll_others: bool,
    /// The slot that is polled next.
    next_polled: usize,
    cores: usize,
}

impl Polling {
    pub(super) fn new(workers: usize) -> Polling {
        Polling {
            maps: vec![None; workers],
            poll_others: false,
            next_polled: 0,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Another worker takes the slot.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.maps[slot.0] = None;
    }

    /// The worker of a slot has rung.
    pub(super) fn note_bell(&mut self, slot: Slot) {
        self.poll_others |= self.maps[slot.0].is_some();
    }

    pub(super) fn polls_others(&self) -> bool {
        self.poll_others
    }
}

impl Core {
    /// The policy for a worker that has chunks of this map only, or of other jobs too.
    fn wake_policy(&self, map: Option<JobId>) -> WakePolicy {
        if !self.is_polled() {
            // Somebody may wait for the other jobs.
            return if map.is_some() { WakePolicy::Lazy } else { WakePolicy::Eager };
        }
        match (self.calls.waiters, self.calls.patient) {
            (0, 0) => WakePolicy::Lazy,
            (0, _) => WakePolicy::Patient,
            _ => WakePolicy::Eager,
        }
    }

    /// Tells a worker when to ring from now on. A successor in the slot is told what holds
    /// for it.
    pub(super) fn arm(&mut self, slot: Slot) {
        let wake_policy = self.wake_policy(self.polling.maps[slot.0]);
        if let Some(process) = self.fleet.get_mut(slot) {
            process.arm(wake_policy);
        }
    }

    /// Adjusts the policy of a worker that is about to be sent a chunk, so that it rings as
    /// often as those who wait for the chunk need.
    pub(super) fn adjust_wake_policy(
        &mut self,
        worker: Worker,
        map: Option<JobId>,
        chunk: (JobId, &Items),
    ) {
        let slot = worker.slot;
        let large = !self.is_polled();
        let front = if large { self.calls.scheduler.front(worker) } else { None };
        let alone = front.is_some_and(|(job, items)| (job, &items) == chunk);
        let Some(process) = self.fleet.find(worker) else {
            return;
        };
        let told = process.wake_policy();
        let before = &mut self.polling.maps[slot.0];
        *before = if alone { map } else { before.filter(|_| *before == map) };
        let only = *before;
        let raised = told < self.wake_policy(only);
        // It may ring less often only if it has nothing else: then all that it sent is read.
        if raised || (large && alone) {
            self.arm(slot);
        }
        // It did not ring for what it sent before, which may be the end of another job.
        if raised && large && self.has_unread(slot) {
            self.unread.push(slot);
        }
    }

    /// Polls some workers of a large pool when one of them has rung.
    ///
    /// In a large pool a worker does not ring at each result of a map: a bell costs more than
    /// all else that an item costs, and there is no hurry while the worker has a chunk. It
    /// rings when it has run out. The engine's thread polls others then too and sends them
    /// more, so that most of them never run out and never ring.
    ///
    /// It polls as many at a time as the callers of smaller pools do, and goes on while that
    /// finds something. So the cost of a bell does not depend on the number of workers.
    pub(super) fn poll_others(&mut self) {
        // Polls all before it reads any: a poll waits for memory that is in no cache, and the
        // processor waits for many such loads at once.
        let (first, count) = (self.polling.next_polled, self.fleet.size());
        let slots: [Slot; LOOK_MOST] = std::array::from_fn(|step| Slot((first + step) % count));
        self.polling.next_polled = (first + LOOK_MOST) % count;
        let news = slots.map(|slot| self.has_unread(slot));
        let mut found = 0;
        for (slot, _) in slots.into_iter().zip(news).filter(|&(_, has_unread)| has_unread) {
            self.drain(slot);
            found += 1;
        }
        self.polling.poll_others = found >= LOOK_MOST / POLLS_FOR_ONE;
        self.settle();
    }

    /// Whether callers poll the rings. In a large pool that would cost each caller more than
    /// the bells cost.
    fn is_polled(&self) -> bool {
        self.fleet.size() <= LOOK_MOST
    }

    /// Takes in what workers have sent, if callers poll the rings. Returns whether there was
    /// anything.
    pub(in crate::engine) fn poll(&mut self) -> bool {
        if !self.is_polled() {
            return false;
        }
        let mut came = false;
        for slot in (0..self.fleet.size()).map(Slot) {
            if self.has_unread(slot) {
                self.drain(slot);
                came = true;
            }
        }
        came
    }

    /// Has every busy worker ring as those who wait need, and polls once more. Returns whether
    /// there was anything.
    pub(in crate::engine) fn listen(&mut self) -> bool {
        if !self.is_polled() {
            return false;
        }
        let wake_policy = self.wake_policy(None);
        for process in self.fleet.iter_mut() {
            let worker = process.worker;
            if process.wake_policy() < wake_policy && self.calls.scheduler.front(worker).is_some() {
                process.arm(wake_policy);
            }
        }
        self.poll()
    }

    /// Has the workers that run the job wake its caller directly, until
    /// [`Core::leave_direct_wait`]. Whoever settles items of the job wakes it too. Returns
    /// nothing if the caller must sleep otherwise.
    ///
    /// A worker wakes the caller also for what others wait for, and the caller does then what
    /// the engine's thread would do. A worker that is sent a chunk of the job meanwhile rings
    /// its bell.
    pub(in crate::engine) fn direct_waiters(&mut self, id: JobId) -> Vec<(Slot, DirectWaiter)> {
        if !self.is_polled() || self.calls.job_mut(id).is_slept_on() {
            return Vec::new();
        }
        let wake_policy = self.wake_policy(None);
        let mut waiters = Vec::new();
        for process in self.fleet.iter_mut() {
            if self.calls.is_at(process.worker, id) {
                waiters.push((process.worker.slot, process.arm_direct(wake_policy)));
            }
        }
        if waiters.len() > DirectWaiter::most() {
            waiters.iter().for_each(|&(slot, _)| self.arm(slot));
            waiters.clear();
        }
        self.calls.job_mut(id).set_direct_waiter(waiters.first().map(|(_, waiter)| waiter.clone()));
        waiters
    }

    /// The caller no longer sleeps on these workers. They ring their bells again, and what
    /// they sent before they were told so is read here.
    pub(in crate::engine) fn leave_direct_wait(
        &mut self,
        id: JobId,
        waiters: &[(Slot, DirectWaiter)],
    ) {
        self.calls.job_mut(id).set_direct_waiter(None);
        for &(slot, _) in waiters {
            self.arm(slot);
            if self.has_unread(slot) {
                self.drain(slot);
            }
            self.check_claims(slot);
        }
    }

    /// Whether a worker has sent something that is not read.
    pub(in crate::engine) fn has_unread(&self, slot: Slot) -> bool {
        self.fleet.get(slot).is_some_and(WorkerProcess::has_unread)
    }

    /// Whether a caller that wants all results may sleep while results pile up: every worker
    /// that runs the job has work for as long as it takes to wake a caller. To take results a
    /// few at a time, as fast as they come, costs more than everything else.
    pub(in crate::engine) fn may_pile_up(&mut self, id: JobId) -> bool {
        if !self.is_polled() {
            return false;
        }
        let state = self.calls.job_mut(id);
        let (Some(nanos), true) = (state.work.of_item(), state.is_expected()) else {
            return false;
        };
        let enough = (STOCK_TIME.as_nanos() as u64).div_ceil(nanos);
        let scheduler = &self.calls.scheduler;
        let at_it = self.fleet.iter().filter(|process| self.calls.is_at(process.worker, id));
        let mut stocks = at_it.map(|process| scheduler.stock(process.worker.slot, id)).peekable();
        !scheduler.is_hungry() && stocks.peek().is_some() && stocks.all(|stock| stock >= enough)
    }

    /// Whether a worker has chunks that it has not begun. If so, it will ring after this was
    /// asked: when it begins the last one, or when it has run it, if that chunk is longer than
    /// its ring. A hint, like everything that a worker says: if it is wrong, the worker rings
    /// before it sleeps.
    pub(in crate::engine) fn is_stocked(&self, slot: Slot) -> bool {
        self.fleet.get(slot).is_some_and(|process| {
            let begun = process.unfinished(process.channel.claimed());
            begun < self.calls.scheduler.chunks(slot) as u64
        })
    }

    /// Whether a core is free for a caller that polls.
    pub(in crate::engine) fn has_free_core(&self) -> bool {
        if !self.is_polled() {
            return false;
        }
        let is_busy =
            |process: &&WorkerProcess| self.calls.scheduler.front(process.worker).is_some();
        self.fleet.iter().filter(is_busy).count() < self.polling.cores
    }
}
