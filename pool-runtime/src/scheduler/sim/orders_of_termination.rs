//! Single orders of events at the end of a pool that is terminated, written out.

use std::time::Duration;

use super::super::{Command, Config, Event, KillReason, Terms};
use super::orders::{STOP_GRACE, config, kill, queued, worker};
use super::orders_of_time::at_work;

const GRACE: Duration = Duration::from_millis(20);

#[test]
fn termination_lets_those_leave_who_have_nothing_to_do_but_not_for_ever() {
    let (busy, idle) = (worker(0, 1), worker(1, 1));
    let mut pool = at_work(Config { kill_grace: GRACE, ..config(2) }, Terms::default());
    pool.news(queued(0..1));
    let now = pool.now;
    let commands = pool.news(Event::Terminate { now });
    assert_eq!(commands[..2], [kill(busy, KillReason::Terminated), Command::Stop { worker: idle }]);
    assert_eq!(pool.later(GRACE), [kill(idle, KillReason::StopGrace)]);
}

#[test]
fn termination_shortens_the_time_of_those_that_are_leaving() {
    let only = worker(0, 1);
    let mut pool = at_work(Config { kill_grace: GRACE, ..config(1) }, Terms::default());
    let now = pool.now;
    pool.news(Event::WorkerRetired { worker: only, now });
    assert_eq!(pool.scheduler.next_deadline(), Some(now + STOP_GRACE));
    pool.news(Event::Terminate { now });
    assert_eq!(pool.scheduler.next_deadline(), Some(now + GRACE));
}
