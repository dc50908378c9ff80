//! Jobs: their queues, retries and deadlines, and how they end.

use std::collections::{BTreeSet, VecDeque};

use super::{Command, DEPTH, JobFailure, Judgement, Scheduler, Terms, Verdict};
use crate::ids::{Item, Items, JobId, Moment};

/// The next job reuses the memory of a queue of up to this many chunks, so that a series of
/// calls allocates none.
const SPARE: usize = 8;

/// Items that travel together.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) items: Items,
    pub(super) weight: u32,
}

#[derive(Debug, Default)]
pub(super) struct Job {
    pub(super) terms: Terms,
    /// Chunks that no worker has, in input order.
    pub(super) queue: VecDeque<Chunk>,
    /// How many assignments of workers belong to this job.
    pub(super) assignments: usize,
    /// No more items will come.
    pub(super) ended: bool,
    /// Its deadline has passed: items that are not done fail.
    pub(super) expired: bool,
    /// Items that have failed and are not judged yet.
    pub(super) unjudged: BTreeSet<Item>,
    /// Items that are tried again: not before when, and their weights.
    pub(super) delayed: BTreeSet<(Moment, Item, u32)>,
    /// The job's entry in `timers`.
    pub(super) timer: Option<Moment>,
}

impl Job {
    fn is_done(&self) -> bool {
        self.ended && self.has_nothing_left()
    }

    /// Whether every item that was queued is settled.
    pub(super) fn has_nothing_left(&self) -> bool {
        self.queue.is_empty()
            && self.assignments == 0
            && self.unjudged.is_empty()
            && self.delayed.is_empty()
    }

    /// When time changes something for the job.
    pub(super) fn next_moment(&self) -> Option<Moment> {
        let deadline = self.terms.deadline.filter(|_| !self.expired);
        let delayed = self.delayed.first().map(|&(moment, ..)| moment);
        deadline.into_iter().chain(delayed).min()
    }
}

impl Scheduler {
    pub(super) fn open_job(&mut self, job: JobId, terms: Terms) -> Verdict {
        assert!(self.is_open() && !self.tripped, "a job was opened on a pool that takes none");
        let timed = terms.deadline.is_some();
        let queue = std::mem::take(&mut self.spare);
        let before = self.jobs.insert(job, Job { terms, queue, ..Job::default() });
        assert!(before.is_none(), "{job:?} was opened twice");
        if timed {
            self.retime(job);
        }
        if self.config.replace {
            // The reason why workers did not start may be gone.
            self.slots.forgive();
        }
        Verdict::Accepted
    }

    pub(super) fn queue_items(&mut self, job: JobId, chunk: Chunk) -> Verdict {
        let Some(state) = self.jobs.get_mut(&job) else {
            return Verdict::Ignored;
        };
        assert!(!state.ended, "{job:?} got items after its end");
        assert!(!chunk.items.is_empty(), "a chunk has at least one item");
        assert!((1..=DEPTH).contains(&chunk.weight), "a chunk's weight is 1 to {DEPTH}");
        if state.expired {
            self.commands.push_back(Command::FailItems { job, items: chunk.items });
            return Verdict::Accepted;
        }
        if state.queue.is_empty() {
            self.rotation.push(job);
        }
        state.queue.push_back(chunk);
        Verdict::Accepted
    }

    pub(super) fn end_job(&mut self, job: JobId) -> Verdict {
        let Some(state) = self.jobs.get_mut(&job) else {
            return Verdict::Ignored;
        };
        if state.ended {
            return Verdict::Ignored;
        }
        state.ended = true;
        self.remove_if_done(job);
        Verdict::Accepted
    }

    pub(super) fn drop_job(&mut self, job: JobId) -> Verdict {
        if !self.jobs.contains_key(&job) {
            return Verdict::Ignored;
        }
        let Job { queue, assignments, .. } = self.remove_job(job);
        self.forsake(job, !queue.is_empty(), assignments != 0);
        Verdict::Accepted
    }

    /// Takes a job that is removed or expired out of the rotation and from its workers. Very
    /// many jobs may be forsaken at once, so a job that is in neither costs no walk.
    fn forsake(&mut self, job: JobId, was_queued: bool, is_assigned: bool) {
        if was_queued {
            let waits = |job| self.jobs.get(&job).is_some_and(|job| !job.queue.is_empty());
            self.rotation.leave(waits);
        }
        if is_assigned {
            self.recall_holders(job);
        }
    }

    /// Recalls the chunks of a forsaken job. The answers tell whether a worker runs one of
    /// them.
    fn recall_holders(&mut self, job: JobId) {
        for worker in self.slots.holders(job) {
            self.recall(worker);
        }
    }

    /// The timer of a job has expired: an item is tried again, or the deadline has passed.
    pub(super) fn wake_job(&mut self, job: JobId, now: Moment) {
        let state = self.jobs.get_mut(&job).expect("timers are of jobs that are there");
        if state.terms.deadline.is_some_and(|deadline| deadline <= now) && !state.expired {
            return self.expire_job(job);
        }
        if let Some((_, item, weight)) = state.delayed.pop_first() {
            self.requeue(job, Chunk { items: item..item + 1, weight });
            self.retime(job);
        }
    }

    fn expire_job(&mut self, job: JobId) {
        let state = self.jobs.get_mut(&job).expect("the caller saw it");
        state.expired = true;
        self.commands.push_back(Command::ExpireJob { job });
        let mut was_queued = false;
        for (_, item, _) in std::mem::take(&mut state.delayed) {
            self.commands.push_back(Command::FailItems { job, items: item..item + 1 });
        }
        for chunk in std::mem::take(&mut state.queue) {
            self.commands.push_back(Command::FailItems { job, items: chunk.items });
            was_queued = true;
        }
        let is_assigned = state.assignments != 0;
        self.forsake(job, was_queued, is_assigned);
        self.retime(job);
        self.remove_if_done(job);
    }

    /// An item has failed. If the job has retries, it keeps the item until it is judged.
    pub(super) fn hold_item(&mut self, job: JobId, item: Item) {
        if let Some(state) = self.jobs.get_mut(&job)
            && state.terms.retries
        {
            state.unjudged.insert(item);
        }
    }

    pub(super) fn judge(&mut self, job: JobId, item: Item, verdict: Judgement) -> Verdict {
        let Some(state) = self.jobs.get_mut(&job) else {
            return Verdict::Ignored;
        };
        if !state.unjudged.remove(&item) {
            return Verdict::Ignored;
        }
        match verdict {
            Judgement::Settled => {}
            Judgement::Again { not_before, weight } => {
                if state.expired || not_before == Moment::ZERO {
                    self.requeue(job, Chunk { items: item..item + 1, weight });
                } else {
                    state.delayed.insert((not_before, item, weight));
                    self.retime(job);
                }
            }
        }
        self.remove_if_done(job);
        Verdict::Accepted
    }

    /// Queues items again that no worker has any more, before those later in the input.
    pub(super) fn requeue(&mut self, job: JobId, chunk: Chunk) {
        if chunk.items.is_empty() {
            return;
        }
        let state = self.jobs.get_mut(&job).expect("a job that has items exists");
        if state.expired {
            self.commands.push_back(Command::FailItems { job, items: chunk.items });
            return;
        }
        if state.queue.is_empty() {
            self.rotation.push(job);
        }
        // Not always at the head: of two workers that die, the one with the earlier items may
        // have exited first.
        let place = state.queue.partition_point(|other| other.items.start < chunk.items.start);
        state.queue.insert(place, chunk);
    }

    /// Fails every job. The caller ends the workers that run one.
    pub(super) fn fail_jobs(&mut self, why: JobFailure) {
        self.rotation.clear();
        self.timers.clear();
        let mut failed: Vec<JobId> = self.jobs.drain().map(|(job, _)| job).collect();
        failed.sort_unstable();
        self.commands.extend(failed.into_iter().map(|job| Command::FailJob { job, why }));
    }

    /// A worker has no more items of the job.
    pub(super) fn unassign(&mut self, job: JobId) {
        if let Some(state) = self.jobs.get_mut(&job) {
            state.assignments -= 1;
            self.remove_if_done(job);
        }
    }

    fn remove_if_done(&mut self, job: JobId) {
        if self.jobs[&job].is_done() {
            let queue = self.remove_job(job).queue;
            if queue.capacity() <= SPARE {
                self.spare = queue;
            }
        }
    }

    fn remove_job(&mut self, job: JobId) -> Job {
        let state = self.jobs.remove(&job).expect("the caller saw it");
        if let Some(moment) = state.timer {
            self.timers.remove(&(moment, job));
        }
        state
    }

    /// The one place where a job's timer changes.
    fn retime(&mut self, job: JobId) {
        let state = self.jobs.get_mut(&job).expect("the caller saw it");
        let (before, after) = (state.timer, state.next_moment());
        state.timer = after;
        if before != after {
            before.map(|moment| self.timers.remove(&(moment, job)));
            after.map(|moment| self.timers.insert((moment, job)));
        }
    }
}
