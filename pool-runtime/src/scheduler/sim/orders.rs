//! Single orders of events, written out: what each leads to.

use super::super::{
    Command, Config, DEPTH, Event, FRUITLESS_LIVES, ItemFailure, JobFailure, Kept, KillReason,
    Scheduler, Terms, Verdict,
};
use crate::ids::{Item, Items, JobId, Moment, Slot, Worker};

pub(super) const JOB: JobId = JobId(7);
pub(super) const OTHER: JobId = JobId(8);
pub(super) const START_TIMEOUT: Moment = Moment::from_secs(10);
pub(super) const STOP_GRACE: Moment = Moment::from_secs(1);

pub(super) fn worker(slot: usize, incarnation: u64) -> Worker {
    Worker { slot: Slot(slot), incarnation }
}

pub(super) fn finished(worker: Worker, items: Items) -> Event {
    Event::ItemsFinished { worker, job: JOB, items }
}

/// A death inside an item.
pub(super) fn crashed(worker: Worker) -> Event {
    Event::WorkerExited { worker, begun: true }
}

/// A death outside all items.
pub(super) fn exited(worker: Worker) -> Event {
    Event::WorkerExited { worker, begun: false }
}

pub(super) fn not_started(worker: Worker, exhausted: bool, now: Moment) -> Event {
    Event::StartFailed { worker, exhausted, now }
}

pub(super) fn opened(job: JobId) -> Event {
    Event::JobOpened { job, terms: Terms::default() }
}

/// A chunk that travels alone.
pub(super) fn queued(items: Items) -> Event {
    Event::ItemsQueued { job: JOB, items, weight: DEPTH }
}

/// A chunk beside which there is room.
pub(super) fn light(job: JobId, items: Items) -> Event {
    Event::ItemsQueued { job, items, weight: 1 }
}

pub(super) fn start(worker: Worker) -> Command {
    Command::Start { worker }
}

pub(super) fn send(worker: Worker, items: Items) -> Command {
    Command::Send { worker, job: JOB, items }
}

pub(super) fn recall(worker: Worker) -> Command {
    Command::Recall { worker }
}

pub(super) fn answered(worker: Worker, kept: Kept) -> Event {
    Event::Recalled { worker, kept, now: Moment::ZERO }
}

pub(super) fn kill(worker: Worker, why: KillReason) -> Command {
    Command::Kill { worker, why }
}

pub(super) fn fail(worker: Worker, item: Item) -> Command {
    Command::FailItem { worker, job: JOB, item, why: ItemFailure::Died }
}

pub(super) fn config(workers: usize) -> Config {
    Config {
        workers,
        start_timeout: START_TIMEOUT,
        stop_grace: STOP_GRACE,
        kill_grace: Moment::ZERO,
        restart_limit: None,
        replace: true,
    }
}

/// A pool, and the time.
pub(super) struct Pool {
    pub(super) scheduler: Scheduler,
    pub(super) now: Moment,
}

impl Pool {
    pub(super) fn of(workers: usize) -> Self {
        Pool::with(config(workers))
    }

    pub(super) fn with(config: Config) -> Self {
        let now = Moment::ZERO;
        Pool { scheduler: Scheduler::new(config, now), now }
    }

    /// A pool whose workers have all reported in, with one job open.
    pub(super) fn at_work(workers: usize) -> Self {
        let mut pool = Pool::of(workers);
        pool.commands();
        pool.news(opened(JOB));
        for slot in 0..workers {
            pool.news(Event::WorkerReady { worker: worker(slot, 1) });
        }
        pool
    }

    pub(super) fn commands(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.scheduler.poll_command()).collect()
    }

    /// What news leads to.
    pub(super) fn news(&mut self, event: Event) -> Vec<Command> {
        let verdict = self.scheduler.note(event.clone());
        let now = self.now;
        self.scheduler.decide(|| now);
        assert_eq!(verdict, Verdict::Accepted, "{event:?}");
        self.commands()
    }

    pub(super) fn all_news(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.news(event);
        }
    }

    pub(super) fn no_news(&mut self, event: Event) {
        let verdict = self.scheduler.note(event.clone());
        let now = self.now;
        self.scheduler.decide(|| now);
        assert_eq!((verdict, self.commands()), (Verdict::Ignored, vec![]), "{event:?}");
    }

    /// What it leads to that time passes.
    pub(super) fn later(&mut self, step: Moment) -> Vec<Command> {
        self.now += step;
        self.scheduler.expire(self.now);
        self.commands()
    }
}

#[test]
fn workers_start_at_once_and_are_sent_a_chunk_when_ready() {
    let mut pool = Pool::of(2);
    assert_eq!(pool.commands(), [start(worker(0, 1)), start(worker(1, 1))]);
    assert_eq!(pool.news(opened(JOB)), []);
    assert_eq!(pool.news(queued(0..3)), []);
    let ready = Event::WorkerReady { worker: worker(1, 1) };
    assert_eq!(pool.news(ready), [send(worker(1, 1), 0..3)]);
}

#[test]
fn a_death_in_an_item_fails_it_and_sends_the_others_again() {
    let (dies, other) = (worker(0, 1), worker(1, 1));
    let mut pool = Pool::at_work(2);
    pool.all_news([queued(0..4), finished(dies, 0..1)]);
    let after = [fail(dies, 1), start(worker(0, 2)), send(other, 2..4)];
    assert_eq!(pool.news(crashed(dies)), after);
}

#[test]
fn a_death_outside_an_item_fails_none() {
    let (dies, other) = (worker(0, 1), worker(1, 1));
    let mut pool = Pool::at_work(2);
    pool.all_news([queued(0..4)]);
    assert_eq!(pool.news(exited(dies)), [start(worker(0, 2)), send(other, 0..4)]);

    pool.all_news([finished(other, 0..1)]);
    assert_eq!(pool.news(exited(other)), [start(worker(1, 2))]);
    let ready = Event::WorkerReady { worker: worker(0, 2) };
    assert_eq!(pool.news(ready), [send(worker(0, 2), 1..4)]);
}

#[test]
fn items_keep_their_order_when_the_later_ones_come_back_last() {
    let (early, late) = (worker(0, 1), worker(1, 1));
    let mut pool = Pool::at_work(2);
    pool.all_news([queued(0..4), queued(4..8), queued(8..9), exited(early), exited(late)]);
    let (early, late) = (worker(0, 2), worker(1, 2));
    assert_eq!(pool.news(Event::WorkerReady { worker: early }), [send(early, 0..4)]);
    assert_eq!(pool.news(Event::WorkerReady { worker: late }), [send(late, 4..8)]);
}

#[test]
fn chunks_go_to_the_worker_that_has_the_least_while_there_is_room() {
    let (first, second) = (worker(0, 1), worker(1, 1));
    let mut pool = Pool::at_work(2);
    assert_eq!(pool.news(queued(0..1)), [send(first, 0..1)]);
    assert_eq!(pool.news(light(JOB, 1..2)), [send(second, 1..2)]);
    assert_eq!(pool.news(queued(2..3)), [send(second, 2..3)]);
    assert_eq!(pool.news(light(JOB, 3..4)), []);
    assert_eq!(pool.news(finished(second, 1..2)), []);
    assert_eq!(pool.news(finished(first, 0..1)), [send(first, 3..4)]);
}

#[test]
fn an_idle_worker_gets_what_another_has_not_begun() {
    let (busy, idle) = (worker(0, 1), worker(1, 1));
    let mut pool = Pool::at_work(2);
    pool.all_news((0..6).map(|item| light(JOB, item..item + 1)));
    pool.all_news([finished(idle, 1..2), finished(idle, 3..4)]);
    assert_eq!(pool.news(finished(idle, 5..6)), [recall(busy)]);
    // It had finished the first chunk and is at the second.
    assert_eq!(pool.news(finished(busy, 0..1)), []);
    assert_eq!(pool.news(answered(busy, Kept::Chunk)), [send(idle, 4..5)]);
    // Both may be at what they have.
    assert_eq!(pool.news(finished(idle, 4..5)), []);
}

#[test]
fn nothing_is_sent_before_a_recall_is_answered_or_the_worker_is_gone() {
    let (busy, idle) = (worker(0, 1), worker(1, 1));
    let mut pool = Pool::at_work(2);
    pool.all_news((0..4).map(|item| light(JOB, item..item + 1)));
    pool.all_news([finished(idle, 1..2)]);
    assert_eq!(pool.news(finished(idle, 3..4)), [recall(busy)]);
    assert_eq!(pool.news(light(JOB, 4..5)), []);
    let after = [fail(busy, 0), start(worker(0, 2)), send(idle, 2..3), send(idle, 4..5)];
    assert_eq!(pool.news(crashed(busy)), after);
    pool.no_news(answered(busy, Kept::Chunk));
}

#[test]
fn a_dropped_job_takes_a_worker_with_it_only_if_that_is_at_it() {
    let (at_it, behind) = (worker(0, 1), worker(1, 1));
    let mut pool = Pool::at_work(2);
    pool.all_news([opened(OTHER), light(JOB, 0..1), light(OTHER, 0..1)]);
    pool.all_news([light(OTHER, 1..2), light(JOB, 1..2)]);
    let recalls = [recall(at_it), recall(behind)];
    assert_eq!(pool.news(Event::JobDropped { job: JOB }), recalls);
    assert_eq!(pool.news(answered(at_it, Kept::Chunk)), [kill(at_it, KillReason::JobDropped)]);
    let sent = Command::Send { worker: behind, job: OTHER, items: 1..2 };
    assert_eq!(pool.news(answered(behind, Kept::Chunk)), [sent]);
}

#[test]
fn a_result_that_crosses_the_kill_is_ignored() {
    let doomed = worker(0, 1);
    let mut pool = Pool::at_work(1);
    pool.all_news([queued(0..3)]);
    assert_eq!(pool.news(Event::JobDropped { job: JOB }), [recall(doomed)]);
    assert_eq!(pool.news(finished(doomed, 0..1)), []);
    assert_eq!(pool.news(answered(doomed, Kept::Chunk)), [kill(doomed, KillReason::JobDropped)]);
    pool.no_news(finished(doomed, 1..2));
    pool.no_news(answered(doomed, Kept::Chunk));
    assert_eq!(pool.news(crashed(doomed)), [start(worker(0, 2))]);
    pool.no_news(crashed(doomed));
}

#[test]
fn words_are_news_only_from_the_present_life() {
    let (gone, present) = (worker(0, 1), worker(0, 2));
    let mut pool = Pool::at_work(1);
    pool.all_news([exited(gone)]);
    pool.no_news(Event::WorkerReady { worker: gone });
    pool.all_news([Event::WorkerReady { worker: present }, queued(0..3)]);
    pool.no_news(finished(gone, 0..1));
    pool.no_news(crashed(gone));
    pool.all_news([finished(present, 0..1)]);
    for items in [0..1, 0..2, 2..3, 1..4, 1..1] {
        pool.no_news(finished(present, items));
    }
    pool.all_news([finished(present, 1..3)]);
    pool.no_news(finished(present, 1..3));
}

#[test]
fn the_end_of_a_job_is_news_once() {
    let mut pool = Pool::at_work(1);
    pool.all_news([queued(0..1), Event::JobEnded { job: JOB }]);
    pool.no_news(Event::JobEnded { job: JOB });
    pool.all_news([finished(worker(0, 1), 0..1)]);
    pool.no_news(Event::JobDropped { job: JOB });
}

#[test]
fn a_job_begins_with_the_memory_of_another_queue_unless_that_was_long() {
    for (chunks, is_kept) in [(1, true), (100, false)] {
        let mut pool = Pool::at_work(1);
        pool.all_news((0..chunks).map(|item| queued(item..item + 1)));
        pool.all_news((0..chunks).map(|item| finished(worker(0, 1), item..item + 1)));
        pool.all_news([Event::JobEnded { job: JOB }, opened(OTHER)]);
        assert_eq!(pool.scheduler.jobs[&OTHER].queue.capacity() > 0, is_kept, "{chunks} chunks");
    }
}

#[test]
fn a_slot_is_given_up_when_nothing_begins_in_it_and_tried_for_a_new_job() {
    let mut pool = Pool::of(1);
    pool.commands();
    pool.news(opened(JOB));
    for life in 1..FRUITLESS_LIVES.into() {
        let failed = not_started(worker(0, life), false, pool.now);
        assert_eq!(pool.news(failed), [start(worker(0, life + 1))]);
    }
    let last = u64::from(FRUITLESS_LIVES);
    let failed = not_started(worker(0, last), false, pool.now);
    assert_eq!(pool.news(failed), [Command::FailJob { job: JOB, why: JobFailure::NoWorkers }]);
    assert!(pool.scheduler.has_tripped());
    assert_eq!(pool.news(Event::Reset), [start(worker(0, last + 1))]);
    pool.no_news(Event::Reset);
    pool.news(opened(OTHER));
}

#[test]
fn a_life_in_which_an_item_began_is_not_held_against_its_slot() {
    let mut pool = Pool::at_work(1);
    pool.all_news([queued(0..2), finished(worker(0, 1), 0..1)]);
    for life in 1..=FRUITLESS_LIVES.into() {
        assert_eq!(pool.news(exited(worker(0, life))), [start(worker(0, life + 1))]);
    }
}

#[test]
fn a_worker_that_does_not_report_in_is_killed_at_its_deadline() {
    let mut pool = Pool::of(1);
    pool.commands();
    assert_eq!(pool.scheduler.next_deadline(), Some(START_TIMEOUT));
    assert_eq!(pool.later(START_TIMEOUT - Moment::from_nanos(1)), []);
    let slow = worker(0, 1);
    assert_eq!(pool.later(Moment::from_nanos(1)), [kill(slow, KillReason::StartTimeout)]);
    assert_eq!(pool.scheduler.next_deadline(), None);
    pool.no_news(Event::WorkerReady { worker: slow });
    assert_eq!(pool.news(exited(slow)), [start(worker(0, 2))]);
}

#[test]
fn a_start_timeout_may_be_without_end() {
    let start_timeout = Moment::MAX;
    let mut pool = Pool::with(Config { start_timeout, ..config(1) });
    pool.commands();
    assert_eq!(pool.later(Moment::from_secs(1)), []);
    assert_eq!(pool.news(exited(worker(0, 1))), [start(worker(0, 2))]);
}

#[test]
fn a_closed_pool_says_goodbye_when_the_last_item_is_done() {
    let only = worker(0, 1);
    let mut pool = Pool::at_work(1);
    pool.all_news([queued(0..1), queued(1..2)]);
    assert_eq!(pool.news(Event::Close), []);
    pool.no_news(Event::Close);
    assert_eq!(pool.news(finished(only, 0..1)), [send(only, 1..2)]);
    pool.all_news([Event::JobEnded { job: JOB }]);
    assert_eq!(pool.news(finished(only, 1..2)), [Command::Stop { worker: only }]);
    assert!(!pool.scheduler.is_finished());
    assert_eq!(pool.later(STOP_GRACE), [kill(only, KillReason::StopGrace)]);
    assert_eq!(pool.news(exited(only)), []);
    assert!(pool.scheduler.is_finished());
}

#[test]
fn a_pool_of_one_life_fails_its_job_when_that_life_ends() {
    let only = worker(0, 1);
    let mut pool = Pool::with(Config { replace: false, ..config(1) });
    assert_eq!(pool.commands(), [start(only)]);
    pool.all_news([opened(JOB), queued(0..1)]);
    let fails = [Command::FailJob { job: JOB, why: JobFailure::NoWorkers }];
    assert_eq!(pool.news(exited(only)), fails);
}
