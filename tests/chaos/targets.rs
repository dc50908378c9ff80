//! The children of this program, as those who torment them see them.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A worker or a zygote, by a descriptor: a number may be another's by now.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) pid: u32,
    pub(crate) is_zygote: bool,
    pidfd: OwnedFd,
}

impl Target {
    /// All there are; none that can be had without descriptors.
    pub(crate) fn all() -> Vec<Target> {
        children().into_iter().filter_map(Target::open).collect()
    }

    fn open(pid: u32) -> Option<Target> {
        let pidfd = pidfd_open(Pid::from_raw(pid.cast_signed())?, PidfdFlags::empty()).ok()?;
        // After that, so that it is a child of this program which the descriptor is of,
        // or one that has ended.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (head, fields) = stat.rsplit_once(')')?;
        let parent: u32 = fields.split_whitespace().nth(1)?.parse().ok()?;
        let is_zygote = head.ends_with("(pool-zygote");
        (parent == std::process::id()).then_some(Target { pid, is_zygote, pidfd })
    }

    /// Whether it was there to get it.
    pub(crate) fn send(&self, signal: Signal) -> bool {
        pidfd_send_signal(&self.pidfd, signal).is_ok()
    }
}

/// The numbers of all children, on whichever thread of this program.
pub(crate) fn children() -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    let lists =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    let numbers = |list: String| -> Vec<u32> {
        list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    };
    lists.flat_map(numbers).collect()
}
