//! Python's pools. A Python program measures them with its own clock, round by
//! round, as it is told: see `peers.py`, which explains what is said.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use super::Helper;
use crate::contest::Run;
use crate::roles;

/// The program.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers.py");

/// The names of the two pools, in the tables and to the program.
pub(crate) const POOLS: [&str; 2] = ["multiprocessing.Pool", "ProcessPoolExecutor"];

/// One of the two, or why it is not there.
#[derive(Clone)]
pub(crate) struct PythonPool {
    pub(crate) name: &'static str,
    program: Result<Rc<RefCell<Program>>, String>,
}

struct Program {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    _helper: Helper,
}

impl PythonPool {
    /// Each in a program of its own, so that neither forks among the other's
    /// threads.
    pub(crate) fn start(name: &'static str) -> PythonPool {
        PythonPool { name, program: Program::start(name).map(|it| Rc::new(RefCell::new(it))) }
    }

    /// Prepares a row: gives a way to run its rounds, and what to say about it.
    /// The row ends when the rounds are dropped.
    pub(crate) fn begin(&self, row: &str, numbers: &[usize]) -> (Result<Run, String>, String) {
        let program = match &self.program {
            Ok(program) => program,
            Err(why) => return (Err(why.clone()), String::new()),
        };
        let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
        let said = program.borrow_mut().ask(&format!("begin {row} {}", numbers.join(" ")));
        let begun = said.map(|remark| (Begun(Rc::clone(program)), remark));
        match begun {
            Ok((begun, remark)) => (Ok(Box::new(move || begun.round())), remark),
            Err(why) => (Err(why), String::new()),
        }
    }

    /// The program with other arguments, for what needs one of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<Command, String> {
        self.program.as_ref().map_err(Clone::clone)?;
        let mut command = Command::new("python3");
        command.arg(SCRIPT).args(arguments).stdin(Stdio::null());
        Ok(command)
    }
}

/// A row that is prepared.
struct Begun(Rc<RefCell<Program>>);

impl Begun {
    fn round(&self) -> Result<Vec<f64>, String> {
        roles::numbers(&self.0.borrow_mut().ask("round")?)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // If it cannot end the row, the next one hears of it.
        let _ = self.0.borrow_mut().ask("end");
    }
}

impl Program {
    fn start(name: &str) -> Result<Program, String> {
        let mut child = Command::new("python3")
            .args([SCRIPT, "serve", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("python3 could not be started: {error}"))?;
        let pipes = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = pipes else { unreachable!("both are piped") };
        Ok(Program { stdin, stdout: BufReader::new(stdout), _helper: Helper(child) })
    }

    /// Says a line and waits for the answer: what comes after "ok".
    fn ask(&mut self, line: &str) -> Result<String, String> {
        let mut answer = String::new();
        writeln!(self.stdin, "{line}")
            .and_then(|()| self.stdout.read_line(&mut answer))
            .map_err(|error| format!("python3 does not answer: {error}"))?;
        let answer = answer.trim();
        match answer.strip_prefix("ok") {
            Some(said) => Ok(said.trim().to_owned()),
            None if answer.is_empty() => Err("python3 has ended".into()),
            None => Err(answer.to_owned()),
        }
    }
}
