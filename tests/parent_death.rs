//! The program ends, in whatever way: its workers, and what they have started in
//! their process groups, are gone within a second, and say nothing.

use std::os::unix::process::ExitStatusExt;
use std::time::Instant;

use pool_tests::clean::clean;
use pool_tests::fault::send;
use pool_tests::parent::{PROMISED, Parent};
use pool_tests::wait::{self, is_stopped};
use rustix::process::{Pid, Signal, kill_process_group};

fn start(how: &str) -> Parent {
    Parent::start(env!("CARGO_BIN_EXE_parent"), how)
}

#[test]
fn workers_of_a_killed_program_are_gone_within_a_second() {
    let _clean = clean();
    let parent = start("wait");
    let processes = parent.processes(8);
    wait::until("one to be stopped", || processes.iter().copied().any(is_stopped));
    assert!(processes.iter().copied().all(wait::is_running));
    let since = Instant::now();
    send(parent.child.id(), Signal::KILL);
    assert_eq!(parent.end(&processes, since).signal(), Some(libc::SIGKILL));
}

#[test]
fn idle_workers_of_a_killed_program_are_gone_within_a_second() {
    let _clean = clean();
    let parent = start("idle");
    let processes = parent.processes(6);
    let since = Instant::now();
    send(parent.child.id(), Signal::KILL);
    assert_eq!(parent.end(&processes, since).signal(), Some(libc::SIGKILL));
}

#[test]
fn workers_of_a_stopped_and_then_killed_program_are_gone_within_a_second() {
    let _clean = clean();
    let parent = start("wait");
    let processes = parent.processes(8);
    send(parent.child.id(), Signal::STOP);
    wait::until("the program to be stopped", || is_stopped(parent.child.id()));
    assert!(processes.iter().copied().all(wait::is_running));
    let since = Instant::now();
    send(parent.child.id(), Signal::KILL);
    assert_eq!(parent.end(&processes, since).signal(), Some(libc::SIGKILL));
}

#[test]
fn an_interrupt_from_the_keyboard_ends_all_without_a_word() {
    let _clean = clean();
    for signal in [Signal::INT, Signal::QUIT, Signal::HUP, Signal::TERM] {
        let parent = start("wait");
        let processes = parent.processes(8);
        let group = Pid::from_child(&parent.child);
        let since = Instant::now();
        // As the terminal sends it.
        kill_process_group(group, signal).unwrap();
        assert_eq!(parent.end(&processes, since).signal(), Some(signal.as_raw()), "{signal:?}");
    }
}

#[test]
fn a_pool_that_nobody_drops_ends_with_main() {
    let _clean = clean();
    for (how, code) in [("return", 0), ("exit", 3)] {
        let mut parent = start(how);
        let processes = parent.processes(8);
        let status = parent.child.wait().unwrap();
        let since = Instant::now();
        assert_eq!(parent.end(&processes, since), status, "{how}");
        assert_eq!(status.code(), Some(code), "{how}");
    }
}

#[test]
fn a_panic_of_main_ends_the_workers_and_is_all_that_is_printed() {
    let _clean = clean();
    let mut parent = start("panic");
    let processes = parent.processes(8);
    assert_eq!(parent.child.wait().unwrap().code(), Some(101));
    let since = Instant::now();
    wait::until("the workers to be gone", || !processes.iter().copied().any(wait::is_running));
    assert!(since.elapsed() < PROMISED, "{:?}", since.elapsed());
    let printed = parent.printed("stderr");
    assert!(printed.contains("at the end of main"), "{printed}");
    assert_eq!(printed.matches("panicked").count(), 1, "{printed}");
}
