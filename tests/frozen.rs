//! A program that is stopped together with its workers, as a container is frozen: the time
//! in which nobody ran counts for no limit.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pool_tests::clean::clean;
use pool_tests::fault::send;
use pool_tests::processes::children_of;
use pool_tests::temp::TempDir;
use pool_tests::wait;
use rustix::process::Signal;

/// Longer than the limit of the item that runs meanwhile.
const STOPPED: Duration = Duration::from_secs(5);

#[test]
fn an_item_has_its_time_after_a_stop_that_was_longer_than_its_limit() {
    let _clean = clean();
    let dir = TempDir::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_frozen"));
    let mut program = command.arg(dir.path()).stdout(Stdio::piped()).spawn().unwrap();
    wait::until("the item to begin", || dir.path().join("begun").exists());
    // Workers lead process groups of their own. There are the worker and the zygote.
    let all = || std::iter::once(program.id()).chain(children_of(program.id()));
    for pid in all() {
        send(pid, Signal::STOP);
    }
    wait::until("all to be stopped", || all().all(wait::is_stopped));
    let since = Instant::now();
    wait::until("the stop to be long", || since.elapsed() > STOPPED);
    std::fs::write(dir.path().join("go"), "").unwrap();
    for pid in all() {
        send(pid, Signal::CONT);
    }
    program.wait().unwrap();
    let said = std::io::read_to_string(program.stdout.take().unwrap()).unwrap();
    assert_eq!(said, "Ok(())\nErr(TimedOut)\n");
}
