//! Orders of events around a join, beside jobs whose callers may never come again.

use super::super::{Command, Event, JobFailure, Judgement, Terms};
use super::orders::{
    JOB, OTHER, Pool, config, exited, finished, not_started, opened, queued, send, start, worker,
};
use crate::ids::{JobId, Moment, Worker};

fn lazy(job: JobId) -> Event {
    Event::JobOpened { job, terms: Terms { lazy: true, ..Terms::default() } }
}

fn stop(worker: Worker) -> Command {
    Command::Stop { worker }
}

/// A pool of one worker, which is ready, and one lazy job, closed.
fn closed() -> (Pool, Worker) {
    let only = worker(0, 1);
    let mut pool = Pool::of(1);
    pool.commands();
    pool.all_news([lazy(JOB), Event::WorkerReady { worker: only }, Event::Close]);
    (pool, only)
}

#[test]
fn a_join_waits_for_what_was_queued_and_not_for_the_caller() {
    let (mut pool, only) = closed();
    assert_eq!(pool.news(queued(0..2)), [send(only, 0..2)]);
    assert_eq!(pool.news(Event::Join), []);
    assert_eq!(pool.news(finished(only, 0..1)), []);
    assert_eq!(pool.news(finished(only, 1..2)), [stop(only)]);
    assert_eq!(pool.scheduler.departures(), 0);
    assert_eq!(pool.news(exited(only)), []);
    assert_eq!(pool.scheduler.departures(), 1);
    assert!(!pool.scheduler.is_finished(), "the caller may come again");
}

#[test]
fn workers_come_back_for_a_caller_that_does_and_stay() {
    let (mut pool, only) = closed();
    assert_eq!(pool.news(Event::Join), [stop(only)]);
    assert_eq!(pool.news(exited(only)), []);
    let again = worker(0, 2);
    assert_eq!(pool.news(queued(0..1)), [start(again)]);
    assert_eq!(pool.news(Event::WorkerReady { worker: again }), [send(again, 0..1)]);
    assert_eq!(pool.news(finished(again, 0..1)), [], "nobody joins any more");
    assert_eq!(pool.news(Event::Join), [stop(again)]);
    assert_eq!(pool.news(exited(again)), []);
    assert_eq!(pool.scheduler.departures(), 2);
    assert_eq!(pool.news(Event::JobEnded { job: JOB }), []);
    assert!(pool.scheduler.is_finished());
}

#[test]
fn a_caller_that_comes_while_workers_leave_has_the_join_wait_on() {
    let (mut pool, only) = closed();
    assert_eq!(pool.news(Event::Join), [stop(only)]);
    assert_eq!(pool.news(queued(0..1)), []);
    let again = worker(0, 2);
    assert_eq!(pool.news(exited(only)), [start(again)]);
    assert_eq!(pool.news(Event::WorkerReady { worker: again }), [send(again, 0..1)]);
    assert_eq!(pool.scheduler.departures(), 0);
    assert_eq!(pool.news(finished(again, 0..1)), [stop(again)]);
    assert_eq!(pool.news(exited(again)), []);
    assert_eq!(pool.scheduler.departures(), 1);
}

#[test]
fn a_join_waits_for_the_caller_of_a_job_that_is_not_lazy() {
    let only = worker(0, 1);
    let mut pool = Pool::of(1);
    pool.commands();
    pool.all_news([lazy(JOB), opened(OTHER), Event::WorkerReady { worker: only }, Event::Close]);
    assert_eq!(pool.news(Event::Join), []);
    pool.no_news(Event::Join);
    assert_eq!(pool.news(Event::JobEnded { job: OTHER }), [stop(only)]);
}

#[test]
fn a_join_waits_for_items_that_are_not_judged_or_wait_to_be_tried_again() {
    let only = worker(0, 1);
    let mut pool = Pool::of(1);
    pool.commands();
    let terms = Terms { lazy: true, retries: true, ..Terms::default() };
    pool.all_news([Event::JobOpened { job: JOB, terms }, Event::WorkerReady { worker: only }]);
    pool.all_news([queued(0..1), Event::Close, Event::Join]);
    assert_eq!(pool.news(Event::ItemHeld { worker: only, job: JOB, item: 0 }), []);
    let pause = Moment::from_secs(1);
    let verdict = Judgement::Again { not_before: pause, weight: 1 };
    assert_eq!(pool.news(Event::ItemJudged { job: JOB, item: 0, verdict }), []);
    assert_eq!(pool.later(pause), [send(only, 0..1)]);
    assert_eq!(pool.news(finished(only, 0..1)), [stop(only)]);
}

#[test]
fn nobody_is_started_for_a_caller_that_may_never_come() {
    let (mut pool, only) = closed();
    assert_eq!(pool.news(exited(only)), []);
    assert_eq!(pool.scheduler.departures(), 0, "nobody has joined");
    assert_eq!(pool.news(Event::Join), []);
    assert_eq!(pool.scheduler.departures(), 1);
}

#[test]
fn a_caller_for_whom_no_worker_comes_back_is_told() {
    let mut pool = Pool::with(config(1));
    pool.commands();
    let ready = Event::WorkerReady { worker: worker(0, 1) };
    pool.all_news([lazy(JOB), ready, Event::Close, Event::Join, exited(worker(0, 1))]);
    assert_eq!(pool.news(queued(0..1)), [start(worker(0, 2))]);
    for life in [2, 3] {
        let failed = not_started(worker(0, life), false, pool.now);
        assert_eq!(pool.news(failed), [start(worker(0, life + 1))]);
    }
    let failed = not_started(worker(0, 4), false, pool.now);
    assert_eq!(pool.news(failed), [Command::FailJob { job: JOB, why: JobFailure::NoWorkers }]);
    assert!(pool.scheduler.is_finished());
}

#[test]
fn an_open_pool_and_a_terminated_one_are_not_joined() {
    let mut pool = Pool::at_work(1);
    pool.no_news(Event::Join);
    let now = pool.now;
    pool.news(Event::Terminate { now });
    pool.no_news(Event::Join);
}
