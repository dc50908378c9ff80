//! The helper `started`, and what it must print however it was started.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use crate::clean::clean;
use crate::temp::TempDir;

/// With this in its environment it waits for a line, and then needs new workers.
pub const WAIT: &str = "POOL_TESTS_STARTED_WAIT";

/// What it prints first.
pub const LINES: [&str; 6] = [
    "[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]",
    "Ok(0)",
    "Err((Died, Some(6)))",
    "Ok(2)",
    "Err(TimedOut)",
    "Err((Died, Some(9)))",
];

/// Runs it by a command to which only the arguments of the program are missing: without
/// any, and with some that do harm if they are taken for a program and its own arguments.
///
/// # Panics
///
/// If it prints anything else, or the harm was done.
pub fn assert_works(command: impl Fn() -> Command) {
    for case in 0..4 {
        // Each has the time of the watchdog: some ways of starting are slow.
        let _clean = clean();
        let temp = TempDir::new();
        let marker = temp.file("marker");
        let script = temp.script("counts", &format!("echo \"$@\" >> {marker}"));
        let arguments: &[&str] = match case {
            0 => &[],
            1 => &["/usr/bin/touch", &marker],
            2 => &["/bin/sh", &script, "--delete-all"],
            _ => &[&script],
        };
        let mut command = command();
        let output = command.args(arguments).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
        assert_eq!(stdout.lines().collect::<Vec<_>>(), LINES, "{command:?}\n{stderr}");
        assert!(!std::fs::exists(&marker).unwrap(), "{command:?} executed an argument");
    }
}

/// Runs a copy of it by a command, does something to the copy while it waits, and lets it
/// go on; gives what it says of a new worker and of a new pool.
///
/// # Panics
///
/// If it prints anything else.
pub fn meanwhile(
    temp: &TempDir,
    program: &str,
    command: impl FnOnce(&str) -> Command,
    change: impl FnOnce(&str),
) -> [String; 2] {
    let copy = temp.file("copy");
    std::fs::copy(program, &copy).unwrap();
    let mut command = command(&copy);
    command.env(WAIT, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for expected in LINES.into_iter().chain(["waits"]) {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), expected);
    }
    change(&copy);
    child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
    let lines: Vec<_> = rest.lines().map(str::to_owned).collect();
    lines.try_into().expect("two lines")
}
