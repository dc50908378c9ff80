//! Whether something could not be started because something is short.

use std::io;

use crate::error::Error;

/// Which resource is used up, if that is the cause of a failure to start.
pub(super) fn scarcity(cause: &io::Error) -> &'static str {
    match cause.raw_os_error() {
        Some(libc::EMFILE) => {
            " (the program has no descriptors left: raise `ulimit -n`, or use fewer workers; each \
             takes three, and two more where its output is read)"
        }
        Some(libc::ENFILE) => " (the machine has no descriptors left)",
        Some(libc::EAGAIN) => {
            " (no processes left: see `ulimit -u`, RLIMIT_NPROC, and the pids limit of the cgroup)"
        }
        Some(libc::ENOMEM) => " (no memory left for another process)",
        _ => "",
    }
}

/// Whether a worker could not be started because something is short, of which there may
/// soon be enough.
pub(super) fn is_scarce(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause| !scarcity(cause).is_empty())
}
