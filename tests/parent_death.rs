//! The program ends, in whatever way: its workers, and what they have started in
//! their process groups, are gone within a second, and say nothing.

#![allow(unsafe_code)]

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use pool_tests::clean::clean;
use pool_tests::fault::send;
use pool_tests::temp::TempDir;
use pool_tests::wait;
use rustix::process::{Pid, Signal, kill_process_group};

/// What is promised.
const PROMISED: Duration = Duration::from_secs(1);

/// A program with busy workers.
struct Parent {
    /// Where its processes leave word of themselves, and its output is.
    there: TempDir,
    printed: TempDir,
    child: Child,
}

impl Parent {
    /// Starts it in a process group of its own, as a shell does.
    fn start(how: &str) -> Parent {
        let (there, printed) = (TempDir::new(), TempDir::new());
        let file = |name| File::create(printed.file(name)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_parent"));
        command.arg(there.path()).arg(how).process_group(0).stdin(Stdio::null());
        let child = command.stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap();
        Parent { there, printed, child }
    }

    /// Waits until all its processes are where they should be; gives their pids.
    fn processes(&self, count: usize) -> Vec<u32> {
        let entries = || std::fs::read_dir(self.there.path()).unwrap();
        wait::until("the workers to be busy", || entries().count() == count);
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        entries().map(|entry| name(entry).to_str().unwrap().parse().unwrap()).collect()
    }

    /// Waits for its end and the end of `others`. Asserts that those came soon
    /// after `since`, and that nothing was printed.
    fn end(mut self, others: &[u32], since: Instant) -> ExitStatus {
        let status = self.child.wait().unwrap();
        wait::until("the workers to be gone", || !others.iter().copied().any(wait::is_running));
        let took = since.elapsed();
        assert!(took < PROMISED, "the last of {others:?} was gone after {took:?}");
        for stream in ["stdout", "stderr"] {
            let printed = std::fs::read_to_string(self.printed.file(stream)).unwrap();
            assert_eq!(printed, "", "{stream}");
        }
        status
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        // Where a test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.starts_with(" T")
}

#[test]
fn workers_of_a_killed_program_are_gone_within_a_second() {
    let _clean = clean();
    let parent = Parent::start("wait");
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
    let parent = Parent::start("idle");
    let processes = parent.processes(6);
    let since = Instant::now();
    send(parent.child.id(), Signal::KILL);
    assert_eq!(parent.end(&processes, since).signal(), Some(libc::SIGKILL));
}

#[test]
fn workers_of_a_stopped_and_then_killed_program_are_gone_within_a_second() {
    let _clean = clean();
    let parent = Parent::start("wait");
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
        let parent = Parent::start("wait");
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
        let mut parent = Parent::start(how);
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
    let mut parent = Parent::start("panic");
    let processes = parent.processes(8);
    assert_eq!(parent.child.wait().unwrap().code(), Some(101));
    let since = Instant::now();
    wait::until("the workers to be gone", || !processes.iter().copied().any(wait::is_running));
    assert!(since.elapsed() < PROMISED, "{:?}", since.elapsed());
    let printed = std::fs::read_to_string(parent.printed.file("stderr")).unwrap();
    assert!(printed.contains("at the end of main"), "{printed}");
    assert_eq!(printed.matches("panicked").count(), 1, "{printed}");
}
