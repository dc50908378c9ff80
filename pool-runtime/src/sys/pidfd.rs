//! What the kernel says of a process to whoever holds its descriptor.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether a process has not begun to end; `None` where that is not told.
pub(super) fn lives_on(pidfd: BorrowedFd<'_>) -> Option<bool> {
    // This asks to have the memory of a dying process freed early, which is an invalid
    // request for one that lives. One that has let go of its descriptors has let go of its
    // memory before, which is no process to this call.
    // SAFETY: integers only; it changes nothing of a process that lives on.
    let freed = unsafe { libc::syscall(libc::SYS_process_mrelease, pidfd.as_raw_fd(), 0) };
    match (freed, io::Error::last_os_error().raw_os_error()) {
        (0, _) | (_, Some(libc::ESRCH)) => Some(false),
        (_, Some(libc::EINVAL)) => Some(true),
        _ => None,
    }
}

/// How a process ended whose exit status somebody else has taken. `None` where the
/// kernel does not keep that (before Linux 6.15), or a filter refuses the question.
pub(super) fn kept_status(pidfd: BorrowedFd<'_>) -> Option<ExitStatus> {
    // Where SIGCHLD is ignored, the kernel discards the status for those who wait, and only a
    // moment later keeps it for this question: when it has released the process. The
    // descriptor hangs up at that moment.
    let limit = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let raw = match ask(pidfd)? {
        Some(raw) => raw,
        None => {
            let _ = poll(&mut [PollFd::from_borrowed_fd(pidfd, PollFlags::empty())], Some(&limit));
            ask(pidfd)??
        }
    };
    Some(ExitStatus::from_raw(raw))
}

/// The inner `None` is a status that is not kept yet.
fn ask(pidfd: BorrowedFd<'_>) -> Option<Option<i32>> {
    let wanted = u64::from(libc::PIDFD_INFO_EXIT);
    // SAFETY: integers only, for which all zero is valid.
    let mut info: libc::pidfd_info = unsafe { MaybeUninit::zeroed().assume_init() };
    info.mask = wanted;
    // SAFETY: the kernel reads and writes `info`, whose size is in the request's number.
    // An older one knows no request by that number, and touches nothing.
    let told = unsafe { libc::ioctl(pidfd.as_raw_fd(), libc::PIDFD_GET_INFO, &raw mut info) };
    (told == 0).then(|| (info.mask & wanted != 0).then_some(info.exit_code))
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, FromRawFd, OwnedFd};
    use std::process::Command;

    use super::*;

    /// Whether this kernel tells who lives (Linux 5.15): then it takes the number for that of no
    /// descriptor.
    fn tells_who_lives() -> bool {
        // SAFETY: integers only; the descriptor is none.
        let refused = unsafe { libc::syscall(libc::SYS_process_mrelease, -1, 0) } == -1;
        refused && io::Error::last_os_error().raw_os_error() == Some(libc::EBADF)
    }

    /// Whether this kernel keeps the status of a process that was waited for. It says so by its
    /// version only.
    fn keeps_status() -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        let mut next = || numbers.next().unwrap().unwrap();
        (next(), next()) >= (6, 15)
    }

    #[test]
    fn a_process_lives_on_until_it_ends_and_its_status_is_kept() {
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        // SAFETY: it takes integers, and gives a new descriptor.
        let pidfd = unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, child.id(), 0);
            OwnedFd::from_raw_fd(i32::try_from(fd).unwrap())
        };
        let tells = tells_who_lives();
        assert_eq!(lives_on(pidfd.as_fd()), tells.then_some(true));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(lives_on(pidfd.as_fd()), tells.then_some(false));
        let kept = kept_status(pidfd.as_fd());
        // An older one may have been taught it.
        assert!(kept == Some(status) || (kept.is_none() && !keeps_status()), "{kept:?}");
    }
}
