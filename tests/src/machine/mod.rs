//! A machine of its own for a test, for what this machine is not set up for: emulated
//! by QEMU, instruction by instruction, so that it needs no right and nothing of this
//! processor. It has a Debian kernel and, in memory, a few of this machine's programs.

mod archive;
mod files;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::temp::TempDir;

/// The emulator, of the Debian package `qemu-system-x86`.
const EMULATOR: &str = "qemu-system-x86_64";

/// Names the file that holds the kernel, where it is not the one of [`kernel`].
const KERNEL: &str = "POOL_TESTS_KERNEL";

/// Programs that every machine has.
const PROGRAMS: [&str; 12] =
    ["cat", "chmod", "chown", "cp", "ln", "ls", "mkdir", "mount", "rm", "setpriv", "sh", "stty"];

/// Whatever happens, the machine is gone before the test's watchdog aborts: seconds.
const LONGEST: &str = "500";

/// The first process. What the script says goes to a line of its own, since the kernel's
/// messages would break its lines. The last `stty` waits until that line is empty.
/// Once this process ends, the kernel panics, which by its command line is a reboot, which
/// by the emulator's is the end.
const INIT: &str = "\
#!/bin/sh
PATH=/bin
export PATH
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp
exec 3>/dev/ttyS1
stty -opost <&3
sh -e /script </dev/null >&3 2>&1
echo \"the script has ended: $?\" >&3
stty opost <&3
";

/// Boots a machine, runs the lines of a shell script in it as root, and gives what they
/// have printed. Beside some usual programs it has `programs`, files of this machine, in
/// its `/bin`. The first command that fails ends the script. There is one processor and no
/// network; all files are in memory; `/tmp` is a file system of its own, `cgroup2` is not mounted.
///
/// # Panics
///
/// When a line fails, when the machine does not come to its end, and when the emulator or
/// the kernel is missing.
#[must_use]
pub fn run(programs: &[&str], lines: &str) -> String {
    let temp = TempDir::new();
    let (files, console, said) = (temp.file("files"), temp.file("console"), temp.file("said"));
    let mut archive = archive::Archive::new(File::create(&files).unwrap());
    for directory in ["dev", "proc", "sys", "tmp", "etc"] {
        archive.directory(directory);
    }
    archive.file("init", 0o755, INIT.as_bytes());
    archive.file("script", 0o644, lines.as_bytes());
    archive.file("etc/passwd", 0o644, b"root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n");
    files::add(&mut archive, &PROGRAMS.map(files::find), programs);
    archive.end();

    let ran = Command::new("timeout")
        .args(["--kill-after=5", LONGEST, EMULATOR, "-accel", "tcg", "-cpu", "max"])
        .args(["-m", "1G", "-nodefaults", "-display", "none", "-no-reboot"])
        .args(["-serial", &format!("file:{console}"), "-serial", &format!("file:{said}")])
        .arg("-kernel")
        .arg(kernel())
        .args(["-initrd", &files, "-append", "console=ttyS0 panic=-1 mitigations=off"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let complained = String::from_utf8_lossy(&ran.stderr);
    assert!(
        ran.status.code() != Some(127),
        "{EMULATOR} is missing: install the Debian package qemu-system-x86\n{complained}"
    );
    let read =
        |file| String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned();
    let (said, console) = (read(&said), read(&console));
    match said.strip_suffix("the script has ended: 0\n") {
        Some(said) => said.to_owned(),
        None => panic!(
            "the machine did not run all lines ({})\n{complained}\nits kernel:\n{console}\n\
             its script:\n{said}",
            ran.status
        ),
    }
}

/// The file that holds the kernel.
fn kernel() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let cached = || home().join(".cache/pool-tests/vmlinuz");
    let path = std::env::var_os(KERNEL).map_or_else(cached, PathBuf::from);
    assert!(
        path.exists(),
        "{} is missing: `.ci/kernel` puts a Debian kernel there; {KERNEL} names another, as \
         /boot/vmlinuz of a Debian system",
        path.display()
    );
    path
}
