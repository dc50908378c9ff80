//! Single orders of events in which time plays a part, written out: what each leads to.

use std::time::Duration;

use super::super::{
    Command, Config, Event, ItemFailure, JobFailure, Judgement, Kept, KillReason, Life, Terms,
};
use super::orders::{
    JOB, OTHER, Pool, STOP_GRACE, config, crashed, exited, finished, kill, light, opened, queued,
    recall, send, start, worker,
};
use crate::ids::{Item, Items, JobId, Moment, Slot, Worker};
use crate::limits::UNRESPONSIVE;

const LIMIT: Duration = Duration::from_millis(100);
const GRACE: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_nanos(1);

const LIMITED: Terms = Terms {
    timeout: Some(LIMIT),
    deadline: None,
    retries: false,
    spares_running: false,
    lazy: false,
};
const SPARING: Terms = Terms { spares_running: true, ..LIMITED };
const RETRIED: Terms = Terms { retries: true, timeout: None, ..LIMITED };

/// A pool whose workers have all reported in, with one job open on these terms.
pub(super) fn at_work(config: Config, terms: Terms) -> Pool {
    let workers = config.workers;
    let mut pool = Pool::with(config);
    pool.commands();
    pool.news(Event::JobOpened { job: JOB, terms });
    for slot in 0..workers {
        pool.news(Event::WorkerReady { worker: worker(slot, 1) });
    }
    pool
}

fn fence(worker: Worker, item: Item) -> Command {
    Command::Fence { worker, job: JOB, item }
}

fn ask(worker: Worker, why: KillReason) -> Command {
    Command::Ask { worker, why }
}

fn timed_out(worker: Worker, item: Item) -> Command {
    Command::FailItem { worker, job: JOB, item, why: ItemFailure::TimedOut }
}

fn fails_late(items: Items) -> Command {
    Command::FailItems { job: JOB, items }
}

fn held(worker: Worker, item: Item) -> Event {
    Event::ItemHeld { worker, job: JOB, item }
}

fn judged(item: Item, verdict: Judgement) -> Event {
    Event::ItemJudged { job: JOB, item, verdict }
}

fn again(not_before: Moment) -> Judgement {
    Judgement::Again { not_before, weight: 1 }
}

impl Pool {
    fn look(&mut self, worker: Worker, began: Option<Moment>) -> Vec<Command> {
        let now = self.now;
        self.news(Event::ProgressChecked { worker, began, now })
    }

    fn answer(&mut self, worker: Worker, kept: Kept) -> Vec<Command> {
        let now = self.now;
        self.news(Event::Recalled { worker, kept, now })
    }

    pub(super) fn retire(&mut self, worker: Worker) -> Vec<Command> {
        let now = self.now;
        self.news(Event::WorkerRetired { worker, now })
    }

    /// Its first item is overdue, and found so.
    fn overrun(&mut self, worker: Worker) {
        assert_eq!(self.later(LIMIT), []);
        assert_eq!(self.scheduler.overdue(self.now), [worker.slot]);
        assert_eq!(self.look(worker, Some(self.now - LIMIT)), [fence(worker, 0)]);
    }
}

#[test]
fn time_in_which_nobody_ran_is_not_counted() {
    let (busy, gap) = (worker(0, 1), 30 * LIMIT);
    let mut pool = at_work(config(1), Terms { deadline: Some(100 * LIMIT), ..LIMITED });
    assert_eq!(pool.news(queued(0..2)), [send(busy, 0..2)]);
    let began = pool.now;
    pool.now += gap;
    pool.scheduler.postpone(gap, pool.now);
    assert_eq!(pool.scheduler.overdue(pool.now), []);
    // All of its time is left, by whoever looks with the same gap left out; and no more.
    assert_eq!(pool.later(LIMIT - TICK), []);
    assert_eq!(pool.scheduler.overdue(pool.now), []);
    assert_eq!(pool.later(TICK), []);
    assert_eq!(pool.scheduler.overdue(pool.now), [busy.slot]);
    assert_eq!(pool.look(busy, Some(began + gap)), [fence(busy, 0)]);
}

#[test]
fn what_begins_after_a_gap_has_its_limit_and_no_more() {
    let busy = worker(0, 1);
    let mut pool = at_work(config(1), LIMITED);
    pool.now += 30 * LIMIT;
    // A caller was quicker than who finds the gap.
    assert_eq!(pool.news(queued(0..1)), [send(busy, 0..1)]);
    pool.scheduler.postpone(30 * LIMIT, pool.now);
    assert_eq!(pool.later(LIMIT), []);
    assert_eq!(pool.scheduler.overdue(pool.now), [busy.slot]);
}

#[test]
fn a_worker_that_starts_or_stops_has_its_time_without_a_gap() {
    let mut pool = Pool::with(config(1));
    assert_eq!(pool.commands(), [start(worker(0, 1))]);
    let limit = pool.scheduler.next_deadline().unwrap() - pool.now;
    pool.now += 5 * limit;
    pool.scheduler.postpone(5 * limit, pool.now);
    assert_eq!(pool.later(limit - TICK), []);
    assert_eq!(pool.later(TICK), [kill(worker(0, 1), KillReason::StartTimeout)]);
}

#[test]
fn an_overdue_item_fails_its_neighbours_run_elsewhere_and_its_worker_goes() {
    let (slow, other) = (worker(0, 1), worker(1, 1));
    let mut pool = at_work(Config { kill_grace: GRACE, ..config(2) }, LIMITED);
    assert_eq!(pool.news(queued(0..4)), [send(slow, 0..4)]);
    pool.overrun(slow);
    let after = [ask(slow, KillReason::ItemTimeout), timed_out(slow, 0), send(other, 1..4)];
    assert_eq!(pool.answer(slow, Kept::Item), after);
    pool.no_news(finished(slow, 0..1));
    assert_eq!(pool.later(GRACE - TICK), []);
    assert_eq!(pool.later(TICK), [kill(slow, KillReason::ItemTimeout)]);
    assert_eq!(pool.news(crashed(slow)), [start(worker(0, 2))]);
}

#[test]
fn without_grace_an_overdue_worker_is_killed_at_once() {
    let slow = worker(0, 1);
    let mut pool = at_work(config(1), LIMITED);
    pool.news(queued(0..1));
    pool.overrun(slow);
    let after = [kill(slow, KillReason::ItemTimeout), timed_out(slow, 0)];
    assert_eq!(pool.answer(slow, Kept::Item), after);
}

#[test]
fn an_item_that_was_finished_in_the_moment_of_its_condemnation_is_kept() {
    let (slow, other) = (worker(0, 1), worker(1, 1));
    let mut pool = at_work(config(2), LIMITED);
    pool.all_news([queued(0..4), light(JOB, 4..6), finished(other, 4..6)]);
    pool.overrun(slow);
    assert_eq!(pool.news(finished(slow, 0..1)), []);
    assert_eq!(pool.answer(slow, Kept::Chunk), []);
    assert_eq!(pool.scheduler.overdue(pool.now), [slow.slot], "it is looked at once more");
    assert_eq!(pool.look(slow, Some(pool.now - TICK)), []);
    assert_eq!(pool.scheduler.next_deadline(), Some(pool.now - TICK + LIMIT));
}

#[test]
fn who_dies_in_an_overdue_item_before_it_has_answered_fails_it_once() {
    let slow = worker(0, 1);
    let mut pool = at_work(config(1), LIMITED);
    pool.news(queued(0..1));
    pool.overrun(slow);
    let died = Command::FailItem { worker: slow, job: JOB, item: 0, why: ItemFailure::Died };
    assert_eq!(pool.news(crashed(slow)), [died, start(worker(0, 2))]);
    pool.no_news(Event::Recalled { worker: slow, kept: Kept::Item, now: pool.now });
}

#[test]
fn nobody_is_condemned_whom_nobody_has_looked_at() {
    let only = worker(0, 1);
    let mut pool = at_work(config(1), LIMITED);
    pool.news(queued(0..2));
    assert_eq!(pool.later(LIMIT * 2), []);
    assert_eq!(pool.scheduler.overdue(pool.now), [only.slot]);
    assert_eq!(pool.look(only, Some(pool.now)), []);
    assert_eq!(pool.scheduler.next_deadline(), Some(pool.now + LIMIT));
}

#[test]
fn a_worker_is_watched_for_chunks_that_it_may_have_come_to() {
    let only = worker(0, 1);
    let mut pool = at_work(config(1), LIMITED);
    pool.all_news([opened(OTHER), light(OTHER, 0..1)]);
    assert_eq!(pool.scheduler.next_deadline(), None);
    pool.news(light(JOB, 0..1));
    assert_eq!(pool.later(LIMIT), []);
    // It is still at the first, which has no limit.
    assert_eq!(pool.look(only, Some(Moment::ZERO)), []);
    assert_eq!(pool.scheduler.next_deadline(), Some(pool.now + LIMIT));
    pool.news(Event::ItemsFinished { worker: only, job: OTHER, items: 0..1 });
    let began = pool.now + TICK;
    assert_eq!(pool.later(LIMIT + TICK), []);
    assert_eq!(pool.look(only, Some(began)), [fence(only, 0)]);
}

#[test]
fn who_begins_nothing_for_long_gives_all_back_and_goes() {
    let (halted, other) = (worker(0, 1), worker(1, 1));
    let mut pool = at_work(config(2), LIMITED);
    pool.news(queued(0..4));
    assert_eq!(pool.later(LIMIT), []);
    assert_eq!(pool.look(halted, None), []);
    assert_eq!(pool.later(UNRESPONSIVE - TICK), []);
    assert_eq!(pool.look(halted, None), []);
    assert_eq!(pool.later(TICK), []);
    assert_eq!(pool.look(halted, None), [fence(halted, 0)]);
    let after = [kill(halted, KillReason::Unresponsive), send(other, 0..4)];
    assert_eq!(pool.answer(halted, Kept::Nothing), after);
}

#[test]
fn who_begins_in_the_moment_in_which_it_is_given_up_finishes_that_item() {
    let (late, other) = (worker(0, 1), worker(1, 1));
    let mut pool = at_work(config(2), LIMITED);
    pool.news(queued(0..4));
    pool.later(LIMIT);
    pool.look(late, None);
    pool.later(UNRESPONSIVE);
    assert_eq!(pool.look(late, None), [fence(late, 0)]);
    assert_eq!(pool.answer(late, Kept::Item), [send(other, 1..4)]);
    assert_eq!(pool.news(finished(late, 0..1)), []);
    assert_eq!(pool.retire(late), []);
}

#[test]
fn who_does_something_after_it_is_given_up_is_not_watched_until_it_has_answered() {
    let only = worker(0, 1);
    let mut pool = at_work(config(1), LIMITED);
    pool.news(queued(0..9));
    pool.later(LIMIT);
    pool.look(only, None);
    pool.later(UNRESPONSIVE);
    assert_eq!(pool.look(only, None), [fence(only, 0)]);
    assert_eq!(pool.news(finished(only, 0..3)), []);
    assert_eq!(pool.scheduler.next_deadline(), None);
    assert_eq!(pool.answer(only, Kept::Chunk), []);
    assert_eq!(pool.scheduler.next_deadline(), Some(pool.now + LIMIT));
}

#[test]
fn who_does_something_between_two_looks_is_not_given_up() {
    let only = worker(0, 1);
    let mut pool = at_work(config(1), LIMITED);
    pool.news(queued(0..9));
    pool.later(LIMIT);
    pool.look(only, None);
    pool.later(UNRESPONSIVE - TICK);
    pool.news(finished(only, 0..3));
    pool.later(TICK);
    assert_eq!(pool.look(only, None), []);
}

#[test]
fn what_is_not_done_at_the_deadline_of_its_job_fails_late() {
    let only = worker(0, 1);
    let deadline = Some(Moment::from_secs(1));
    let config = Config { kill_grace: GRACE, ..config(1) };
    let mut pool = at_work(config, Terms { deadline, ..Terms::default() });
    pool.all_news([queued(0..3), queued(3..5), finished(only, 0..1)]);
    let after = [Command::ExpireJob { job: JOB }, fails_late(3..5), recall(only)];
    assert_eq!(pool.later(Moment::from_secs(1)), after);
    assert_eq!(pool.news(finished(only, 1..2)), []);
    let after = [ask(only, KillReason::JobDeadline), fails_late(2..3)];
    assert_eq!(pool.answer(only, Kept::Chunk), after);
    assert_eq!(pool.news(queued(5..6)), [fails_late(5..6)]);
    pool.news(Event::JobEnded { job: JOB });
    pool.no_news(Event::JobDropped { job: JOB });
}

#[test]
fn the_deadline_of_a_job_goes_before_that_of_its_item() {
    let only = worker(0, 1);
    let deadline = Some(LIMIT);
    let mut pool = at_work(config(1), Terms { deadline, ..LIMITED });
    pool.news(queued(0..2));
    pool.now += LIMIT;
    assert_eq!(pool.look(only, Some(Moment::ZERO)), [fence(only, 0)]);
    assert_eq!(pool.later(Duration::ZERO), [Command::ExpireJob { job: JOB }]);
    let after = [kill(only, KillReason::JobDeadline), fails_late(0..2)];
    assert_eq!(pool.answer(only, Kept::Item), after);
}

#[test]
fn a_spared_item_finishes_and_nothing_after_it_begins() {
    let only = worker(0, 1);
    let mut pool = at_work(config(1), SPARING);
    pool.news(queued(0..4));
    assert_eq!(pool.news(Event::JobDropped { job: JOB }), [recall(only)]);
    assert_eq!(pool.answer(only, Kept::Chunk), [fence(only, 0)]);
    // It has gone on to the next.
    assert_eq!(pool.news(finished(only, 0..1)), []);
    assert_eq!(pool.answer(only, Kept::Chunk), [fence(only, 1)]);
    assert_eq!(pool.answer(only, Kept::Item), []);
    assert_eq!(*pool.scheduler.life(Slot(0)), Life::Leaving { deadline: Some(LIMIT) });
    assert_eq!(pool.retire(only), []);
    assert_eq!(pool.news(exited(only)), [start(worker(0, 2))]);
}

#[test]
fn a_spared_item_has_its_limit_still() {
    let only = worker(0, 1);
    let mut pool = at_work(Config { kill_grace: GRACE, ..config(1) }, SPARING);
    pool.news(queued(0..4));
    pool.news(Event::JobDropped { job: JOB });
    pool.answer(only, Kept::Chunk);
    pool.answer(only, Kept::Item);
    assert_eq!(pool.later(LIMIT), [ask(only, KillReason::ItemTimeout)]);

    // As the last of its chunk it is watched.
    let mut pool = at_work(config(1), SPARING);
    pool.news(queued(0..1));
    pool.news(Event::JobDropped { job: JOB });
    assert_eq!(pool.answer(only, Kept::Chunk), []);
    pool.overrun(only);
    assert_eq!(pool.answer(only, Kept::Item), [kill(only, KillReason::ItemTimeout)]);
}

#[test]
fn who_is_between_two_items_of_a_job_that_spares_them_begins_no_other_and_leaves() {
    let only = worker(0, 1);
    let mut pool = at_work(config(1), SPARING);
    pool.news(queued(0..4));
    pool.news(Event::JobDropped { job: JOB });
    assert_eq!(pool.answer(only, Kept::Chunk), [fence(only, 0)]);
    assert_eq!(pool.answer(only, Kept::Nothing), []);
    let retired = Event::WorkerRetired { worker: only, now: pool.now };
    pool.no_news(retired);
    assert_eq!(pool.later(STOP_GRACE), [kill(only, KillReason::StopGrace)]);
}

#[test]
fn a_failed_item_stays_with_its_job_until_it_is_judged() {
    let only = worker(0, 1);
    let mut pool = at_work(config(1), RETRIED);
    pool.all_news([queued(0..2), Event::JobEnded { job: JOB }]);
    pool.all_news([held(only, 0), finished(only, 1..2)]);
    pool.no_news(held(only, 0));
    pool.no_news(judged(1, Judgement::Settled));
    assert_eq!(pool.news(judged(0, again(Moment::ZERO))), [send(only, 0..1)]);
    pool.no_news(judged(0, Judgement::Settled));
    pool.news(held(only, 0));
    pool.news(judged(0, Judgement::Settled));
    pool.no_news(Event::JobDropped { job: JOB });
}

#[test]
fn an_item_is_tried_again_when_its_time_has_come() {
    let only = worker(0, 1);
    let mut pool = at_work(config(1), RETRIED);
    pool.all_news([queued(0..1), held(only, 0)]);
    let moment = Moment::from_secs(1);
    assert_eq!(pool.news(judged(0, again(moment))), []);
    assert_eq!(pool.later(moment - TICK), []);
    assert_eq!(pool.later(TICK), [send(only, 0..1)]);
}

#[test]
fn nothing_is_tried_again_after_the_deadline_of_its_job() {
    let only = worker(0, 1);
    let deadline = Some(Moment::from_secs(1));
    let mut pool = at_work(config(1), Terms { deadline, ..RETRIED });
    pool.all_news([queued(0..2), held(only, 0), held(only, 1)]);
    pool.news(judged(0, again(Moment::from_secs(2))));
    let after = [Command::ExpireJob { job: JOB }, fails_late(0..1)];
    assert_eq!(pool.later(Moment::from_secs(1)), after);
    assert_eq!(pool.news(judged(1, again(Moment::ZERO))), [fails_late(1..2)]);
}

#[test]
fn the_breaker_trips_when_more_have_died_than_may_and_starts_nobody_till_it_is_reset() {
    let period = Moment::from_secs(1);
    let restart_limit = Some((1, period));
    let mut pool = at_work(Config { restart_limit, ..config(2) }, Terms::default());
    assert_eq!(pool.news(exited(worker(0, 1))), [start(worker(0, 2))]);
    assert_eq!(pool.later(period + TICK), []);
    assert_eq!(pool.news(exited(worker(0, 2))), [start(worker(0, 3))]);
    assert_eq!(pool.later(period), []);
    let fails = [Command::FailJob { job: JOB, why: JobFailure::NoWorkers }];
    // Of another slot, since this would be the third fruitless life of the first.
    assert_eq!(pool.news(exited(worker(1, 1))), fails);
    assert!(pool.scheduler.has_tripped());
    assert_eq!(pool.news(Event::Reset), [start(worker(1, 2))]);
    pool.no_news(Event::Reset);
    pool.news(opened(JobId(9)));
    assert_eq!(pool.news(exited(worker(1, 2))), [start(worker(1, 3))]);
}

#[test]
fn termination_kills_those_that_were_only_asked_to_end() {
    let slow = worker(0, 1);
    let mut pool = at_work(Config { kill_grace: GRACE, ..config(1) }, LIMITED);
    pool.news(queued(0..1));
    pool.overrun(slow);
    pool.answer(slow, Kept::Item);
    let kills = kill(slow, KillReason::Terminated);
    let now = pool.now;
    assert_eq!(pool.news(Event::Terminate { now }).first(), Some(&kills));
    assert_eq!(pool.scheduler.next_deadline(), None);
}
