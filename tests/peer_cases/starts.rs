//! Workers that cannot start, and how many there are.

use std::collections::BTreeSet;

use pool_runtime::{ErrorKind, Pool, PoolBuilder};
use pool_tests::clean::{clean, descriptors};
use pool_tests::pools::{idle, pids};
use pool_tests::processes::{children_of, zygotes_of};
use pool_tests::temp::TempDir;
use pool_tests::wait;

use crate::tasks::{exit_with, nap, own_pid, square};

/// A pool whose first `good` workers start, and none after them while the script's
/// `bad` is there; each start is noted in `starts`.
fn failing_after(temp: &TempDir, good: usize) -> PoolBuilder {
    let own = std::env::current_exe().unwrap();
    std::fs::write(temp.file("bad"), "").unwrap();
    let lines = format!(
        "cd {:?}\necho $$ >>starts\n[ -e bad ] && [ $(wc -l <starts) -gt {good} ] && exit 7\n\
         exec {own:?}",
        temp.path()
    );
    Pool::builder().worker_program(temp.script("program", &lines))
}

fn starts(temp: &TempDir) -> Vec<u32> {
    let pids = std::fs::read_to_string(temp.file("starts")).unwrap();
    pids.lines().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn r065_no_worker_is_refused_and_exactly_as_many_as_asked_start() {
    let _clean = clean();
    let error = Pool::new(0).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    for count in [1, 3] {
        let pool = Pool::new(count).unwrap();
        let mut children = children_of(std::process::id());
        for zygote in zygotes_of(std::process::id()) {
            children.remove(&zygote);
        }
        assert_eq!(children.len(), count);
        assert_eq!(children, pids(&pool));
    }
}

#[test]
fn r068_the_fourth_start_fails_and_the_first_three_are_reaped() {
    let _clean = clean();
    let before = descriptors();
    let temp = TempDir::new();
    let error = failing_after(&temp, 3).workers(4).build().map(drop).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Spawn, Some(7)), "{error}");
    let starts = starts(&temp);
    assert!(starts.len() >= 4, "{starts:?}");
    assert!(starts.iter().all(|&pid| !wait::is_running(pid)), "{starts:?}");
    assert_eq!(children_of(std::process::id()), BTreeSet::new());
    assert_eq!(descriptors(), before);
}

#[test]
fn r069_a_replacement_that_cannot_start_fails_the_calls_and_strands_none() {
    let _clean = clean();
    let temp = TempDir::new();
    let pool = failing_after(&temp, 1).workers(1).build().unwrap();
    let dies = pool.apply_async(exit_with, 3).unwrap();
    let queued: Vec<_> = (0..5).map(|n| pool.apply_async(square, n).unwrap()).collect();
    let map = pool.map_async(square, 0..100).unwrap();
    assert_eq!(dies.get().unwrap_err().exit_code(), Some(3));
    let errors = queued.into_iter().map(|call| call.get().unwrap_err());
    for error in errors.chain([map.get().unwrap_err()]) {
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Spawn, Some(7)), "{error}");
    }
}

#[test]
fn r070_there_are_never_more_workers_than_asked_for() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    let workers = idle(&pool, 3);
    let calls: Vec<_> = (0..15 * 3).map(|_| pool.apply_async(nap, 2).unwrap()).collect();
    while !calls.iter().all(|call| call.ready()) {
        assert!(pids(&pool).len() <= 3);
        let others = children_of(std::process::id()).difference(&workers).count();
        assert!(others <= 1, "{others} besides the workers, of which one is the zygote");
    }
    let ran: BTreeSet<u32> = pool.map(own_pid, [(); 45]).unwrap().into_iter().collect();
    assert!(ran.is_subset(&workers), "{ran:?} in {workers:?}");
    for call in calls {
        call.get().unwrap();
    }
}
