//! Life of a pool, and what its workers keep.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::send;
use pool_tests::parent::Parent;
use pool_tests::pools::idle;
use pool_tests::runs;
use pool_tests::temp::TempDir;
use rustix::process::Signal;

use crate::tasks::{exit_with, forever, nap, square};

/// Sets this worker up, if it is not yet: notes its beginning, and at its exit its
/// end.
#[pool_task]
fn set_up(dir: &Path) {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    extern "C" fn leave() {
        runs::note(DIR.get().unwrap(), 1);
    }
    DIR.get_or_init(|| {
        runs::note(dir, 0);
        // SAFETY: it is given a function that may run at exit.
        assert_eq!(unsafe { libc::atexit(leave) }, 0);
        dir.to_owned()
    });
}

/// How often it was called in this worker, and by which name that goes.
#[pool_task]
fn count_calls() -> (u64, String) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    (COUNT.fetch_add(1, Ordering::Relaxed) + 1, name.trim_end().to_owned())
}

/// Keeps a word for the next call; gives the one before.
#[pool_task]
fn keep(word: String) -> Option<String> {
    static KEPT: Mutex<Option<String>> = Mutex::new(None);
    KEPT.lock().unwrap().replace(word)
}

/// How many calls the workers have counted in all.
fn total(counts: Vec<(u64, String)>) -> u64 {
    let mut most = BTreeMap::new();
    for (calls, name) in counts {
        let last = most.entry(name).or_insert(0);
        *last = calls.max(*last);
    }
    most.into_values().sum()
}

#[test]
fn r066_terminate_is_prompt_with_ten_thousand_queued() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let queued = pool.map_async(nap, std::iter::repeat_n(50, 10_000)).unwrap();
    let start = Instant::now();
    pool.terminate();
    pool.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert_eq!(queued.get().unwrap_err().kind(), ErrorKind::Terminated);
}

#[test]
fn r067_use_after_close_is_an_error() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    pool.close();
    let errors = [
        pool.apply(square, 1).map(drop),
        pool.apply_async(square, 1).map(drop),
        pool.map(square, 0..2).map(drop),
        pool.map_async(square, 0..2).map(drop),
        pool.imap(square, 0..2).next().unwrap().map(drop),
        pool.imap_unordered(square, 0..2).next().unwrap().1.map(drop),
        square.pmap(0..2, &pool).map(drop),
    ];
    for error in errors {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Closed);
    }
    pool.join().unwrap();
    assert_eq!(pool.apply(square, 1).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn r071_of_a_killed_program_no_worker_is_left() {
    let _clean = clean();
    let program = Parent::start(env!("CARGO_BIN_EXE_parent"), "idle");
    let workers = program.processes(6);
    let since = Instant::now();
    send(program.child.id(), Signal::KILL);
    // Which asserts that they are gone in time.
    let _ = program.end(&workers, since);
}

// r072 does not apply: idle workers stay until their pool is closed; that nothing is
// lost when one goes all the same is r044.

// r073 does not apply: a pool has as many workers as it was built with.

#[test]
fn r074_joining_an_open_pool_is_an_error_and_a_join_may_have_a_limit() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.join().unwrap_err().kind(), ErrorKind::InvalidArgument);
    let mut process = forever.spawn(()).unwrap();
    let limit = Duration::from_millis(20);
    let start = Instant::now();
    assert_eq!(process.join_timeout(limit).unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(start.elapsed() >= limit);
    process.kill().unwrap();
    assert_eq!(process.join_timeout(Duration::MAX).unwrap_err().kind(), ErrorKind::Died);
}

#[test]
fn r075_a_pool_closes_in_peace_by_force_or_by_force_when_time_runs_out() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let work = pool.map_async(nap, [1; 10]).unwrap();
    pool.close();
    pool.join().unwrap();
    assert_eq!(work.get().unwrap(), [1; 10]);

    let pool = Pool::new(1).unwrap();
    let work = pool.apply_async(forever, ()).unwrap();
    pool.terminate();
    pool.join().unwrap();
    assert_eq!(work.get().unwrap_err().kind(), ErrorKind::Terminated);

    let pool = Pool::new(1).unwrap();
    let work = pool.apply_async(forever, ()).unwrap();
    pool.close();
    assert!(!work.wait_timeout(Duration::from_millis(20)));
    pool.terminate();
    pool.join().unwrap();
    assert_eq!(work.get().unwrap_err().kind(), ErrorKind::Terminated);
}

// r077 does not apply: a worker has no initialiser. What fails before it reports in
// is r068, what fails when a task first sets something up is that task's own error.

#[test]
fn r078_what_a_worker_sets_up_and_its_exit_handler_run_once_per_generation() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let dir = TempDir::new();
    let counts = || {
        let noted = runs::noted(dir.path());
        [0, 1].map(|what| noted.get(&what).map_or(0, Vec::len))
    };
    pool.map(set_up, [dir.path(); 5]).unwrap();
    assert_eq!(counts(), [1, 0]);
    // It leaves by exit, so its handler runs.
    pool.apply(exit_with, 0).unwrap_err();
    pool.map(set_up, [dir.path(); 5]).unwrap();
    assert_eq!(counts(), [2, 1]);
    pool.close();
    pool.join().unwrap();
    assert_eq!(counts(), [2, 2]);
}

#[test]
fn r079_state_and_number_of_a_worker_persist() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).worker_name("clerk").build().unwrap();
    for expected in 1..=5 {
        assert_eq!(pool.apply(count_calls, ()).unwrap(), (expected, "clerk-0".to_owned()));
    }
    assert_eq!(pool.apply(keep, "a".to_owned()).unwrap(), None);
    assert_eq!(pool.apply(keep, "b".to_owned()).unwrap().as_deref(), Some("a"));
    pool.apply(exit_with, 1).unwrap_err();
    idle(&pool, 1);
    assert_eq!(pool.apply(count_calls, ()).unwrap(), (1, "clerk-0".to_owned()));

    let pool = Pool::builder().workers(3).worker_name("clerk").build().unwrap();
    let counts = pool.map(count_calls, [(); 60]).unwrap();
    assert_eq!(total(counts), 60, "each worker counts for itself");
}

#[test]
fn r096_the_same_seed_gives_the_same_random_results_on_two_or_four_workers() {
    let _clean = clean();
    #[pool_task]
    fn draw(seed: u64, item: u64) -> u64 {
        pool_tests::rng::Rng::new(seed ^ item).any()
    }
    let draws = |workers| draw.pmap((0..200).map(|item| (99, item)), workers).unwrap();
    let two = draws(2);
    assert_eq!(two, draws(4));
    assert_ne!(two[0], two[1]);
}

#[test]
fn r097_counts_are_exact_after_twenty_thousand_and_eighteen_tasks() {
    let _clean = clean();
    let pool = Pool::builder().workers(3).worker_name("clerk").build().unwrap();
    let counts = pool.map(count_calls, std::iter::repeat_n((), 20_018)).unwrap();
    assert_eq!(counts.len(), 20_018);
    assert_eq!(total(counts), 20_018);
}
