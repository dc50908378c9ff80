//! What tells a zygote, and those whom it forked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pool_runtime::{Pool, PoolBuilder, pool_task};
use pool_tests::pools::pids;

#[pool_task]
pub(crate) fn own_pid() -> u32 {
    std::process::id()
}

#[pool_task]
pub(crate) fn square(n: u64) -> u64 {
    n * n
}

/// A pool whose workers are executed.
pub(crate) fn executed(workers: usize) -> PoolBuilder {
    Pool::builder().workers(workers).worker_program(std::env::current_exe().unwrap())
}

pub(crate) fn file_of(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// The children of a process, on whichever thread of it.
pub(crate) fn children_of(pid: u32) -> BTreeSet<u32> {
    let tasks = std::fs::read_dir(file_of(pid, "task")).unwrap();
    let read = tasks
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).ok());
    let numbers = |text: String| -> Vec<u32> {
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    };
    read.flat_map(numbers).collect()
}

/// The zygotes of a process, apart from one that is forking at this moment: then it
/// is in the directory of its copy, and its copy may still have its name.
pub(crate) fn zygotes_of(pid: u32) -> Vec<u32> {
    let is_one = |pid: &u32| {
        let comm = std::fs::read_to_string(file_of(*pid, "comm"));
        let cwd = std::fs::read_link(file_of(*pid, "cwd"));
        comm.is_ok_and(|comm| comm == "pool-zygote\n") && cwd.is_ok_and(|cwd| cwd == Path::new("/"))
    };
    children_of(pid).into_iter().filter(is_one).collect()
}

/// The zygote of this process, of which there is one.
#[track_caller]
pub(crate) fn zygote() -> u32 {
    let zygotes = zygotes_of(std::process::id());
    assert_eq!(zygotes.len(), 1, "{zygotes:?}");
    zygotes[0]
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
    let zygote = zygote();
    for worker in pids(pool) {
        assert_eq!(mark_of(worker), mark_of(zygote), "worker {worker} of zygote {zygote}");
    }
    zygote
}

/// Asserts that every worker was executed by itself.
#[track_caller]
pub(crate) fn assert_executed(pool: &Pool) {
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
