//! A program that adopts orphans: what is killed with a worker becomes its own.

#![allow(unsafe_code)]

use std::process::Command;
use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, Start, pool_task};
use pool_tests::alone::alone;
use pool_tests::processes::children_of;
use pool_tests::tasks::double;
use pool_tests::wait;

/// Starts processes, one of which starts another, and goes on for ever.
#[pool_task]
#[allow(clippy::zombie_processes)]
fn start_and_hang(_item: u32) {
    Command::new("sleep").arg("1000000").spawn().unwrap();
    Command::new("sh").args(["-c", "sleep 1000000; true"]).spawn().unwrap();
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[pool_task]
#[allow(clippy::zombie_processes)]
fn start_and_leave() {
    Command::new("sleep").arg("1000000").spawn().unwrap();
    std::process::exit(3);
}

/// Has whatever is executed start a process before anything else.
const HELPER: &str = "POOL_TESTS_HELPER";

#[used]
// SAFETY: the section holds pointers to functions of this type, which the C runtime calls
// once, before main. This one stands before the library's hook.
#[unsafe(link_section = ".init_array.00050")]
static EARLY: extern "C" fn() = start_a_helper;

extern "C" fn start_a_helper() {
    // SAFETY: there is one thread yet, and the copy calls nothing else.
    if std::env::var_os(HELPER).is_some() && unsafe { libc::fork() } == 0 {
        loop {
            // SAFETY: it takes nothing.
            unsafe { libc::pause() };
        }
    }
}

#[test]
fn what_constructors_start_is_reaped_with_the_copy_of_the_program() {
    alone("what_constructors_start_is_reaped_with_the_copy_of_the_program", || {
        // SAFETY: integers only.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }, 0);
        for _ in 0..3 {
            let pool = Pool::builder().workers(2).env(HELPER, "1").build().unwrap();
            assert_eq!(pool.map(double, 0..3).unwrap(), [0, 2, 4]);
            assert!(pool.workers().iter().all(|worker| worker.start == Start::Forked));
            drop(pool);
            pool_runtime::shutdown();
            assert!(children_of(std::process::id()).is_empty());
        }
    });
}

#[test]
fn what_is_killed_with_a_worker_is_reaped_and_nobody_else() {
    alone("what_is_killed_with_a_worker_is_reaped_and_nobody_else", || {
        // SAFETY: integers only.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }, 0);
        let mut own = Command::new("sh").args(["-c", "exit 5"]).spawn().unwrap();
        let pool = Pool::new(2).unwrap();
        let job = pool.job(start_and_hang).timeout(Duration::from_millis(50));
        for result in job.imap(0..6) {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
        }
        let error = pool.apply(start_and_leave, ()).unwrap_err();
        assert_eq!(error.exit_code(), Some(3), "{error}");
        pool_tests::pools::idle(&pool, 2);
        // Not only when the pool goes: what is there is its workers, and the other child.
        let known = || {
            let mut known: Vec<u32> = pool.workers().iter().map(|worker| worker.pid).collect();
            known.push(own.id());
            known
        };
        wait::until("all orphans to be reaped", || {
            pool_runtime::shutdown();
            children_of(std::process::id()).iter().all(|pid| known().contains(pid))
        });
        // Those of workers that are killed with the pool.
        let hanging = pool.map_async(start_and_hang, 0..2).unwrap();
        wait::until("the processes to be started", || {
            pool.workers().iter().all(|worker| children_of(worker.pid).len() == 2)
        });
        drop(pool);
        pool_runtime::shutdown();
        assert_eq!(hanging.get().unwrap_err().kind(), ErrorKind::Terminated);
        assert_eq!(Vec::from_iter(children_of(std::process::id())), [own.id()]);
        assert_eq!(own.wait().unwrap().code(), Some(5));
    });
}
