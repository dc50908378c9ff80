//! Forks a copy of this process as its *sibling*: a child of its parent.
//!
//! By the system call itself, since no function of the C library makes a
//! sibling. So what the library's `fork` does for the copy's memory has to be
//! done here: the thread's own number is written where the library keeps it (see
//! [`ThreadNumber`]), the kernel is told what to clear when the thread ends, and the
//! list of robust mutexes is registered anew. The rest of what `fork` does is about
//! locks that other threads hold, and there are no other threads: see [`threads`].

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use super::page::Page;
use super::thread_number::ThreadNumber;

/// In which of the two processes a fork has returned.
#[derive(Debug)]
pub(crate) enum Forked {
    /// In the copy.
    Here,
    /// In the one that was copied; the descriptor is the copy's.
    There { pid: u32, pidfd: OwnedFd },
}

/// `struct clone_args` of the kernel, as it was first.
#[repr(C)]
#[derive(Default)]
struct Arguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

/// How many threads this process has.
pub(crate) fn threads() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// Forks. The copy is a child of this process's parent; its pid is written into
/// `page` before it runs its first instruction.
pub(crate) fn sibling(page: &Page, number: ThreadNumber) -> io::Result<Forked> {
    let mut pidfd: c_int = -1;
    let flags = libc::CLONE_PARENT | libc::CLONE_PIDFD | libc::CLONE_PARENT_SETTID;
    let arguments = Arguments {
        flags: u64::from(flags.cast_unsigned()),
        pidfd: (&raw mut pidfd).addr() as u64,
        parent_tid: page.pid_address().addr() as u64,
        // A sibling's is that of the original: SIGCHLD.
        ..Arguments::default()
    };
    let mut robust: *mut c_void = ptr::null_mut();
    let mut length: usize = 0;
    // SAFETY: the kernel writes the head of this thread's list, and its length.
    let listed = unsafe {
        libc::syscall(libc::SYS_get_robust_list, 0, &raw mut robust, &raw mut length) == 0
    };
    // SAFETY: without CLONE_VM the copy has memory of its own and goes on on its
    // own copy of this stack, so returning twice is as sound as it is for `fork`.
    // The caller has seen to it that there is one thread, so no lock is held by
    // somebody who is not copied. The kernel writes to `pidfd` and to the page, both
    // of which are valid for it.
    let pid =
        unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<Arguments>()) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            if listed {
                // SAFETY: the list is at the same address in the copy.
                unsafe { libc::syscall(libc::SYS_set_robust_list, robust, length) };
            }
            // SAFETY: this is the copy. The zygote, which has one thread, has learned it.
            unsafe { number.renew() };
            Ok(Forked::Here)
        }
        pid => {
            // SAFETY: clone3 succeeded, so it wrote a new descriptor here, which
            // nobody else knows.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = u32::try_from(pid).expect("pids are positive and fit");
            Ok(Forked::There { pid, pidfd })
        }
    }
}

/// Ends this process without its exit handlers: they are its copies' to run.
pub(crate) fn leave(code: c_int) -> ! {
    // SAFETY: it takes an integer and does not return.
    unsafe { libc::_exit(code) }
}
