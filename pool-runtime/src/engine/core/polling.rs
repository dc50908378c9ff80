//! Who looks at the workers' rings: callers that wait, or the engine's thread when
//! it hears a bell.

use super::Core;
use crate::channel::{Attention, Line};
use crate::ids::{Items, JobId, Slot, Worker};
use crate::limits::{LOOK_MOST, STOCK_TIME};
use crate::supervisor::WorkerProcess;

/// So many looks are worth it if one of them finds news: together they cost a tenth of
/// what a bell costs.
const LOOKS_FOR_ONE: usize = 8;

/// What is known of who is to look when.
#[derive(Debug)]
pub(super) struct Polling {
    /// By slot: the map that all chunks are of that a worker has, if they are of one.
    maps: Vec<Option<JobId>>,
    /// Somebody has rung who does so for others too, and which of these is next; see
    /// [`Core::poll_others`].
    poll_others: bool,
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
    /// What a worker with chunks of this one map, or with others, is to be told now.
    fn attention(&self, map: Option<JobId>) -> Attention {
        if !self.is_looked_at() {
            // Whatever else it has, somebody may wait for.
            return if map.is_some() { Attention::Lazy } else { Attention::Eager };
        }
        match (self.calls.waiters, self.calls.patient) {
            (0, 0) => Attention::Lazy,
            (0, _) => Attention::Patient,
            _ => Attention::Eager,
        }
    }

    /// Tells a worker when to summon from now on. If it is another by now than the caller
    /// thinks of, it is told what it would be told anyway.
    pub(super) fn arm(&mut self, slot: Slot) {
        let attention = self.attention(self.polling.maps[slot.0]);
        if let Some(process) = self.fleet.get_mut(slot) {
            process.arm(attention);
        }
    }

    /// Sees to it that a worker that is about to be sent a chunk summons as often as
    /// whoever waits for that needs it to.
    pub(super) fn attend_to(&mut self, worker: Worker, map: Option<JobId>, chunk: (JobId, &Items)) {
        let slot = worker.slot;
        let large = !self.is_looked_at();
        let front = if large { self.calls.scheduler.front(worker) } else { None };
        let alone = front.is_some_and(|(job, items)| (job, &items) == chunk);
        let Some(process) = self.fleet.find(worker) else {
            return;
        };
        let told = process.attention();
        let before = &mut self.polling.maps[slot.0];
        *before = if alone { map } else { before.filter(|_| *before == map) };
        let only = *before;
        let raised = told < self.attention(only);
        // Less often than before only if it has nothing else: then all is read that it has
        // sent.
        if raised || (large && alone) {
            self.arm(slot);
        }
        // What it was told not to ring for may be the end of another job.
        if raised && large && self.has_news(slot) {
            self.unread.push(slot);
        }
    }

    /// In a large pool, the workers that are at one map do not ring at each result: it
    /// would cost more than the rest of what an item costs, and while they have a chunk
    /// before them there is no hurry. One of them rings when it has none. Then it is
    /// time to look at some others too, which are sent more before they run out, and so
    /// do not ring at all.
    ///
    /// As many at a time as callers of smaller pools look at, and on as long as that finds
    /// something, so that what a bell costs does not depend on how many workers there are.
    pub(super) fn poll_others(&mut self) {
        // All of them before any is read: what a look costs is to wait for the memory of a
        // worker that was not looked at for long, and the processor waits for many at once.
        let (first, count) = (self.polling.next_polled, self.fleet.size());
        let slots: [Slot; LOOK_MOST] = std::array::from_fn(|step| Slot((first + step) % count));
        self.polling.next_polled = (first + LOOK_MOST) % count;
        let news = slots.map(|slot| self.has_news(slot));
        let mut found = 0;
        for (slot, _) in slots.into_iter().zip(news).filter(|&(_, has_news)| has_news) {
            self.drain(slot);
            found += 1;
        }
        self.polling.poll_others = found >= LOOK_MOST / LOOKS_FOR_ONE;
        self.settle();
    }

    /// Whether callers look at the rings. In a large pool that would cost each of
    /// them more than the bells cost.
    fn is_looked_at(&self) -> bool {
        self.fleet.size() <= LOOK_MOST
    }

    /// Takes in what workers have sent, if callers look at the rings; tells whether
    /// there was anything.
    pub(in crate::engine) fn poll(&mut self) -> bool {
        if !self.is_looked_at() {
            return false;
        }
        let mut came = false;
        for slot in (0..self.fleet.size()).map(Slot) {
            if self.has_news(slot) {
                self.drain(slot);
                came = true;
            }
        }
        came
    }

    /// Has every worker that is at work ring as somebody who waits needs it; tells
    /// whether some had news by now. Then
    pub(in crate::engine) fn listen(&mut self) -> bool {
        if !self.is_looked_at() {
            return false;
        }
        let attention = self.attention(None);
        for process in self.fleet.iter_mut() {
            let worker = process.worker;
            if process.attention() < attention && self.calls.scheduler.front(worker).is_some() {
                process.arm(attention);
            }
        }
        self.poll()
    }

    /// Where a caller may sleep until its job has news: on the workers that are at the
    /// job. They have been told to wake it, and so has everybody who settles items of
    /// the job; [`Core::hang_up`] follows. Nothing if it must sleep otherwise.
    ///
    /// A worker wakes it for what others wait for too, and it sees to that as the
    /// engine's thread would. One that gets more to do of the job meanwhile rings its
    /// bell.
    pub(in crate::engine) fn lines(&mut self, id: JobId) -> Vec<(Slot, Line)> {
        if !self.is_looked_at() || self.calls.job_mut(id).is_slept_on() {
            return Vec::new();
        }
        let attention = self.attention(None);
        let mut lines = Vec::new();
        for process in self.fleet.iter_mut() {
            if self.calls.is_at(process.worker, id) {
                lines.push((process.worker.slot, process.arm_line(attention)));
            }
        }
        if lines.len() > Line::most() {
            lines.iter().for_each(|&(slot, _)| self.arm(slot));
            lines.clear();
        }
        self.calls.job_mut(id).set_line(lines.first().map(|(_, line)| line.clone()));
        lines
    }

    /// The caller sleeps no longer on these workers, which are to ring their bells
    /// again. What they sent before they were told so is read here.
    pub(in crate::engine) fn hang_up(&mut self, id: JobId, lines: &[(Slot, Line)]) {
        self.calls.job_mut(id).set_line(None);
        for &(slot, _) in lines {
            self.arm(slot);
            if self.has_news(slot) {
                self.drain(slot);
            }
            self.check_claims(slot);
        }
    }

    /// Whether a worker has sent what is not read.
    pub(in crate::engine) fn has_news(&self, slot: Slot) -> bool {
        self.fleet.get(slot).is_some_and(WorkerProcess::has_news)
    }

    /// Whether one who wants all results in the end may sleep beside results that have
    /// come: every worker that is at the job has work for as long as it takes to wake
    /// somebody. Results that are taken a few at a time, as fast as they come, cost more
    /// in that than in all else.
    pub(in crate::engine) fn can_spare(&mut self, id: JobId) -> bool {
        if !self.is_looked_at() {
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

    /// Whether a worker has chunks that it has not begun, so that it will summon whoever
    /// has told it to before this asks: when it begins the last, or, if that is longer than
    /// its ring, when it has run it. A hint, as all that a worker says: one that says it has
    /// where it has not summons before it sleeps.
    pub(in crate::engine) fn is_stocked(&self, slot: Slot) -> bool {
        self.fleet.get(slot).is_some_and(|process| {
            let begun = process.unfinished(process.channel.claimed());
            begun < self.calls.scheduler.chunks(slot) as u64
        })
    }

    /// Whether a core is left for a caller that looks.
    pub(in crate::engine) fn has_free_core(&self) -> bool {
        if !self.is_looked_at() {
            return false;
        }
        let is_busy =
            |process: &&WorkerProcess| self.calls.scheduler.front(process.worker).is_some();
        self.fleet.iter().filter(is_busy).count() < self.polling.cores
    }
}
