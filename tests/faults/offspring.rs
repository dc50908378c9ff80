//! Tasks that make processes of their own.

use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::send;
use pool_tests::left::apart;
use pool_tests::pools::{idle, pids};
use pool_tests::temp::TempDir;
use pool_tests::wait;
use rustix::io::FdFlags;
use rustix::process::Signal;

use crate::meddling::channel_sockets;

/// A program that runs for ever and holds whatever this process holds, the
/// channel too.
fn heir() -> Command {
    for socket in channel_sockets() {
        // SAFETY: the descriptor was seen open, and nobody closes it meanwhile.
        let socket = unsafe { BorrowedFd::borrow_raw(socket) };
        rustix::io::fcntl_setfd(socket, FdFlags::empty()).unwrap();
    }
    let mut command = Command::new("sleep");
    command.arg("1000000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Leaves a child behind; gives its pid.
#[pool_task]
#[allow(clippy::zombie_processes)]
fn leave_a_child(exits: bool) -> u32 {
    let child = heir().spawn().unwrap().id();
    if exits {
        std::fs::write(std::env::var("POOL_TESTS_CHILD").unwrap(), child.to_string()).unwrap();
        std::process::exit(7);
    }
    child
}

/// Leaves a child behind that has left the worker's process group.
#[pool_task]
#[allow(clippy::zombie_processes)]
fn leave_a_daemon(_item: ()) -> u32 {
    apart(&mut heir()).spawn().unwrap().id()
}

fn gone(pid: u32) {
    wait::until("the child of the task to be gone", || !wait::is_running(pid));
}

#[test]
fn a_child_that_a_task_leaves_behind_goes_with_its_worker() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let children = pool.map(leave_a_child, [false; 6]).unwrap();
    assert!(children.iter().all(|&child| wait::is_running(child)));
    drop(pool);
    children.into_iter().for_each(gone);

    // And where the workers leave by themselves.
    let pool = Pool::new(2).unwrap();
    let children = pool.map(leave_a_child, [false; 6]).unwrap();
    pool.close();
    pool.join().unwrap();
    children.into_iter().for_each(gone);

    let children = leave_a_child.pmap([false; 6], 2).unwrap();
    children.into_iter().for_each(gone);

    let mut process = leave_a_child.spawn(false).unwrap();
    let child = process.join().unwrap();
    gone(child);
}

#[test]
fn a_child_that_holds_the_channel_does_not_hide_the_workers_death() {
    let _clean = clean();
    let temp = TempDir::new();
    let file = temp.file("child");
    let pool = Pool::builder().workers(2).env("POOL_TESTS_CHILD", &file).build().unwrap();
    let error = pool.map(leave_a_child, [true]).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Died, Some(7)), "{error}");
    gone(std::fs::read_to_string(file).unwrap().parse().unwrap());
    pool.map(leave_a_child, [false; 4]).unwrap();
    idle(&pool, 2);
}

#[test]
fn a_daemon_that_holds_the_channel_holds_up_nobody() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let daemons = pool.map(leave_a_daemon, [(); 3]).unwrap();
    let before = idle(&pool, 2);
    for &pid in &before {
        send(pid, Signal::KILL);
    }
    wait::until("the workers to be replaced", || {
        let pids = pids(&pool);
        pids.len() == 2 && pids.is_disjoint(&before)
    });
    let more = pool.map(leave_a_daemon, [(); 3]).unwrap();
    pool.close();
    pool.join().unwrap();
    drop(pool);
    // It has left the group, so it is for its maker to end.
    for daemon in daemons.into_iter().chain(more) {
        assert!(wait::is_running(daemon));
        send(daemon, Signal::KILL);
        gone(daemon);
    }
}

/// Returns in two processes at once, or panics in the second.
#[pool_task]
fn fork_and_return(in_the_copy: &str) -> u32 {
    let before = std::process::id();
    // SAFETY: the worker has one thread here, so the copy may do as it likes.
    let forked = unsafe { libc::fork() };
    assert_ne!(forked, -1, "fork");
    if forked == 0 {
        match in_the_copy {
            "panic" => panic!("in the copy"),
            "exit" => std::process::exit(5),
            "stay" => std::thread::sleep(Duration::from_secs(1_000_000)),
            _ => {}
        }
    } else if in_the_copy != "stay" {
        let mut status = 0;
        // SAFETY: `status` is an integer that the call writes.
        unsafe { libc::waitpid(forked, &raw mut status, 0) };
    }
    before
}

#[test]
fn a_task_that_forks_answers_once() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let before = pids(&pool);
    for in_the_copy in ["return", "panic", "exit", "stay"] {
        for chunk in [1, 3] {
            let results = pool.job(fork_and_return).chunk_size(chunk).imap([in_the_copy; 5]);
            let results: Result<Vec<u32>, _> = results.collect();
            let results = results.unwrap_or_else(|error| panic!("{in_the_copy}: {error}"));
            assert_eq!(results.len(), 5);
            assert!(results.iter().all(|pid| before.contains(pid)), "{in_the_copy}: {results:?}");
        }
    }
    assert_eq!(pids(&pool), before);
    drop(pool);
    for pid in before {
        // Nothing of the group is left, and the group's number is free.
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        wait::until("the group to be gone", || {
            rustix::process::test_kill_process_group(pid).is_err()
        });
    }
}

/// Becomes another program, which cannot answer.
#[pool_task]
fn become_another(program: &str) -> u32 {
    let error = Command::new(program).stdin(Stdio::null()).exec();
    panic!("failed to execute {program}: {error}");
}

#[test]
fn a_task_that_executes_another_program_costs_its_item() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let error = pool.map(become_another, ["true"]).unwrap_err();
    assert_eq!((error.kind(), error.item()), (ErrorKind::Died, Some(0)), "{error}");
    let error = pool.map(become_another, ["/no/such/program"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked, "{error}");
    idle(&pool, 2);
}
