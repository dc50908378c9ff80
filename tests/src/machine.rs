//! A Linux of its own for a test, for what this machine's kernel is not set up for: it
//! runs as a process of an ordinary user, with this machine's files, which it can only
//! read.

use std::process::{Command, Stdio};

use crate::temp::TempDir;

/// The kernel, a program.
const KERNEL: &str = "linux.uml";

/// What every script begins with.
const PROLOGUE: &str = "\
set -e
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /mnt
";

/// Boots, runs the lines of a shell script as its first process, and gives what came on
/// the console. The script must end by `reboot` or the like; else the end of the first
/// process is the kernel's, which it does not mind saying.
///
/// # Panics
///
/// When that kernel is not there, or does not come to its end.
#[must_use]
pub fn run(lines: &str) -> String {
    let temp = TempDir::new();
    let init = temp.script("init", &format!("{PROLOGUE}{lines}"));
    // Whatever happens it is gone before the test's watchdog would abort. SIGTERM goes to
    // the processes that it makes of its own too.
    let ran = Command::new("timeout")
        .args(["--kill-after=5", "100", KERNEL, "mem=512M", "quiet"])
        .args(["root=none", "rootfstype=hostfs", "rootflags=/", "ro"])
        .args(["con=null", "con0=null,fd:1", &format!("init={init}")])
        .arg(format!("uml_dir={}/", temp.path().display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let complained = String::from_utf8_lossy(&ran.stderr);
    assert!(
        ran.status.code() != Some(127),
        "{KERNEL} is missing: install the Debian package user-mode-linux\n{complained}"
    );
    assert!(ran.status.code() != Some(124), "{KERNEL} did not end: {said}\n{complained}");
    said
}
