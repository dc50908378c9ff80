//! Items that take too long.

use std::time::{Duration, Instant};

use pool_runtime::{ErrorKind, Pool, Replacement};
use pool_tests::clean::clean;
use pool_tests::fault::send;
use pool_tests::pools::{idle, pids};
use pool_tests::runs;
use pool_tests::temp::TempDir;
use pool_tests::wait;
use rustix::process::Signal;

use super::{Act, act, items};

/// Much longer than an item takes that returns, on a slow and busy machine too.
const LIMIT: Duration = Duration::from_millis(500);

#[test]
fn an_overdue_item_fails_alone_and_its_neighbours_in_the_chunk_run() {
    let _clean = clean();
    let mut acts = [Act::Return; 40];
    (acts[0], acts[13], acts[39]) = (Act::Hang, Act::Hang, Act::Hang);
    for chunk in [1, 10, 40] {
        let dir = TempDir::new();
        let at = dir.path().to_str().unwrap();
        let pool = Pool::new(2).unwrap();
        let job = pool.job(act).timeout(LIMIT).chunk_size(chunk);
        for (item, result) in job.imap(items(at, &acts)).enumerate() {
            match acts[item] {
                Act::Return => assert_eq!(result.unwrap(), item as u64),
                _ => {
                    let error = result.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
                    assert_eq!(error.item(), Some(item));
                    assert!(error.pid().is_some());
                    assert!(
                        error.to_string().contains("time limit of 500ms (see `timeout`)"),
                        "{error}"
                    );
                }
            }
        }
        let runs = runs::noted(dir.path());
        assert_eq!(runs.len(), acts.len());
        assert!(runs.values().all(|pids| pids.len() == 1), "{runs:?}");
    }
}

/// What was behind the item in its chunk is wanted by nobody, though somebody is idle.
#[test]
fn an_overdue_item_ends_a_map_that_others_have_room_for() {
    let _clean = clean();
    let mut acts = [Act::Return; 12];
    acts[0] = Act::Hang;
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(3).unwrap();
    for chunk in [2, 4, 12] {
        let job = pool.job(act).timeout(LIMIT).chunk_size(chunk);
        let error = job.map(items(at, &acts)).unwrap_err();
        assert_eq!((error.kind(), error.item()), (ErrorKind::TimedOut, Some(0)), "{error}");
        let error = job.map_async(items(at, &acts)).unwrap().get().unwrap_err();
        assert_eq!((error.kind(), error.item()), (ErrorKind::TimedOut, Some(0)), "{error}");
        // Nobody holds it any more.
        drop(job.map_async(items(at, &acts)).unwrap());
        assert_eq!(pool.apply(act, (at, 100, Act::Return)).unwrap(), 100);
    }
    pool.close();
    pool.join().unwrap();
}

#[test]
fn the_clock_starts_when_the_item_begins_and_not_when_it_is_queued() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(1).unwrap();
    // All are with the one worker from the beginning, the last for longer than its limit.
    let acts = [Act::Sleep(60); 12];
    let job = pool.job(act).timeout(Duration::from_millis(600));
    for chunk in [1, 3, 12] {
        let started = Instant::now();
        assert_eq!(job.clone().chunk_size(chunk).map(items(at, &acts)).unwrap().len(), 12);
        assert!(started.elapsed() > Duration::from_millis(700), "they did not wait");
    }
}

#[test]
fn a_single_call_and_an_async_one_are_limited_and_the_next_call_is_served() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(1).unwrap();
    let before = pids(&pool);
    let limited = pool.job(act).timeout(LIMIT);
    let error = limited.apply((at, 1, Act::Hang)).unwrap_err();
    assert_eq!((error.kind(), error.item()), (ErrorKind::TimedOut, None), "{error}");
    assert_eq!(limited.apply((at, 2, Act::Return)).unwrap(), 2);
    let after = pids(&pool);
    assert!(before.is_disjoint(&after), "a fresh worker");
    assert_eq!(pool.workers()[0].replaced, Some(Replacement::Ended));
    let result = limited.apply_async((at, 3, Act::Hang)).unwrap();
    assert_eq!(result.get().unwrap_err().kind(), ErrorKind::TimedOut);
    let results = limited.map_async(items(at, &[Act::Return, Act::Hang])).unwrap();
    assert_eq!(results.get().unwrap_err().item(), Some(1));
    assert_eq!(limited.apply((at, 4, Act::Sleep(1))).unwrap(), 4);
}

#[test]
fn getting_in_time_only_stops_waiting() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(1).unwrap();
    let mut result = pool.apply_async(act, (at, 1, Act::Sleep(300))).unwrap();
    let error = result.get_timeout(Duration::from_millis(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(result.get().unwrap(), 1);
}

#[test]
fn who_refuses_to_end_is_killed_when_the_grace_is_over() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    for grace in [Duration::ZERO, Duration::from_millis(200)] {
        let pool = Pool::builder().workers(1).kill_grace(grace).build().unwrap();
        let stubborn = pids(&pool);
        let job = pool.job(act).timeout(LIMIT);
        let error = job.apply((at, 1, Act::HangStubbornly)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(job.apply((at, 2, Act::Return)).unwrap(), 2);
        assert!(stubborn.iter().all(|&pid| !wait::is_running(pid)), "killed before the next");
    }
}

#[test]
fn items_that_are_quick_pass_a_limit_that_is_checked_rarely() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(2).unwrap();
    // A second of each worker under a limit of half of it: the watch moves on with the items.
    let acts = vec![Act::Sleep(1); 2000];
    let job = pool.job(act).timeout(LIMIT);
    assert_eq!(job.clone().chunk_size(500).map(items(at, &acts)).unwrap().len(), 2000);
    assert_eq!(job.map(items(at, &acts[..500])).unwrap().len(), 500);
}

#[test]
fn a_worker_that_was_stopped_in_its_item_is_overdue_like_any_other() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let grace = Duration::from_millis(50);
    let pool = Pool::builder().workers(1).kill_grace(grace).build().unwrap();
    let stopped = *pids(&pool).first().unwrap();
    let job = pool.job(act).timeout(LIMIT);
    let result = job.apply_async((at, 1, Act::Hang)).unwrap();
    wait::until("the item to begin", || !runs::noted(dir.path()).is_empty());
    send(stopped, Signal::STOP);
    assert_eq!(result.get().unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(job.apply((at, 2, Act::Return)).unwrap(), 2);
}

#[test]
fn a_stopped_worker_that_begins_nothing_is_replaced_and_its_item_runs() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(1).unwrap();
    let stopped = *idle(&pool, 1).first().unwrap();
    send(stopped, Signal::STOP);
    // It takes the five seconds after which a worker counts as stopped.
    assert_eq!(pool.job(act).timeout(LIMIT).apply((at, 1, Act::Return)).unwrap(), 1);
    assert!(!wait::is_running(stopped));
    assert_eq!(runs::noted(dir.path())[&1].len(), 1);
}

#[test]
fn a_timeout_of_nothing_is_refused() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let job = pool.job(act).timeout(Duration::ZERO);
    let refused = [
        job.apply(("", 1, Act::Return)).unwrap_err(),
        job.map([("", 1, Act::Return)]).unwrap_err(),
        job.imap([("", 1, Act::Return)]).next().unwrap().unwrap_err(),
        job.map_async([("", 1, Act::Return)]).map(drop).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}

/// The first failure ends a map. What stood in the failed item's worker comes back at
/// that moment, and must not be sent to another.
#[test]
fn an_overdue_item_ends_a_map_of_which_more_is_waiting_behind_it() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for _ in 0..3 {
        let temp = TempDir::new();
        let acts = [Act::Hang, Act::Sleep(400), Act::Return, Act::Sleep(400)];
        let job = pool.job(act).chunk_size(1).timeout(LIMIT);
        let error = job.map(items(temp.path().to_str().unwrap(), &acts)).unwrap_err();
        assert_eq!((error.kind(), error.item()), (ErrorKind::TimedOut, Some(0)), "{error}");
        idle(&pool, 2);
    }
}
