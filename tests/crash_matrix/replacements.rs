//! Workers that cannot be replaced.

use std::time::Duration;

use pool_runtime::{Error, ErrorKind, Pool, PoolBuilder, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::Fault;
use pool_tests::pools::idle;
use pool_tests::temp::TempDir;

use crate::boot::{COUNT, GOOD, TROUBLE, executed, own_pid};

const WORKERS: usize = 2;

/// How many starts in vain a slot may have for one call.
const TRIES: usize = 3;

#[pool_task]
fn die(code: i32) {
    std::process::exit(code);
}

/// A pool whose first workers start, and none after them while `count` is there.
fn builder(trouble: &str, count: &str) -> PoolBuilder {
    let good = WORKERS.to_string();
    executed(WORKERS).env(TROUBLE, trouble).env(GOOD, good).env(COUNT, count)
}

fn starts(count: &str) -> usize {
    std::fs::read(count).unwrap().len()
}

/// Takes every worker away; the items that they had name how.
fn bereave(pool: &Pool) -> Vec<Error> {
    let failures = pool.imap(die, [3; WORKERS]).map(|result| result.expect_err("they die"));
    failures.collect()
}

#[test]
fn calls_fail_when_no_worker_can_be_replaced() {
    let _clean = clean();
    for fault in [Fault::Exit0, Fault::Exit7, Fault::Kill] {
        let temp = TempDir::new();
        let count = temp.file("count");
        let pool = builder(&format!("{fault:?}"), &count).build().unwrap();
        let failures = bereave(&pool);
        assert_eq!(failures[0].kind(), ErrorKind::Died, "{}", failures[0]);
        assert_eq!(failures[0].exit_code(), Some(3), "{}", failures[0]);

        let error = pool.map(own_pid, [(); 20]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
        assert_eq!(error.signal(), fault.signal(), "{error}");
        assert_eq!(error.exit_code(), fault.exit_code(), "{error}");
        assert_eq!(error.task(), Some("pool_tests::tasks::own_pid"), "{error}");
        assert!(error.to_string().contains(fault.described()), "{error}");
        assert!(error.to_string().contains("before it reported in"), "{error}");

        // The breaker has tripped: whoever calls is told, and nothing is tried for it.
        let error = pool.apply_async(own_pid, ()).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Spawn);
        assert!(error.to_string().contains("Pool::reset()"), "{error}");
        let mut lazy = pool.imap(own_pid, std::iter::repeat(()));
        assert_eq!(lazy.next().unwrap().unwrap_err().kind(), ErrorKind::Spawn);
        assert!(lazy.next().is_none());

        // Two jobs that were taken, and as many tries for each at most.
        let tries = starts(&count) - WORKERS;
        assert!(tries <= 2 * WORKERS * TRIES, "{tries} starts in vain");

        // What kept them from starting may pass.
        std::fs::remove_file(&count).unwrap();
        pool.reset();
        pool.map(own_pid, [(); 20]).unwrap();
    }
}

#[test]
fn calls_fail_when_every_replacement_hangs_in_boot() {
    let _clean = clean();
    let temp = TempDir::new();
    let count = temp.file("count");
    let timeout = Duration::from_secs(3);
    let pool = builder("hang", &count).start_timeout(timeout).build().unwrap();
    bereave(&pool);
    let error = pool.apply(own_pid, ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
    assert!(error.to_string().contains("did not report in within 3s"), "{error}");
    assert!(starts(&count) - WORKERS <= 2 * WORKERS * TRIES);
}

#[test]
fn one_slot_that_cannot_be_filled_leaves_the_work_to_the_others() {
    let _clean = clean();
    let temp = TempDir::new();
    let count = temp.file("count");
    let pool = builder("Exit7", &count).build().unwrap();
    assert_eq!(pool.apply(die, 3).unwrap_err().kind(), ErrorKind::Died);
    let pids = pool.map(own_pid, [(); 50]).unwrap();
    assert!(pids.iter().all(|&pid| pid == pids[0]), "{pids:?}");
    assert!(starts(&count) - WORKERS <= 2 * TRIES, "{} starts", starts(&count));
}

#[test]
fn a_call_that_waits_while_its_pool_is_bereaved_fails() {
    let _clean = clean();
    let temp = TempDir::new();
    let count = temp.file("count");
    let pool = builder("Exit7", &count).build().unwrap();
    let errors: Vec<Error> = std::thread::scope(|scope| {
        let call = || pool.imap(die, [3; 5]).filter_map(Result::err).collect::<Vec<_>>();
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(call)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let died = errors.iter().filter(|error| error.kind() == ErrorKind::Died).count();
    let stranded = errors.iter().filter(|error| error.kind() == ErrorKind::Spawn).count();
    assert_eq!(died, WORKERS, "{errors:?}");
    assert_eq!((stranded, errors.len()), (3, WORKERS + 3), "{errors:?}");
    std::fs::remove_file(&count).unwrap();
    pool.reset();
    pool.apply(own_pid, ()).unwrap();
    idle(&pool, WORKERS);
}
