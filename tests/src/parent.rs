//! A program that is watched while it runs and ends, with its processes.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::temp::TempDir;
use crate::wait;

/// How long its processes may outlive a program. A second is promised, and ten are left to
/// a machine that is slow or busy: what a test starts would live on for ever.
pub const PROMISED: Duration = Duration::from_secs(10);

/// A program that is run as `PROGRAM DIR HOW`, whose processes leave a file in DIR
/// each that is named after its pid. Killed when this goes.
#[derive(Debug)]
pub struct Parent {
    /// DIR.
    pub there: TempDir,
    printed: TempDir,
    /// The program itself.
    pub child: Child,
}

impl Parent {
    /// Starts it in a process group of its own, as a shell does.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(program: &str, how: &str) -> Parent {
        let (there, printed) = (TempDir::new(), TempDir::new());
        let file = |name| File::create(printed.file(name)).unwrap();
        let mut command = Command::new(program);
        command.arg(there.path()).arg(how).process_group(0).stdin(Stdio::null());
        let child = command.stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap();
        Parent { there, printed, child }
    }

    /// Waits until all its processes are where they should be; gives their pids.
    ///
    /// # Panics
    ///
    /// When they are never there.
    #[must_use]
    pub fn processes(&self, count: usize) -> Vec<u32> {
        let entries = || std::fs::read_dir(self.there.path()).unwrap();
        wait::until("the workers to be busy", || entries().count() == count);
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        entries().map(|entry| name(entry).to_str().unwrap().parse().unwrap()).collect()
    }

    /// What it has printed, on `stdout` or `stderr`.
    ///
    /// # Panics
    ///
    /// When that is no text.
    #[must_use]
    pub fn printed(&self, stream: &str) -> String {
        std::fs::read_to_string(self.printed.file(stream)).unwrap()
    }

    /// Waits for its end and the end of `others`. Asserts that those came soon
    /// after `since`, and that nothing was printed.
    ///
    /// # Panics
    ///
    /// When it is not so.
    #[must_use]
    pub fn end(mut self, others: &[u32], since: Instant) -> ExitStatus {
        let status = self.child.wait().unwrap();
        wait::until("the workers to be gone", || !others.iter().copied().any(wait::is_running));
        let took = since.elapsed();
        assert!(took < PROMISED, "the last of {others:?} was gone after {took:?}");
        for stream in ["stdout", "stderr"] {
            assert_eq!(self.printed(stream), "", "{stream}");
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
