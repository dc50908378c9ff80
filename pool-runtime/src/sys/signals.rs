//! Signal masks and dispositions.

use std::mem::MaybeUninit;
use std::ptr;

/// All signals blocked on this thread, for as long as this lives.
pub(crate) struct AllBlocked {
    before: libc::sigset_t,
}

/// Blocks every signal on the calling thread: for threads of ours, on which the
/// program's handlers must not run, and around the making of a process.
pub(crate) fn block_all() -> AllBlocked {
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: sigfillset initialises the set it is given, and pthread_sigmask
    // writes the old mask, which is read only after its success was asserted.
    let before = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        let result = libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        assert_eq!(result, 0, "blocking signals cannot fail");
        before.assume_init()
    };
    AllBlocked { before }
}

impl Drop for AllBlocked {
    fn drop(&mut self) {
        // SAFETY: `before` is a mask that pthread_sigmask wrote.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut());
        }
    }
}

/// Makes three things errors that would otherwise be worse: writing to a closed
/// pipe, as Rust programs expect (Rust's runtime does that before `main`, where a
/// worker never arrives); and touching the terminal from a process group in the
/// background, as a worker's is, which would stop the worker for ever.
pub(crate) fn ignore_fatal_io() {
    // SAFETY: SIG_IGN is a valid disposition for these; no handler is installed.
    unsafe {
        for signal in [libc::SIGPIPE, libc::SIGTTIN, libc::SIGTTOU] {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
}

/// Puts every signal to its default, forgets those that have come, and unblocks them
/// all. Only system calls: it runs in a process that shares its parent's memory,
/// before exec.
pub(super) fn reset_all() {
    // By the system call itself: the C library refuses its own two, 32 and 33,
    // which its posix_spawn leaves ignored in a program that it has started. These
    // are the kernel's `struct sigaction`: handler, flags, restorer, and a mask of 8
    // bytes. Ignored first, because that makes the kernel forget a signal that is
    // pending, as one to the program's group may be from before this process left it.
    let actions = [libc::SIG_IGN, libc::SIG_DFL].map(|handler| [handler as u64, 0, 0, 0]);
    // SAFETY: the kernel reads an action, which is as long as what it reads, and
    // writes nothing, since there is no place for the old one. Both are valid for
    // every signal; SIGKILL and SIGSTOP give an error, which is ignored.
    // The empty set is initialised by sigemptyset before use.
    unsafe {
        for signal in 1..=64 {
            for action in &actions {
                let old = ptr::null_mut::<u64>();
                libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), old, 8usize);
            }
        }
        let mut none = MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}
