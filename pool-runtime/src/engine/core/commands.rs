//! Carries out the scheduler's commands on workers and jobs.

use super::super::calls::End;
use super::Core;
use crate::channel::Corrupt;
use crate::ids::{Item, Items, JobId, Worker};
use crate::scheduler::{Command, Event, ItemFailure, Kept};
use crate::supervisor::{KillCause, is_from_exhaustion};
use crate::wire::message::{self, request};
use crate::wire::output::SINGLE;

impl Core {
    /// Lets the scheduler decide on all events, and carries out its commands, until none is
    /// left. The release of the lock calls this.
    pub(in crate::engine) fn settle(&mut self) {
        let mut sent_to = std::mem::take(&mut self.sent_to);
        while let Some(command) = self.calls.next_command() {
            match command {
                Command::Start { worker } => self.start(worker),
                Command::Send { worker, job, items } => {
                    self.send(worker, job, &items);
                    sent_to.push(worker.slot);
                }
                Command::Recall { worker } => self.recall(worker, None),
                Command::Fence { worker, job, item } => self.recall(worker, Some((job, item))),
                Command::Stop { worker } => {
                    let told = self.fleet.find(worker).map(|process| process.channel.goodbye());
                    self.check(worker, told.unwrap_or(Ok(())));
                    sent_to.push(worker.slot);
                }
                Command::Ask { worker, why } => self.fleet.ask(worker, KillCause::Commanded(why)),
                Command::Kill { worker, why } => self.fleet.kill(worker, KillCause::Commanded(why)),
                Command::FailItem { worker, job, item, why } => {
                    self.fail_item(worker, job, item, why);
                }
                Command::ExpireJob { job } => self.calls.expire_job(job),
                Command::FailItems { job, items } => self.calls.fail_late(job, &items),
                Command::FailJob { job, why } => self.calls.fail_job(job, why),
            }
        }
        // Each worker once, even if it was sent many chunks.
        sent_to.dedup();
        for slot in sent_to.drain(..) {
            if let Some(process) = self.fleet.get(slot) {
                process.channel.wake();
            }
        }
        self.sent_to = sent_to;
    }

    fn start(&mut self, worker: Worker) {
        self.polling.forget(worker.slot);
        if let Err(error) = self.fleet.start(worker, self.calls.is_awaiting()) {
            let (exhausted, now) = (is_from_exhaustion(&error), self.calls.now());
            self.calls.note_end(error, End::NotStarted);
            self.calls.note_life();
            self.calls.tell(Event::StartFailed { worker, exhausted, now });
        }
    }

    fn send(&mut self, worker: Worker, id: JobId, items: &Items) {
        let job = self.calls.get(id).expect("the scheduler knows only jobs that are kept");
        let careful = if job.rules.is_careful() { request::CAREFUL } else { 0 };
        let quiet = if job.shape.is_map() { request::QUIET } else { 0 };
        let tag = if job.shape.single { request::CALL } else { request::CHUNK } | careful | quiet;
        let first = job.named(items.start).unwrap_or(SINGLE);
        let (key, map) = (job.task.wire_key(), job.shape.is_map().then_some(id));
        self.head.clear();
        message::put_chunk_head(&mut self.head, key, first, items.end - items.start);
        self.adjust_wake_policy(worker, map, (id, items));
        let body = self.calls.job_mut(id).body(items);
        let process = self.fleet.find(worker);
        let sent = process.map(|process| process.send(tag, &self.head, body));
        self.check(worker, sent.unwrap_or(Ok(())));
    }

    /// Withdraws the chunks that the worker has not begun. If it is at the `condemned` item, or
    /// right before it, stops it from beginning another. Tells the scheduler what it kept.
    fn recall(&mut self, worker: Worker, condemned: Option<(JobId, Item)>) {
        let recalled = self.fleet.find(worker).map(|process| process.channel.recall());
        let kept = match recalled {
            None => Kept::Nothing,
            Some(Err(corrupt)) => {
                self.check(worker, Err(corrupt));
                // The worker is killed, so it begins no other item.
                if condemned.is_some() { Kept::Item } else { Kept::Chunk }
            }
            Some(Ok(claimed)) => {
                // First read what it has finished, which is at least all that it has claimed but
                // the last chunk.
                self.drain(worker.slot);
                let front = self.calls.scheduler.front(worker);
                let front = front.map(|(job, items)| (job, items.start));
                let process = self.fleet.find(worker).expect("only an exit removes it");
                let chunks = process.unfinished(claimed);
                let ahead = process.ahead();
                let between = chunks == 0 && ahead == 0;
                // A corrupt worker may be at an item, whatever it reports.
                let is_corrupt = (!between && chunks != 1) || (ahead > 1 && !process.has_unread());
                let is_there = !between && condemned.is_some() && condemned == front;
                let caught = is_there && ahead <= 1 && process.fence(ahead);
                if is_corrupt {
                    self.check(worker, Err(Corrupt));
                }
                match caught {
                    _ if between => Kept::Nothing,
                    true if ahead == 0 => Kept::Nothing,
                    true => Kept::Item,
                    false if is_corrupt && is_there => Kept::Item,
                    // It may have begun the next item meanwhile.
                    false => Kept::Chunk,
                }
            }
        };
        let now = self.calls.now();
        self.calls.tell(Event::Recalled { worker, kept, now });
    }

    /// Kills a worker whose shared memory is corrupt.
    fn check(&mut self, worker: Worker, result: Result<(), Corrupt>) {
        if result.is_err() {
            self.fleet.kill_unread(worker.slot, KillCause::Corrupt);
        }
    }

    fn fail_item(&mut self, worker: Worker, id: JobId, item: Item, why: ItemFailure) {
        // The recall before this may have ended the job.
        let Some(job) = self.calls.get(id) else {
            return;
        };
        let named = job.named(item);
        let error = match why {
            ItemFailure::TimedOut => {
                let who = self.fleet.who(worker.slot);
                let process = self.fleet.find(worker).expect("only an exit removes it");
                let error = job.overdue(&who, process.pid(), named);
                error.with_written(self.fleet.written_by_overdue(worker.slot, named))
            }
            ItemFailure::Died => {
                let exit_report = self.fleet.exit_report(worker.slot).expect("the worker has died");
                assert_eq!(exit_report.worker, worker, "the worker that died last in its slot");
                exit_report.of_item(job.task.name, named)
            }
        };
        self.calls.fail(id, item, error);
    }
}
