//! A copy of this process, as a program's own `fork` makes it.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body` in a copy of this process and ends the copy by `_exit`: with 0, or
/// with 1 if `body` panics. Gives how the copy ended, as `waitpid` tells it.
///
/// # Panics
///
/// When there can be no copy.
pub fn in_a_copy(body: impl FnOnce()) -> i32 {
    // SAFETY: the copy allocates, which the C library allows after a fork, and takes
    // no lock that another thread of the test might hold.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "no copy of this process");
    if pid == 0 {
        let ended = catch_unwind(AssertUnwindSafe(body));
        // SAFETY: it takes an integer. The copy must not go on as a test.
        unsafe { libc::_exit(i32::from(ended.is_err())) };
    }
    let mut status = 0;
    // SAFETY: it writes the status of this process's own child.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    status
}
