//! Single orders of events around starts that fail because something is short, and jobs
//! that leave the rotation, written out: what each leads to.

use super::super::exhaustion::{EXHAUSTED_STARTS, FIRST_PAUSE, LONGEST_PAUSE};
use super::super::{Command, Config, DEPTH, Event, JobFailure};
use super::orders::{
    JOB, OTHER, Pool, config, exited, not_started, opened, queued, send, start, worker,
};
use crate::ids::{JobId, Moment};

const TICK: Moment = Moment::from_nanos(1);

impl Pool {
    /// A worker cannot be started because something is short.
    fn is_short(&mut self, slot: usize, life: u64) -> Vec<Command> {
        let now = self.now;
        self.news(not_started(worker(slot, life), true, now))
    }
}

#[test]
fn what_is_short_is_asked_for_again_after_pauses_that_double_until_a_worker_reports_in() {
    let mut pool = Pool::at_work(1);
    assert_eq!(pool.news(exited(worker(0, 1))), [start(worker(0, 2))]);
    for (life, pause) in (2..6).zip([1, 2, 4, 8].map(|times| FIRST_PAUSE * times)) {
        assert_eq!(pool.is_short(0, life), []);
        assert_eq!(pool.scheduler.next_deadline(), Some(pool.now + pause));
        assert_eq!(pool.later(pause - TICK), []);
        assert_eq!(pool.later(TICK), [start(worker(0, life + 1))]);
    }
    pool.news(Event::WorkerReady { worker: worker(0, 6) });
    assert_eq!(pool.scheduler.next_deadline(), None);
    assert_eq!(pool.news(queued(0..1)), [send(worker(0, 6), 0..1)]);
    pool.news(exited(worker(0, 6)));
    pool.is_short(0, 7);
    assert_eq!(pool.scheduler.next_deadline(), Some(pool.now + FIRST_PAUSE), "it begins anew");
}

#[test]
fn a_shortage_that_lasts_ends_the_jobs_within_seconds_and_is_no_death() {
    let restart_limit = Some((0, Moment::MAX));
    let mut pool = Pool::with(Config { restart_limit, ..config(1) });
    pool.commands();
    pool.news(opened(JOB));
    for life in 1..u64::from(EXHAUSTED_STARTS) {
        assert_eq!(pool.is_short(0, life), []);
        assert_eq!(pool.later(LONGEST_PAUSE.min(FIRST_PAUSE * (1 << (life - 1)))).len(), 1);
    }
    let fails = Command::FailJob { job: JOB, why: JobFailure::NoWorkers };
    assert_eq!(pool.is_short(0, EXHAUSTED_STARTS.into()), [fails]);
    assert!(pool.scheduler.has_tripped() && pool.now < Moment::from_secs(3));
    assert_eq!(pool.scheduler.next_deadline(), None);
    let next = u64::from(EXHAUSTED_STARTS) + 1;
    assert_eq!(pool.news(Event::Reset), [start(worker(0, next))]);
}

#[test]
fn beside_a_worker_that_lives_it_is_tried_on_and_given_up_soon_after_its_death() {
    let mut pool = Pool::at_work(2);
    pool.news(exited(worker(1, 1)));
    let tries = 3 * u64::from(EXHAUSTED_STARTS);
    for life in 2..tries {
        assert_eq!(pool.is_short(1, life), []);
        assert_eq!(pool.later(LONGEST_PAUSE), [start(worker(1, life + 1))]);
    }
    assert_eq!(pool.is_short(1, tries), []);
    assert_eq!(pool.news(exited(worker(0, 1))), []);
    assert_eq!(pool.later(LONGEST_PAUSE), [start(worker(0, 2))]);
    let fails = Command::FailJob { job: JOB, why: JobFailure::NoWorkers };
    assert_eq!(pool.is_short(0, 2), [fails]);
}

#[test]
fn workers_that_find_too_little_together_have_failed_once_and_one_is_tried_for_all() {
    let mut pool = Pool::of(3);
    pool.commands();
    pool.news(opened(JOB));
    for slot in [1, 0, 2] {
        assert_eq!(pool.is_short(slot, 1), []);
    }
    assert_eq!(pool.later(FIRST_PAUSE), [start(worker(0, 2))]);
    // It hangs, and keeps nobody from being the next.
    assert_eq!(pool.later(FIRST_PAUSE), [start(worker(1, 2))]);
    let ready = Event::WorkerReady { worker: worker(0, 2) };
    assert_eq!(pool.news(ready), [start(worker(2, 2))]);
}

#[test]
fn a_job_that_opens_during_a_pause_waits_for_its_end() {
    let mut pool = Pool::at_work(2);
    pool.news(exited(worker(1, 1)));
    pool.is_short(1, 2);
    assert_eq!(pool.news(opened(OTHER)), []);
    assert_eq!(pool.later(FIRST_PAUSE), [start(worker(1, 3))]);
}

#[test]
fn those_that_stay_in_the_rotation_keep_their_turn_when_most_leave() {
    let mut pool = Pool::at_work(1);
    pool.news(queued(0..1));
    let jobs: Vec<JobId> = (100..1000).map(JobId).collect();
    for &job in &jobs {
        pool.all_news([opened(job), Event::ItemsQueued { job, items: 0..1, weight: DEPTH }]);
    }
    // All but each hundredth, from the middle outwards.
    let mut leavers: Vec<JobId> = jobs.iter().copied().filter(|job| job.0 % 100 != 7).collect();
    leavers.sort_by_key(|job| job.0.abs_diff(550));
    for job in leavers {
        pool.news(Event::JobDropped { job });
        let (names, left) = pool.scheduler.rotation.names();
        assert!(left * 2 <= names.len(), "{left} of {} have left", names.len());
    }
    let mut done = Event::ItemsFinished { worker: worker(0, 1), job: JOB, items: 0..1 };
    for hundred in 1..10 {
        let job = JobId(hundred * 100 + 7);
        let sent = Command::Send { worker: worker(0, 1), job, items: 0..1 };
        assert_eq!(pool.news(done), [sent]);
        done = Event::ItemsFinished { worker: worker(0, 1), job, items: 0..1 };
    }
    assert_eq!(pool.news(done), []);
    assert!(pool.scheduler.is_hungry());
}
