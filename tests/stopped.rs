//! Workers that stop without dying, where items have a time limit: nothing waits for
//! them for ever.

use std::time::Duration;

use pool_runtime::{Error, ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::temp::TempDir;
use pool_tests::{pools, wait};
use rustix::process::{Pid, Signal, getpid, kill_process};

#[pool_task]
fn whereabouts() -> u32 {
    std::process::id()
}

#[pool_task]
fn run_forever(announcement: &str) {
    std::fs::write(announcement, "").unwrap();
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Item 100 has its worker stop a moment later, wherever that is by then.
#[pool_task]
fn count(n: u64) -> u64 {
    if n == 100 {
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_micros(200));
            let _ = kill_process(getpid(), Signal::STOP);
        });
    }
    n
}

#[test]
fn what_a_stopped_worker_has_not_begun_runs_in_another() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let stopped = pool.workers()[0].pid;
    let pid = Pid::from_raw(i32::try_from(stopped).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let ran_in = pool.job(whereabouts).timeout(Duration::from_millis(500)).apply(()).unwrap();
    assert_ne!(ran_in, stopped);
}

/// Mostly it stops between two items, where nothing that has begun is overdue.
#[test]
fn a_worker_that_stops_among_quick_items_costs_one_of_them_at_most() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).kill_grace(Duration::ZERO).build().unwrap();
    for _ in 0..3 {
        let job = pool.job(count).timeout(Duration::from_millis(500)).chunk_size(10_000);
        let outcomes: Vec<Result<u64, Error>> = job.imap(0..20_000).collect();
        let mut failed = 0;
        for (n, outcome) in (0..).zip(outcomes) {
            match outcome {
                Ok(result) => assert_eq!(result, n),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
                    failed += 1;
                }
            }
        }
        assert!(failed <= 1, "{failed} items failed");
    }
}

#[test]
fn an_item_that_is_left_to_finish_has_its_limit_still() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).kill_grace(Duration::ZERO).build().unwrap();
    let before = pools::pids(&pool);
    let dir = TempDir::new();
    let begun = dir.path().join("begun");
    let job = pool.job(run_forever).timeout(Duration::from_millis(300)).cancel_running(false);
    let result = job.apply_async(begun.to_str().unwrap()).unwrap();
    wait::until("the item to begin", || begun.exists());
    result.cancel();
    assert_eq!(result.get().unwrap_err().kind(), ErrorKind::Cancelled);
    wait::until("a fresh worker", || pools::idle(&pool, 1).is_disjoint(&before));
}
