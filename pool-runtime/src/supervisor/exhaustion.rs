//! Exhausted resources: whether one is the cause of a failure to start, and which.

use std::io;

use rustix::process::{Resource, getrlimit};

use super::exit_report::describe_bytes;
use crate::error::Error;
use crate::sys::shm;

/// Whether a resource is exhausted, which may soon be free again.
pub(crate) fn is_exhausted(cause: &io::Error) -> bool {
    let errno = cause.raw_os_error();
    matches!(errno, Some(libc::EMFILE | libc::ENFILE | libc::EAGAIN | libc::ENOMEM))
}

/// Names the exhausted resource and its limit, in parentheses; empty for any other cause.
pub(crate) fn describe_exhaustion(cause: &io::Error) -> String {
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
            // The C library's error if a thread's stack cannot be allocated.
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

/// Describes the limits on addresses and data, if there are any.
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

/// Whether an exhausted resource has caused this error of a start.
pub(crate) fn is_from_exhaustion(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(is_exhausted)
}
