//! The processes that a program has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A file about a process in `/proc`.
#[must_use]
pub fn file_of(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// The children of a process, on whichever thread of it.
///
/// # Panics
///
/// When there is no such process.
#[must_use]
pub fn children_of(pid: u32) -> BTreeSet<u32> {
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
///
/// # Panics
///
/// When there is no such process.
#[must_use]
pub fn zygotes_of(pid: u32) -> Vec<u32> {
    let is_one = |pid: &u32| {
        let comm = std::fs::read_to_string(file_of(*pid, "comm"));
        let cwd = std::fs::read_link(file_of(*pid, "cwd"));
        comm.is_ok_and(|comm| comm == "pool-zygote\n") && cwd.is_ok_and(|cwd| cwd == Path::new("/"))
    };
    children_of(pid).into_iter().filter(is_one).collect()
}

/// The zygote of this process.
///
/// # Panics
///
/// When there is none, or another.
#[track_caller]
pub fn zygote() -> u32 {
    let zygotes = zygotes_of(std::process::id());
    assert_eq!(zygotes.len(), 1, "{zygotes:?}");
    zygotes[0]
}
