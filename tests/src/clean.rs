//! One test at a time, watched, and checked for leftovers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

/// Generous, for slow and busy machines too: a test that takes this long hangs.
const WATCHDOG: Duration = Duration::from_secs(600);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Held for the length of a test. While it lives, no other test of this process
/// holds one, and a watchdog aborts the process if the test hangs. When it
/// goes, it asserts that the test has left no child (running or zombie) and the
/// descriptors as they were, apart from the idle zygote, which it ends.
#[derive(Debug)]
pub struct Clean {
    _one: MutexGuard<'static, ()>,
    /// Dropped first thing, which calls the watchdog off.
    calls_off: Option<Sender<()>>,
    before: BTreeMap<i32, PathBuf>,
}

/// Begins a test.
#[must_use]
pub fn clean() -> Clean {
    let one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (calls_off, called_off) = mpsc::channel();
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    std::thread::spawn(move || {
        if called_off.recv_timeout(WATCHDOG) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("watchdog: {test} has not ended within {WATCHDOG:?}");
            std::process::abort();
        }
    });
    heed_signals();
    // A test that failed may have left one.
    pool_runtime::shutdown();
    Clean { _one: one, calls_off: Some(calls_off), before: descriptors() }
}

/// Has signals end this process that it may have been started to ignore, by `nohup` or
/// in the background of a script, and with it whatever the test starts.
fn heed_signals() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        // SAFETY: it takes integers. No other test runs at this moment, so nobody relies on
        // a handler, and one that a test has set since the start is put back.
        unsafe {
            let before = libc::signal(signal, libc::SIG_DFL);
            if before != libc::SIG_IGN && before != libc::SIG_DFL {
                libc::signal(signal, before);
            }
        }
    }
}

impl Drop for Clean {
    fn drop(&mut self) {
        self.calls_off.take();
        if std::thread::panicking() {
            return;
        }
        pool_runtime::shutdown();
        assert_eq!(children(), None, "a child was left behind");
        assert_eq!(descriptors(), self.before, "descriptors were left behind, or lost");
    }
}

/// The descriptors of this process and what they are.
#[must_use]
pub fn descriptors() -> BTreeMap<i32, PathBuf> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    entries
        .filter_map(|entry| {
            let entry = entry.unwrap();
            // The one that reads the directory is gone by now.
            let target = std::fs::read_link(entry.path()).ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, target))
        })
        .filter(|(_, target)| !target.starts_with(format!("/proc/{}/fd", std::process::id())))
        // glibc's malloc opens it for a moment, in whatever thread frees much.
        .filter(|(_, target)| target != Path::new("/proc/sys/vm/overcommit_memory"))
        .collect()
}

/// Some child of this process, running or zombie, if there is one.
fn children() -> Option<String> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::All, look) {
        Err(Errno::CHILD) => None,
        Ok(Some(status)) => Some(format!("a zombie: {status:?}")),
        Ok(None) => Some(format!("running: {:?}", running_children())),
        Err(errno) => panic!("looking for children: {errno}"),
    }
}

fn running_children() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).ok())
        .flat_map(|pids| pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}
