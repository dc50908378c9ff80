//! Single orders of events in which workers leave of their own accord, written out.

use std::collections::{BTreeSet, VecDeque};

use super::super::{Command, Event};
use super::orders::{JOB, Pool, exited, finished, opened, queued, send, start, worker};
use crate::ids::Moment;

#[test]
fn what_a_worker_has_not_begun_when_it_retires_goes_elsewhere() {
    let (old, other) = (worker(0, 1), worker(1, 1));
    let mut pool = Pool::at_work(2);
    pool.all_news([queued(0..4), finished(old, 0..2)]);
    assert_eq!(pool.retire(old), [send(other, 2..4)]);
    pool.no_news(Event::WorkerRetired { worker: old, now: pool.now });
    assert_eq!(pool.news(exited(old)), [start(worker(0, 2))]);
}

/// Runs a job in a pool whose workers take longer to start than they may live: each is old
/// when the scheduler hears that it is ready. It leaves then, or, if `each_runs_one`, after
/// its first item. Gives how many workers the job took; `None` if a thousand did not do.
fn lives_to_run(items: u64, workers: usize, each_runs_one: bool) -> Option<u64> {
    let mut pool = Pool::of(workers);
    let mut commands = pool.commands();
    let mut heard: VecDeque<Event> = VecDeque::from([opened(JOB)]);
    heard.extend((0..items).map(|item| queued(item..item + 1)));
    let (mut old, mut lives, mut done) = (BTreeSet::new(), 0, 0);
    while done < items && lives < 1000 {
        let leaves = |worker, now| [Event::WorkerRetired { worker, now }, exited(worker)];
        for command in std::mem::take(&mut commands) {
            match command {
                Command::Start { worker } => {
                    pool.now += Moment::from_millis(30);
                    lives += 1;
                    heard.push_back(Event::WorkerReady { worker });
                    old.insert(worker);
                    if !each_runs_one {
                        heard.extend(leaves(worker, pool.now));
                    }
                }
                Command::Send { worker, items, .. } if each_runs_one && old.remove(&worker) => {
                    heard.push_back(finished(worker, items.start..items.start + 1));
                    heard.extend(leaves(worker, pool.now));
                }
                // What is sent to a worker that has left is not begun: its exit gives it back.
                Command::Send { .. } | Command::Recall { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        let event = heard.pop_front()?;
        done += u64::from(matches!(event, Event::ItemsFinished { .. }));
        commands = pool.news(event);
    }
    (done == items).then_some(lives)
}

#[test]
fn workers_that_are_old_when_they_are_ready_run_an_item_each() {
    for workers in 1..=4 {
        let lives = lives_to_run(50, workers, true).expect("each life runs an item");
        assert!((50..50 + 2 * workers as u64).contains(&lives), "{lives} lives, {workers} workers");
    }
}

/// Why the rule is the worker's (`worker/lifespan.rs`): whatever the scheduler decides comes
/// too late for a worker that leaves as soon as it is ready.
#[test]
fn workers_that_leave_as_soon_as_they_are_ready_run_nothing() {
    for workers in 1..=4 {
        assert_eq!(lives_to_run(1, workers, false), None, "{workers} workers");
    }
}
