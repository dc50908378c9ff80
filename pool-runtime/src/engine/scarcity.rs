//! Whether something could not be started because something is short.

use std::io;

use crate::error::Error;

/// Which resource is used up, or limited to less than is needed, if that is the cause of a
/// failure to start.
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
        Some(libc::EFBIG) => {
            " (a worker's channel takes 16 MiB, and files may not be so large: see `ulimit -f`, \
             RLIMIT_FSIZE)"
        }
        _ => "",
    }
}

/// Whether a worker could not be started because something is short, of which there may
/// soon be enough.
pub(super) fn is_scarce(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| {
        cause.raw_os_error() != Some(libc::EFBIG) && !scarcity(cause).is_empty()
    })
}
