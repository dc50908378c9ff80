//! One process for one call; what the attribute keeps and refuses.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, Process, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::send;
use pool_tests::wait;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::tasks::{exit_with, forever, own_pid, square};

const VARIABLE: &str = "POOL_TESTS_PEER_CASES";

#[pool_task]
fn of_a_child() -> String {
    let script = format!("echo ${VARIABLE}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[pool_task]
fn of_a_worker_and_its_child() -> (Option<String>, String) {
    let worker = Pool::new(1).unwrap();
    (worker.apply(of_itself, ()).unwrap(), worker.apply(of_a_child, ()).unwrap())
}

#[pool_task]
fn of_itself() -> Option<String> {
    std::env::var(VARIABLE).ok()
}

fn pidfd_of(pid: u32) -> Result<OwnedFd, Errno> {
    pidfd_open(Pid::from_raw(pid.cast_signed()).unwrap(), PidfdFlags::empty())
}

fn is_ready(pidfd: &OwnedFd, limit: Duration) -> bool {
    let limit = Timespec::try_from(limit).unwrap();
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&limit)).unwrap() == 1
}

#[test]
fn r080_a_process_is_known_before_during_and_after() {
    let _clean = clean();
    let mut process = Process::builder().name("known").spawn(forever, ()).unwrap();
    let pid = process.pid();
    assert!(wait::is_running(pid));
    assert!(process.is_alive());
    assert_eq!((process.exit_status(), process.name()), (None, "known"));
    process.kill().unwrap();
    process.join().unwrap_err();
    assert!(!process.is_alive() && !wait::is_running(pid));
    assert_eq!((process.pid(), process.name()), (pid, "known"));
    assert_eq!(process.exit_status().unwrap().signal(), Some(libc::SIGKILL));

    let mut process = own_pid.spawn(()).unwrap();
    let pid = process.pid();
    assert_eq!(process.join().unwrap(), pid);
    assert!(process.exit_status().unwrap().success());
}

#[test]
fn r081_terminate_kill_and_interrupt_stand_in_the_status() {
    let _clean = clean();
    for signal in [Signal::TERM, Signal::KILL, Signal::INT] {
        let mut process = forever.spawn(()).unwrap();
        let error = process.join_timeout(Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "it runs");
        match signal {
            Signal::TERM => process.terminate().unwrap(),
            Signal::KILL => process.kill().unwrap(),
            other => send(process.pid(), other),
        }
        let error = process.join().unwrap_err();
        assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(signal.as_raw())));
        assert_eq!(process.exit_status().unwrap().signal(), Some(signal.as_raw()));
    }
}

#[test]
fn r082_the_pid_gives_something_to_poll_that_is_ready_when_the_process_ends() {
    let _clean = clean();
    let mut process = forever.spawn(()).unwrap();
    let pidfd = pidfd_of(process.pid()).unwrap();
    assert!(!is_ready(&pidfd, Duration::from_millis(20)));
    process.terminate().unwrap();
    assert!(is_ready(&pidfd, Duration::from_secs(60)));
    process.join().unwrap_err();
    assert_eq!(pidfd_of(process.pid()).unwrap_err(), Errno::SRCH);
}

#[test]
fn r083_exit_statuses_are_told_as_they_are() {
    let _clean = clean();
    for code in [0, 1, 8] {
        let mut process = exit_with.spawn(code).unwrap();
        assert_eq!(process.join().unwrap_err().exit_code(), Some(code));
        assert_eq!(process.exit_status().unwrap().code(), Some(code));
    }
    let mut process = square.spawn(3).unwrap();
    process.join().unwrap();
    assert_eq!(process.exit_status().unwrap().code(), Some(0));
}

#[test]
fn r084_the_environment_reaches_grandchildren() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).env(VARIABLE, "blue").build().unwrap();
    assert_eq!(pool.apply(of_itself, ()).unwrap().as_deref(), Some("blue"));
    assert_eq!(pool.apply(of_a_child, ()).unwrap(), "blue");
    let (worker, child) = pool.apply(of_a_worker_and_its_child, ()).unwrap();
    assert_eq!((worker.as_deref(), &*child), (Some("blue"), "blue"));
    assert_eq!(of_itself(), None);
}

// r085 is in `ui.rs`: that docs are kept and a bad option is refused is for the
// compiler to say.
