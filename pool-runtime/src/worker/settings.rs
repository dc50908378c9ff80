//! Applies the pool's settings to a worker before it reports in.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{fs, io};

use rustix::io::Errno;
use rustix::process::{Resource as Kind, Rlimit, getrlimit, setpriority_process, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::channel::WorkerEnd;
use crate::sys::{dying, memory, signals};
#[cfg(not(feature = "sandbox"))]
use crate::wire::settings::Rules;
use crate::wire::settings::{NO_DUMP, OomScore, Resource, Settings};

/// Bytes that a worker needs at least beyond what it has when it reports in.
const LEAST_MEMORY: usize = 1 << 20;

/// Applies all settings. The error completes "worker 2 could not …".
pub(super) fn apply(settings: &Settings, channel: &mut WorkerEnd) -> Result<(), String> {
    // First, so that the group counts all the rest.
    if let Some(group) = &settings.group {
        join(Path::new(OsStr::from_bytes(group)));
    }
    if settings.ignore_sigterm {
        signals::leave_sigterm(channel.asked_to_end());
    }
    adjust_oom_score(settings.oom)?;
    if let Some(core) = settings.core {
        pin(core).map_err(|cause| {
            let likely = format!("not one of the cores that it may have, which are {}", cores());
            refused(&format!("pin itself to core {core}"), cause, &likely)
        })?;
    }
    if let Some(nice) = settings.nice {
        setpriority_process(None, nice).map_err(|cause| {
            let step = format!("set its niceness to {nice}");
            refused(&step, cause, "only the privileged may be less nice: see RLIMIT_NICE")
        })?;
    }
    for &(resource, limit) in &settings.limits {
        set_limit(resource, limit).map_err(|cause| {
            let (_, name) = kind(resource);
            let cause_of_it = "it is above the program's own hard limit";
            refused(&format!("set {name} to {limit}"), cause, cause_of_it)
        })?;
    }
    if let Some(bytes) = settings.memory {
        limit_memory(bytes, channel)?;
    }
    // Last, as it forbids the steps before.
    settings.sandbox.as_ref().map_or(Ok(()), enter_sandbox)
}

#[cfg(feature = "sandbox")]
use super::sandbox::enter as enter_sandbox;

#[cfg(not(feature = "sandbox"))]
fn enter_sandbox(_: &Rules) -> Result<(), String> {
    Err("enter its sandbox: the worker program was built without the feature `sandbox`".into())
}

fn refused(step: &str, cause: Errno, likely: &str) -> String {
    let cause = io::Error::from(cause);
    format!("{step}: {cause} (likely cause: {likely})")
}

/// Joins a control group. A failure is ignored, as only the limit of the process is promised.
fn join(group: &Path) {
    let joined = fs::write(group.join("cgroup.procs"), "0");
    // If the program is exempt from the kernel's out-of-memory killer, its workers inherit that.
    // In a group of exempt processes, a task that needs more memory would wait for ever.
    if joined.is_ok() && fs::read_to_string(OOM_SCORE).is_ok_and(|score| score.trim() == "-1000") {
        let _ = fs::write(OOM_SCORE, "-999");
    }
}

/// How soon the kernel kills this process when memory runs out: from -1000, never, to 1000.
const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// Adds to the score that the worker has from its program. A fork has the program's too, as the
/// zygote never changes its own.
fn adjust_oom_score(OomScore { amount, asked }: OomScore) -> Result<(), String> {
    if amount == 0 {
        return Ok(());
    }
    let adjusted = || -> io::Result<()> {
        let own = fs::read_to_string(OOM_SCORE)?;
        let own: i32 = own.trim().parse().map_err(io::Error::other)?;
        fs::write(OOM_SCORE, own.saturating_add(amount).clamp(-1000, 1000).to_string())
    };
    match adjusted() {
        Err(cause) if asked => {
            let step = format!("add {amount} to its oom_score_adj");
            let likely = "only the privileged may lower it, and /proc must be writable";
            Err(format!("{step}: {cause} (likely cause: {likely})"))
        }
        _ => Ok(()),
    }
}

fn pin(core: u32) -> Result<(), Errno> {
    let core = usize::try_from(core).map_err(|_| Errno::INVAL)?;
    if core >= CpuSet::MAX_CPU {
        return Err(Errno::INVAL);
    }
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores)
}

/// The cores that this process may have: of all that it asks for, the kernel gives those that
/// the cpuset and the machine allow.
fn cores() -> String {
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|core| all.set(core));
    let had = sched_setaffinity(None, &all).and_then(|()| sched_getaffinity(None));
    had.map_or_else(
        |_| "unknown".to_owned(),
        |had| {
            let had = (0..CpuSet::MAX_CPU).filter(|&core| had.is_set(core));
            format!("{:?}", had.collect::<Vec<_>>())
        },
    )
}

/// The kernel's name of a resource, and its name in messages.
fn kind(resource: Resource) -> (Kind, &'static str) {
    match resource {
        Resource::AddressSpace => (Kind::As, "RLIMIT_AS"),
        Resource::Core => (Kind::Core, "RLIMIT_CORE"),
        Resource::Cpu => (Kind::Cpu, "RLIMIT_CPU"),
        Resource::FileSize => (Kind::Fsize, "RLIMIT_FSIZE"),
        Resource::LockedMemory => (Kind::Memlock, "RLIMIT_MEMLOCK"),
        Resource::MessageQueues => (Kind::Msgqueue, "RLIMIT_MSGQUEUE"),
        Resource::OpenFiles => (Kind::Nofile, "RLIMIT_NOFILE"),
        Resource::PendingSignals => (Kind::Sigpending, "RLIMIT_SIGPENDING"),
        Resource::Processes => (Kind::Nproc, "RLIMIT_NPROC"),
        Resource::RealtimePriority => (Kind::Rtprio, "RLIMIT_RTPRIO"),
        Resource::RealtimeTime => (Kind::Rttime, "RLIMIT_RTTIME"),
    }
}

fn set_limit(resource: Resource, limit: u64) -> Result<(), Errno> {
    let (kind, _) = kind(resource);
    let limit = match resource {
        // If no dump may be written anyway, none need be forbidden.
        Resource::Core if limit == NO_DUMP => {
            limit.min(getrlimit(kind).maximum.unwrap_or(u64::MAX))
        }
        _ => limit,
    };
    // At the hard limit of processor time the kernel sends SIGKILL, which tells no cause. So it
    // is a second above the soft limit, whose SIGXCPU does.
    let hard = match resource {
        Resource::Cpu => limit.saturating_add(1),
        _ => limit,
    };
    setrlimit(kind, Rlimit { current: Some(limit), maximum: Some(hard) })
}

/// Limits private writable memory, and makes a death by that limit distinguishable.
fn limit_memory(bytes: u64, channel: &mut WorkerEnd) -> Result<(), String> {
    let step = format!("limit its memory to {bytes} bytes");
    let before = getrlimit(Kind::Data);
    // Messages are kept apart: memory shared with the program is not the task's.
    channel.limit_memory();
    dying::watch_memory().map_err(|cause| format!("{step}: {cause}"))?;
    let limit = Rlimit { current: Some(bytes), maximum: before.maximum };
    let hint = "it is above the program's own hard limit of RLIMIT_DATA, see `ulimit -Hd`";
    setrlimit(Kind::Data, limit).map_err(|cause| refused(&step, cause, hint))?;
    let whole = usize::try_from(bytes).unwrap_or(usize::MAX);
    let why = if !memory::has_room(LEAST_MEMORY) {
        "a worker of this program takes more before it runs a task (about 1.5 MiB, and more \
         where libraries allocate when they are loaded)"
    } else if memory::has_room(whole) {
        // A kernel that enforced the limit would refuse that much, as some of it is taken.
        "this kernel does not hold processes to RLIMIT_DATA"
    } else {
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        return setrlimit(Kind::Data, limit).map_err(|cause| refused(&step, cause, hint));
    };
    // So that there is memory for the report.
    let _ = setrlimit(Kind::Data, before);
    Err(format!("{step}: {why}"))
}
