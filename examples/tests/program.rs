//! An example as a running program: watched, and checked for leftovers.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// Generous: a program that takes this long hangs.
const WATCHDOG: Duration = Duration::from_secs(600);

/// How long what a program starts may outlive it. A second is promised, and ten are left to
/// a machine that is slow or busy.
const SOON: Duration = Duration::from_secs(10);

/// In the environment of a program and of all that it starts.
const MARK: &str = "POOL_EXAMPLES_RUN";

/// A program to be started.
pub(crate) struct Program {
    command: Command,
    mark: String,
}

/// What a program printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) pid: u32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) status: ExitStatus,
    pub(crate) peak: Peak,
}

/// The most memory held at a time, in KiB: that of the program itself, and of
/// the largest of its workers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peak {
    pub(crate) program: u64,
    pub(crate) worker: u64,
}

/// The example of this name.
pub(crate) fn example(name: &str) -> Program {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let mark = format!("{}.{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
    let mut command = Command::new(path_of(name));
    command.env(MARK, &mark).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Program { command, mark }
}

/// Cargo puts examples beside the directory of the tests.
fn path_of(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(
        path.is_file(),
        "{} is not there: `cargo test` builds the examples first, but with `--test` it does not; \
         run `cargo build --examples`, with `--release` if the tests are",
        path.display()
    );
    path
}

impl Program {
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn current_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Output {
        self.run_with(|stdout, pid| {
            let mut printed = Vec::new();
            let mut peak = Peak::of(pid);
            // A program that prints more than a pipe holds waits for its reader,
            // so that at each look it still has nearly all of its work in memory.
            while stdout.by_ref().take(64 << 10).read_to_end(&mut printed)? > 0 {
                peak = peak.max(Peak::of(pid));
            }
            Ok((printed, peak))
        })
    }

    /// Runs it, but reads no more of its output than this many bytes and closes
    /// the pipe then, as `head` does.
    pub(crate) fn run_and_close_after(self, bytes: u64) -> Output {
        self.run_with(move |stdout, _| {
            let mut printed = Vec::new();
            stdout.take(bytes).read_to_end(&mut printed)?;
            Ok((printed, Peak::default()))
        })
    }

    fn run_with<R>(mut self, read: R) -> Output
    where
        R: FnOnce(&mut ChildStdout, u32) -> io::Result<(Vec<u8>, Peak)> + Send + 'static,
    {
        let mut running = Running(self.command.spawn().unwrap());
        let pid = running.0.id();
        let mut stdout = running.0.stdout.take().unwrap();
        let mut stderr = running.0.stderr.take().unwrap();
        // Each thread drops its pipe before its result arrives here.
        let stdout = in_background(move || read(&mut stdout, pid));
        let stderr = in_background(move || io::read_to_string(&mut stderr));

        let started = Instant::now();
        let left = || WATCHDOG.saturating_sub(started.elapsed());
        let in_time = |what| format!("the program has not closed {what} in {WATCHDOG:?}");
        let stdout =
            stdout.recv_timeout(left()).unwrap_or_else(|_| panic!("{}", in_time("stdout")));
        let stderr =
            stderr.recv_timeout(left()).unwrap_or_else(|_| panic!("{}", in_time("stderr")));
        let status = loop {
            if let Some(status) = running.0.try_wait().unwrap() {
                break status;
            }
            assert!(!left().is_zero(), "the program has not ended in {WATCHDOG:?}");
            std::thread::sleep(Duration::from_millis(1));
        };
        let ended = Instant::now();
        let is_no_zygote = |pid: &u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm"));
            // One that is gone by now has ended in time.
            name.is_ok_and(|name| name != "pool-zygote\n")
        };
        let workers: Vec<u32> = self.left_behind().into_iter().filter(is_no_zygote).collect();
        assert_eq!(workers, [0; 0], "processes were left behind");
        // The copy of the program that workers are forked from sees it end.
        while !self.left_behind().is_empty() {
            assert!(ended.elapsed() < SOON, "left behind: {:?}", self.left_behind());
            std::thread::sleep(Duration::from_millis(1));
        }

        let (stdout, peak) = stdout.unwrap();
        Output { pid, stdout, stderr: stderr.unwrap(), status, peak }
    }

    /// Processes with the mark of this run in their environment.
    fn left_behind(&self) -> Vec<u32> {
        let mark = format!("{MARK}={}\0", self.mark);
        let has_mark = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.windows(mark.len()).any(|bytes| bytes == mark.as_bytes())
        };
        let entries = fs::read_dir("/proc").unwrap();
        let pids = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        pids.filter(has_mark).collect()
    }
}

/// A started program, killed if a test fails before its end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has been waited for is not signalled.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // If the test has failed meanwhile, nobody waits.
        let _ = sender.send(work());
    });
    receiver
}

impl Peak {
    /// What the kernel has noted so far; nothing for a program that has ended.
    fn of(pid: u32) -> Peak {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let children =
            tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let worker = children
            .flat_map(|pids| pids.split_whitespace().filter_map(high_water).collect::<Vec<_>>())
            .max();
        let program = high_water(&pid.to_string());
        Peak { program: program.unwrap_or(0), worker: worker.unwrap_or(0) }
    }

    fn max(self, other: Peak) -> Peak {
        Peak { program: self.program.max(other.program), worker: self.worker.max(other.worker) }
    }
}

fn high_water(pid: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

impl Output {
    /// The lines of standard output, of a program that must have succeeded and
    /// had nothing to complain of.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.assert_quiet();
        str::from_utf8(&self.stdout).unwrap().lines().collect()
    }

    #[track_caller]
    pub(crate) fn assert_quiet(&self) {
        assert_eq!(self.stderr, "");
        assert_eq!(self.status.code(), Some(0), "{:?}", self.status);
    }
}
