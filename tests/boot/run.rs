//! Runs a program, watched; says what it printed.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, set_child_subreaper, wait};

use pool_tests::wait as watch;

/// A program that is to be started.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    patience: Duration,
}

impl Program {
    pub(crate) fn new(path: impl AsRef<OsStr>) -> Program {
        let mut command = Command::new(path);
        // A group of its own, so that the watchdog gets all of it.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Program { command, patience: Duration::from_secs(60) }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Program {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Program {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Program {
        self.command.env(name, value);
        self
    }

    pub(crate) fn env_remove(mut self, name: &str) -> Program {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn current_dir(mut self, dir: impl AsRef<Path>) -> Program {
        self.command.current_dir(dir);
        self
    }

    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Program {
        self.command.stdin(stdin);
        self
    }

    /// How long it may take, where a minute is not enough.
    pub(crate) fn minutes(mut self, minutes: u64) -> Program {
        self.patience = Duration::from_secs(60 * minutes);
        self
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{self:?}: {error}"));
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        let program = self.command.get_program().display().to_string();
        let deadline = Instant::now() + self.patience;
        Running { program, child, stdout, stderr, deadline }
    }

    /// Starts it and waits for its end.
    pub(crate) fn run(self) -> Ended {
        self.start().end()
    }
}

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Running {
    program: String,
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    deadline: Instant,
}

impl Running {
    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        match self.stdout.recv_timeout(self.left()) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => self.hangs(),
            Err(RecvTimeoutError::Disconnected) => {
                let stderr: Vec<_> = self.stderr.try_iter().collect();
                panic!("{} printed no further line; stderr: {stderr:?}", self.program)
            }
        }
    }

    /// Writes a line to its standard input, which must be a pipe.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for its end, and that of everyone who could print in its name.
    pub(crate) fn end(mut self) -> Ended {
        drop(self.child.stdin.take());
        let stdout = self.rest(|running| &running.stdout);
        let stderr = self.rest(|running| &running.stderr);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Ended { program: self.program, status, stdout, stderr };
            }
            if self.left().is_zero() {
                self.hangs();
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn rest(&mut self, stream: fn(&Running) -> &Receiver<String>) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match stream(self).recv_timeout(self.left()) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => return lines,
                Err(RecvTimeoutError::Timeout) => {
                    eprintln!("it had printed {lines:#?}");
                    self.hangs()
                }
            }
        }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn hangs(&mut self) -> ! {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
        panic!("{} hung, or left a process that holds its output", self.program)
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { break };
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    program: String,
    status: ExitStatus,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

impl Ended {
    /// An error, in words, if it ended without success.
    pub(crate) fn outcome(self) -> Result<Ended, String> {
        if self.status.success() {
            return Ok(self);
        }
        let Ended { program, status, stdout, stderr } = self;
        Err(format!("{program}: {status}\n{}\n{}", stdout.join("\n"), stderr.join("\n")))
    }

    /// It ended with success; what it printed is in `stdout`.
    #[track_caller]
    pub(crate) fn success(self) -> Ended {
        self.outcome().unwrap_or_else(|why| panic!("{why}"))
    }

    /// It ended without success.
    #[track_caller]
    pub(crate) fn failure(self) -> Ended {
        assert!(!self.status.success(), "{} succeeded: {:?}", self.program, self.stdout);
        self
    }

    /// It ended with success, printed exactly these lines, and no complaint.
    #[track_caller]
    pub(crate) fn printed(self, lines: &[&str]) {
        let ended = self.success();
        assert_eq!(ended.stdout, lines, "{}, stderr: {:?}", ended.program, ended.stderr);
        assert_eq!(ended.stderr, Vec::<String>::new(), "stderr of {}", ended.program);
    }
}

/// Makes this process the parent of whoever loses its own, so that at the end of
/// a test `clean` sees also what a program has left behind.
pub(crate) fn adopt_orphans() {
    set_child_subreaper(Some(Pid::INIT)).unwrap();
    // What a test that failed has left must not fail this one.
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

/// Waits until all adopted zygotes have ended, which they must by themselves. No
/// other process may be among the adopted.
pub(crate) fn bury_zygotes() {
    let children = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let lists = tasks
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).ok());
        lists.collect::<String>()
    };
    for pid in children().split_whitespace() {
        // Also of one that has ended, since nobody has reaped it.
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        assert_eq!(name, "pool-zygote\n", "process {pid} was left behind");
    }
    bury_orphans();
}

/// Waits until all adopted processes have ended, which they must by themselves.
pub(crate) fn bury_orphans() {
    watch::until("the orphans to end", || {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(rustix::io::Errno::CHILD) => return true,
                Err(errno) => panic!("waiting for orphans: {errno}"),
            }
        }
    });
}
