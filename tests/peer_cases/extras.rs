//! Signals, limits, nesting.

use std::sync::OnceLock;
use std::time::Instant;

use pool_runtime::{ErrorKind, Pool, WorkerState, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::dispositions::dispositions;
use pool_tests::parent::{PROMISED, Parent};
use pool_tests::pools::idle;
use pool_tests::temp::TempDir;
use pool_tests::{runs, wait};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::tasks::{forever, note_and_wait, square};

/// A pool in a pool in a pool, so many deep; gives how deep it came.
#[pool_task]
fn nest(depth: u32, deepest: u32) -> Result<u32, String> {
    if depth == deepest {
        return Ok(depth);
    }
    let pool = Pool::new(1).map_err(|error| format!("{:?}: {error}", error.kind()))?;
    pool.apply(nest, (depth + 1, deepest)).map_err(|error| error.to_string())?
}

#[pool_task]
fn squares_by_workers_that_are_kept(n: u64) -> u64 {
    static POOL: OnceLock<Pool> = OnceLock::new();
    let pool = POOL.get_or_init(|| Pool::new(2).unwrap());
    pool.map(square, 0..n).unwrap().iter().sum()
}

#[pool_task]
fn cores() -> u32 {
    sched_getaffinity(None).unwrap().count()
}

#[test]
fn r089_an_interrupt_from_the_keyboard_ends_all_and_leaves_handlers_alone() {
    let _clean = clean();
    let mut program = Parent::start(env!("CARGO_BIN_EXE_parent"), "wait");
    let processes = program.processes(8);
    let since = Instant::now();
    kill_process_group(Pid::from_child(&program.child), Signal::INT).unwrap();
    program.child.wait().unwrap();
    wait::until("the workers to be gone", || !processes.iter().copied().any(wait::is_running));
    assert!(since.elapsed() < PROMISED, "{:?}", since.elapsed());

    let before = dispositions();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(square, 0..10).unwrap().len(), 10);
    assert_eq!(dispositions(), before);
    drop(pool);
    assert_eq!(dispositions(), before);
}

#[test]
fn r090_pools_nest_ten_deep_and_beyond_is_a_named_error() {
    let _clean = clean();
    assert_eq!(nest(0, 10), Ok(10));
    let error = nest(0, 11).unwrap_err();
    assert!(error.starts_with("Spawn: ") && error.contains("10"), "{error}");
}

#[test]
fn r091_nested_pools_exit_without_deadlock() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(squares_by_workers_that_are_kept, [1, 2, 3, 4]).unwrap(), [0, 1, 5, 14]);
    pool.close();
    pool.join().unwrap();
}

#[test]
fn r092_the_cores_that_the_program_may_use_are_those_of_its_workers() {
    // A quota of a cgroup is for the standard library to see, whose count of cores is
    // the default.
    alone("extras::r092_the_cores_that_the_program_may_use_are_those_of_its_workers", || {
        let all = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|&core| all.is_set(core)).unwrap();
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(None, &one).unwrap();
        let pool = Pool::builder().build().unwrap();
        assert_eq!(pool.workers().len(), 1);
        assert_eq!(pool.apply(cores, ()).unwrap(), 1);
    });
}

// r093 does not apply: how many threads a task starts is its own affair; the builder's
// `env` sets what libraries look at.

// r095 does not apply: a submission is never refused, and waits for nobody; what bounds
// the items of a lazy map is its window, r019.

#[test]
fn r098_what_a_pool_tells_of_its_workers_agrees_with_what_runs() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    let before = idle(&pool, 3);
    let (dir, notes) = (TempDir::new(), TempDir::new());
    let go = dir.file("go");
    let call = pool.apply_async(note_and_wait, (notes.path(), 7, &*go)).unwrap();
    let noted = || runs::noted(notes.path()).remove(&7).unwrap_or_default();
    wait::until("the call to run", || noted().len() == 1);
    let busy: Vec<u32> = pool
        .workers()
        .into_iter()
        .filter_map(|worker| (worker.state == WorkerState::Busy).then_some(worker.pid))
        .collect();
    assert_eq!(busy, noted());
    std::fs::write(go, "").unwrap();
    call.get().unwrap();
    assert_eq!(idle(&pool, 3), before);
    let slots: Vec<usize> = pool.workers().into_iter().map(|worker| worker.slot).collect();
    assert_eq!(slots, [0, 1, 2]);

    // Where they are pinned to, by slot.
    let allowed = sched_getaffinity(None).unwrap();
    let own: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect();
    let pinned = Pool::builder().workers(3).pin(own.iter().copied()).build().unwrap();
    for worker in pinned.workers() {
        let pid = Pid::from_raw(worker.pid.try_into().unwrap());
        let set = sched_getaffinity(pid).unwrap();
        let core = own[worker.slot % own.len()];
        assert!(set.count() == 1 && set.is_set(core), "slot {} on core {core}", worker.slot);
    }

    let never = pool.apply_async(forever, ()).unwrap();
    pool.terminate();
    pool.join().unwrap();
    assert_eq!(pool.workers(), []);
    assert_eq!(never.get().unwrap_err().kind(), ErrorKind::Terminated);
}

// r100 does not apply: there are no hooks around a task; it is a function, and what is
// to happen before and after stands in it.
