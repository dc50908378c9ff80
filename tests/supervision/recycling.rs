//! Workers that are replaced by fresh ones.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pool_runtime::{ErrorKind, Pool, Replacement};
use pool_tests::clean::clean;
use pool_tests::pools::{idle, pids};
use pool_tests::wait;

use super::{leak, whoami, whoami_at};

fn count(pids: impl IntoIterator<Item = u32>) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for pid in pids {
        *counts.entry(pid).or_default() += 1;
    }
    counts
}

#[test]
fn no_worker_runs_more_items_than_it_may_and_no_item_is_lost() {
    let _clean = clean();
    for (most, chunk, workers) in [(1, 1, 2), (3, 10, 2), (7, 50, 3), (10, 10, 1), (1, 64, 1)] {
        let pool = Pool::builder().workers(workers).max_tasks_per_child(most).build().unwrap();
        let pids = pool.job(whoami_at).chunk_size(chunk).map(0..200).unwrap();
        assert_eq!(pids.len(), 200);
        let counts = count(pids);
        let (most, least) = (most as usize, 200 / most as usize);
        assert!(counts.values().all(|&items| items <= most), "at most {most}: {counts:?}");
        assert!(counts.len() >= least, "{} workers", counts.len());
        // All but those that are alive have run as many as they may.
        let short = counts.values().filter(|&&items| items < most).count();
        assert!(short <= workers, "{short} left early: {counts:?}");
    }
}

#[test]
fn single_calls_count_and_the_reason_is_told() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).max_tasks_per_child(2).build().unwrap();
    assert_eq!(pool.workers()[0].replaced, None);
    let pids: Vec<u32> = (0..6).map(|_| pool.apply(whoami, ()).unwrap()).collect();
    assert!(count(pids.iter().copied()).values().all(|&calls| calls == 2), "{pids:?}");
    idle(&pool, 1);
    assert_eq!(pool.workers()[0].replaced, Some(Replacement::MaxTasks));
}

#[test]
fn a_worker_that_has_grown_is_replaced_and_memory_stays_bounded() {
    const LEAK: usize = 8 << 20;
    let _clean = clean();
    let pool = Pool::builder().workers(1).max_rss(64 << 20).build().unwrap();
    let pids = pool.job(leak).chunk_size(5).map(vec![LEAK; 40]).unwrap();
    let counts = count(pids);
    // 64 MiB are eight leaks at most, and some memory is the worker's own.
    assert!(counts.len() >= 5, "{counts:?}");
    assert!(counts.values().all(|&items| items <= 9), "{counts:?}");
    wait::until("a worker", || !pool.workers().is_empty());
    assert_eq!(pool.workers()[0].replaced, Some(Replacement::MaxRss));
}

#[test]
fn an_idle_worker_is_replaced_when_it_is_old() {
    let _clean = clean();
    let age = Duration::from_millis(200);
    let (born, pool) = (Instant::now(), Pool::builder().workers(1).max_age(age).build().unwrap());
    let used = pool.apply(whoami, ()).unwrap();
    wait::until("it to be replaced", || !pids(&pool).is_empty() && !pids(&pool).contains(&used));
    assert!(born.elapsed() >= age, "it left before its time");
    idle(&pool, 1);
    assert_eq!(pool.workers()[0].replaced, Some(Replacement::MaxAge));
    // Calls are served whenever they come, also by one that is about to leave.
    for _ in 0..300 {
        pool.apply(whoami, ()).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// All are old from the beginning.
#[test]
fn a_worker_that_was_used_is_replaced_and_those_that_were_not_are_kept() {
    let _clean = clean();
    let pool = Pool::builder().workers(3).max_age(Duration::from_micros(100)).build().unwrap();
    for _ in 0..20 {
        let mut kept = idle(&pool, 3);
        let used = pool.apply(whoami, ()).unwrap();
        assert!(kept.remove(&used), "{used} is none of {kept:?}");
        wait::until("it to be replaced", || !pids(&pool).contains(&used));
        assert!(idle(&pool, 3).is_superset(&kept), "{kept:?} were not used");
    }
}

#[test]
fn a_busy_worker_is_replaced_between_two_items_when_it_is_old() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).max_age(Duration::from_millis(1)).build().unwrap();
    let pids = pool.job(leak).chunk_size(100).map(vec![1 << 20; 100]).unwrap();
    assert_eq!(pids.len(), 100);
    assert!(count(pids).len() > 2);
}

#[test]
fn a_worker_that_is_old_before_the_others_have_started_is_no_failure() {
    let _clean = clean();
    for micros in (100..4000).step_by(100) {
        let age = Duration::from_micros(micros);
        let pool = Pool::builder().workers(4).max_age(age).build().unwrap();
        assert_eq!(pool.job(whoami).map(vec![(); 4]).unwrap().len(), 4, "{age:?}");
    }
}

#[test]
fn a_worker_needs_at_least_one_item_and_some_time() {
    let _clean = clean();
    for builder in
        [Pool::builder().max_tasks_per_child(0), Pool::builder().max_age(Duration::from_micros(99))]
    {
        assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}
