//! Changes calls by what workers report.

use super::super::job::Arrival;
use super::Calls;
use super::outcomes::describe;
use crate::channel::Bodies;
use crate::ids::{Items, JobId, Slot, Worker, index};
use crate::scheduler::{Event, Life, Verdict};
use crate::supervisor::{Failed, Listener};

/// These only note events; the scheduler decides at the end of the turn, when it has them all.
/// Otherwise it might give a worker more items of a job that the next report ends.
impl Listener for Calls {
    fn front(&self, worker: Worker) -> Option<(JobId, Items)> {
        self.scheduler.front(worker)
    }

    fn is_serving(&self, slot: Slot) -> bool {
        matches!(self.scheduler.life(slot), Life::Serving)
    }

    fn is_ending(&self, slot: Slot) -> bool {
        matches!(self.scheduler.life(slot), Life::Dying { .. } | Life::Leaving { .. })
    }

    fn ready(&mut self, worker: Worker) {
        self.life_changed = true;
        self.ends.worker_reported_in();
        let ready = self.note(Event::WorkerReady { worker });
        if ready == Verdict::Accepted && worker.incarnation == 1 {
            self.awaited -= 1;
        }
    }

    fn returned(&mut self, worker: Worker, job: JobId, items: Items, results: Bodies, time: u64) {
        self.count_work(job, items.end - items.start, time);
        self.accept(Event::ItemsFinished { worker, job, items: items.clone() });
        // A dropped job may still be at a worker whose chunks are not recalled yet.
        if self.jobs.contains_key(&job) {
            self.settle(job, Arrival::Run { items, results });
        }
    }

    fn failed(&mut self, worker: Worker, failed: Failed) {
        let Failed { job, item, failure, pid, written, time } = failed;
        self.count_work(job, 1, time);
        let retries = self.jobs.get(&job).is_some_and(|job| job.rules.retries > 0);
        self.accept(match retries {
            true => Event::ItemHeld { worker, job, item },
            false => Event::ItemsFinished { worker, job, items: item..item + 1 },
        });
        if let Some(state) = self.jobs.get(&job) {
            let named = state.named(item).map(index);
            let error = describe(failure, state.task, named, pid);
            self.fail(job, item, error.with_written(written));
        }
    }

    fn retired(&mut self, worker: Worker) {
        self.life_changed = true;
        self.tell(Event::WorkerRetired { worker, now: self.now() });
    }
}

impl Calls {
    fn count_work(&mut self, job: JobId, items: u64, time: u64) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.work.add(items, time);
        }
    }
}
