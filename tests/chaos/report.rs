//! What a process tells of itself that was told how to be.

use std::fs::File;

use pool_runtime::Resource;
use rustix::process::{Resource as Kind, getpriority_process, getrlimit};
use rustix::thread::{CpuSet, sched_getaffinity};
use serde::{Deserialize, Serialize};

/// What it tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) nice: i32,
    pub(crate) cores: Vec<usize>,
    /// The soft and the hard limit of each of [`KINDS`].
    pub(crate) limits: Vec<Limit>,
    pub(crate) memory: Limit,
    /// A filter decides on its system calls.
    pub(crate) is_filtered: bool,
    /// It may write to files that are nobody's.
    pub(crate) can_write: bool,
}

/// A soft limit and a hard one.
pub(crate) type Limit = (Option<u64>, Option<u64>);

/// Resources that may be limited, as the library and the kernel call them, to between so
/// many and so many: enough for all that items do.
pub(crate) const KINDS: [(Resource, Kind, usize, usize); 4] = [
    (Resource::OpenFiles, Kind::Nofile, 64, 300),
    (Resource::FileSize, Kind::Fsize, 1 << 20, 1 << 30),
    (Resource::Cpu, Kind::Cpu, 1000, 5000),
    (Resource::PendingSignals, Kind::Sigpending, 100, 1000),
];

impl Report {
    /// Of this process.
    pub(crate) fn new() -> Report {
        let set = sched_getaffinity(None).unwrap();
        // SAFETY: it takes an integer and tells one.
        let filtered = unsafe { libc::prctl(libc::PR_GET_SECCOMP) };
        Report {
            name: std::fs::read_to_string("/proc/self/comm").unwrap().trim_end().to_owned(),
            nice: getpriority_process(None).unwrap(),
            cores: (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect(),
            limits: KINDS.iter().map(|&(_, kind, ..)| limit(kind)).collect(),
            memory: limit(Kind::Data),
            is_filtered: filtered == libc::SECCOMP_MODE_FILTER.cast_signed(),
            can_write: File::options().write(true).open("/dev/null").is_ok(),
        }
    }
}

fn limit(kind: Kind) -> Limit {
    let limit = getrlimit(kind);
    (limit.current, limit.maximum)
}
