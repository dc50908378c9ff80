//! The parent watch, done by the kernel.
//!
//! The worker's end of the lifeline is put into signal-driven mode with SIGKILL
//! as its signal and the worker's process group as its owner. Nothing is ever
//! sent on it after boot, so the one event that can come is the hang-up when
//! the other end closes: when the program ends, however it ends. Then the
//! kernel kills the group.
//!
//! Compared with a thread that polls: nothing to schedule, so a worker in an
//! endless loop, a stopped one (SIGSTOP) and one that forked go as surely, with
//! no thread in the task's process. Compared with `PR_SET_PDEATHSIG`: that
//! fires when the *thread* that spawned ends, and spares grandchildren.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Arms `lifeline` so that its hang-up kills the caller's process group.
///
/// Gives `false` if it had hung up already.
pub(crate) fn arm(lifeline: BorrowedFd<'_>) -> io::Result<bool> {
    let fd = lifeline.as_raw_fd();
    // SAFETY: getpgrp only reads; fcntl with these commands takes integers and
    // changes nothing but the state of the descriptor, which is ours.
    unsafe {
        let group = libc::getpgrp();
        check(libc::fcntl(fd, libc::F_SETOWN, -group))?;
        check(libc::fcntl(fd, F_SETSIG, libc::SIGKILL))?;
        let flags = check(libc::fcntl(fd, libc::F_GETFL))?;
        check(libc::fcntl(fd, libc::F_SETFL, flags | libc::O_ASYNC))?;
    }
    // The hang-up signals only when it happens: one before the arming is seen
    // here, one after it by the kernel, so none falls between.
    let mut fds = [PollFd::from_borrowed_fd(lifeline, PollFlags::empty())];
    poll(&mut fds, Some(&Timespec::default()))?;
    Ok(!fds[0].revents().contains(PollFlags::HUP))
}

/// The same value on every architecture that Linux has but PA-RISC; the libc
/// crate does not name it.
const F_SETSIG: i32 = 10;

fn check(result: i32) -> io::Result<i32> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}
