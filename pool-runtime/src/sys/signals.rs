//! Signal masks and dispositions.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

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

/// Not 0 once a SIGTERM is meant for this process.
static MEANT: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// From here on SIGTERM ends this process only if `meant` is not 0: from elsewhere it is
/// for the program.
///
/// By a handler, and neither by ignoring nor by blocking the signal. Both of these go
/// through exec: the programs that a task starts would not end at a SIGTERM either, and a
/// shell script cannot even undo that. A handler is reset to the default there. Its
/// price is that a call that sleeps (`poll`, `nanosleep`) may be interrupted, as in every
/// program with a handler; others are restarted. And a task that has a handler of its own
/// gets the signal as if there were none here.
pub(crate) fn leave_sigterm(meant: &'static AtomicU64) {
    MEANT.store(ptr::from_ref(meant).cast_mut(), Ordering::Release);
    // SAFETY: all zero is a valid `sigaction`, whose mask sigemptyset makes one. The
    // handler has the type of one without SA_SIGINFO, and does what a handler may: it
    // reads a word, and makes system calls.
    let done = unsafe {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = end_if_meant as *const () as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGTERM, &raw const action, ptr::null_mut())
    };
    assert_eq!(done, 0, "SIGTERM can be handled");
}

extern "C" fn end_if_meant(signal: libc::c_int) {
    // SAFETY: from a reference that lives for ever, and set before this is the handler.
    let meant = unsafe { MEANT.load(Ordering::Acquire).as_ref() };
    if meant.is_some_and(|meant| meant.load(Ordering::Acquire) != 0) {
        // SAFETY: both are safe in a handler, and take integers. The signal is blocked
        // while it is handled, and ends the process when this returns.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
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
