//! The user that a test runs as.

use rustix::process::getuid;

/// Becomes a user without privileges, unless this is one already; gives the user. As a
/// rule it has no other processes, where this process was root's.
///
/// # Panics
///
/// When the kernel refuses that.
#[must_use]
pub fn become_nobody() -> u32 {
    if getuid().is_root() {
        let user = 20_000 + std::process::id() % 40_000;
        // SAFETY: these calls take integers and a null pointer for an empty list.
        // The C library sees to it that they hold for every thread.
        let done = unsafe {
            [libc::setgroups(0, std::ptr::null()), libc::setgid(user), libc::setuid(user)]
        };
        assert_eq!(done, [0, 0, 0], "{}", std::io::Error::last_os_error());
    }
    getuid().as_raw()
}

/// Processes and threads of a user, which is what `RLIMIT_NPROC` counts.
///
/// # Panics
///
/// When `/proc` cannot be read.
#[must_use]
pub fn tasks_of(user: u32) -> u64 {
    let field = |status: &str, name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    // Not `self`, which is one of the others.
    let pids = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok());
    let status = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/status")).ok();
    let processes = pids.filter_map(status);
    let own = processes.filter(|status| field(status, "Uid:") == Some(user.into()));
    own.filter_map(|status| field(&status, "Threads:")).sum()
}
