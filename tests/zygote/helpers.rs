//! What tells a zygote, and those whom it forked.

use std::collections::BTreeSet;
use std::time::Duration;

use pool_runtime::{NotForked, Pool, PoolBuilder, Start, shutdown};
use pool_tests::pools::pids;
pub(crate) use pool_tests::processes::{children_of, file_of, zygote, zygotes_of};
pub(crate) use pool_tests::tasks::{own_pid, square};
use pool_tests::wait;

/// A pool whose workers are executed.
pub(crate) fn executed(workers: usize) -> PoolBuilder {
    Pool::builder().workers(workers).worker_program(std::env::current_exe().unwrap())
}

/// The number by which a process was told what it is, as it was executed; a fork
/// has that of its original.
pub(crate) fn mark_of(pid: u32) -> String {
    let environ = std::fs::read(file_of(pid, "environ")).unwrap();
    let entries = environ.split(|&byte| byte == 0);
    let mut marks = entries.filter_map(|entry| entry.strip_prefix(b"POOL_RUNTIME_WORKER="));
    String::from_utf8_lossy(marks.next().expect("a mark")).into_owned()
}

/// Asserts that all workers are forks of the zygote; gives the zygote.
#[track_caller]
pub(crate) fn assert_forked(pool: &Pool) -> u32 {
    for worker in pool.workers() {
        assert_eq!(worker.start, Start::Forked, "{worker:?}");
    }
    let zygote = zygote();
    for worker in pids(pool) {
        assert_eq!(mark_of(worker), mark_of(zygote), "worker {worker} of zygote {zygote}");
    }
    zygote
}

/// A pool whose workers are forks. On a slow machine that is busy a zygote may be late, and
/// workers are executed then; not each time.
#[track_caller]
pub(crate) fn forked(builder: impl Fn() -> PoolBuilder) -> Pool {
    let mut forked = None;
    wait::until("a zygote that is in time", || {
        let pool = builder().build().unwrap();
        let late = [NotForked::NoAnswer, NotForked::NotUp].map(Start::Executed);
        if pool.workers().iter().any(|worker| late.contains(&worker.start)) {
            drop(pool);
            // Without it no other is tried for some time.
            shutdown();
            return false;
        }
        assert_forked(&pool);
        forked = Some(pool);
        true
    });
    forked.unwrap()
}

/// So many of them.
#[track_caller]
pub(crate) fn forks(workers: usize) -> Pool {
    forked(|| Pool::builder().workers(workers))
}

/// A pool whose workers may take far longer to start than by default, as on a machine that is
/// slow while other threads of the test take its cores.
pub(crate) fn unhurried(workers: usize) -> Pool {
    let limit = Duration::from_secs(300);
    Pool::builder().workers(workers).start_timeout(limit).build().unwrap()
}

/// Asserts that every worker was executed by itself, and is said to be, and why.
#[track_caller]
pub(crate) fn assert_executed(pool: &Pool, why: NotForked) {
    for worker in pool.workers() {
        assert_eq!(worker.start, Start::Executed(why), "{worker:?}");
    }
    let layouts: BTreeSet<String> = pids(pool).into_iter().map(layout).collect();
    assert_eq!(layouts.len(), pool.workers().len(), "forks have one layout: {layouts:?}");
    assert_eq!(zygotes_of(std::process::id()), []);
}

/// Where the stack of a process is, which is drawn at random for each exec.
fn layout(pid: u32) -> String {
    let maps = std::fs::read_to_string(file_of(pid, "maps")).unwrap();
    let stack = maps.lines().find(|line| line.ends_with("[stack]")).expect("a stack");
    stack.split('-').nth(1).unwrap().split(' ').next().unwrap().to_owned()
}
