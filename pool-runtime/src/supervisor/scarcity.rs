//! Whether something could not be started because something is short.

use std::io;

use rustix::process::{Resource, getrlimit};

use super::exit_report::describe_bytes;
use crate::error::Error;
use crate::sys::shm;

/// Whether something is short, of which there may soon be enough.
pub(crate) fn is_short(cause: &io::Error) -> bool {
    let errno = cause.raw_os_error();
    matches!(errno, Some(libc::EMFILE | libc::ENFILE | libc::EAGAIN | libc::ENOMEM))
}

/// Which resource is used up, if that is the cause of a failure to start, and what its
/// limit is.
pub(crate) fn scarcity(cause: &io::Error) -> String {
    match cause.raw_os_error() {
        Some(libc::EMFILE) => {
            let most =
                limit(Resource::Nofile).map_or_else(String::new, |most| format!(" of {most}"));
            format!(
                " (the program has no descriptors left{most}: raise `ulimit -n`, RLIMIT_NOFILE, or \
                 use fewer workers; each takes three, and two more where its output is read)"
            )
        }
        Some(libc::ENFILE) => {
            " (the machine has no descriptors left: see `sysctl fs.file-max`)".into()
        }
        Some(libc::EAGAIN) => {
            let most = limit(Resource::Nproc).map_or_else(String::new, |most| format!(", {most}"));
            // What the C library makes of a thread's stack that could not be had.
            let memory = memory().map_or_else(String::new, |told| format!("; or {told}"));
            format!(
                " (no processes left: see `ulimit -u`, RLIMIT_NPROC{most}, and the pids limit of \
                 the cgroup{memory})"
            )
        }
        Some(libc::ENOMEM) => {
            let told = memory().unwrap_or_else(|| {
                "no memory left for another process: see `free`, `sysctl vm.overcommit_memory` and \
                 `sysctl vm.max_map_count`"
                    .into()
            });
            format!(" ({told})")
        }
        _ => String::new(),
    }
}

/// What there is to say of limits on addresses and data, where there are some.
fn memory() -> Option<String> {
    let addresses = limit(Resource::As).map(|most| {
        let (most, each) = (describe_bytes(most), shm::MAPPED >> 20);
        format!(
            "the program may have {most} of addresses: raise `ulimit -v`, RLIMIT_AS, or use fewer \
             workers; each takes {each} MiB of them here, and as many in itself"
        )
    });
    let data = limit(Resource::Data).map(|most| {
        let most = describe_bytes(most);
        format!("the program may have {most} of data: raise `ulimit -d`, RLIMIT_DATA")
    });
    let told: Vec<String> = addresses.into_iter().chain(data).collect();
    (!told.is_empty()).then(|| told.join("; or "))
}

fn limit(resource: Resource) -> Option<u64> {
    getrlimit(resource).current
}

/// Whether a worker could not be started because something is short.
pub(crate) fn is_scarce(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(is_short)
}
