//! What a worker sets on itself before it reports in; or says what it could not.

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

/// The least that a worker needs beyond what it has when it reports in, in bytes.
const LEAST_MEMORY: usize = 1 << 20;

/// Applies all of them; the error is the rest of "worker 2 could not …".
pub(super) fn apply(settings: &Settings, channel: &mut WorkerEnd) -> Result<(), String> {
    // First, so that it counts all the rest.
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
    // Last, as it forbids what came before.
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

/// Joins a control group. One that cannot be joined is as none: what is promised is the
/// limit of the process.
fn join(group: &Path) {
    let joined = fs::write(group.join("cgroup.procs"), "0");
    // A program that is never to be killed for lack of memory has told its workers so too:
    // where all are such, a task that needs more would wait for it for ever.
    if joined.is_ok() && fs::read_to_string(OOM_SCORE).is_ok_and(|score| score.trim() == "-1000") {
        let _ = fs::write(OOM_SCORE, "-999");
    }
}

/// How soon the kernel kills this process for want of memory: from -1000, never, to 1000.
const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// Adds to what the worker has from its program. Of a fork too that is the program's own:
/// a zygote is never given another.
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

/// The cores that the kernel lets this process have, whatever those are that it has: of
/// all it takes as many as the cpuset and the machine allow.
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

/// What the kernel calls a resource, and people do.
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
        // No dump is wanted, and where none may be written there is none to forbid.
        Resource::Core if limit == NO_DUMP => {
            limit.min(getrlimit(kind).maximum.unwrap_or(u64::MAX))
        }
        _ => limit,
    };
    // At the hard limit of processor time the kernel sends SIGKILL, which says
    // nothing; so that comes a second after the soft one and its SIGXCPU.
    let hard = match resource {
        Resource::Cpu => limit.saturating_add(1),
        _ => limit,
    };
    setrlimit(kind, Rlimit { current: Some(limit), maximum: Some(hard) })
}

/// Limits private writable memory, and sees to it that a death for lack of it is
/// told from others.
fn limit_memory(bytes: u64, channel: &mut WorkerEnd) -> Result<(), String> {
    let step = format!("limit its memory to {bytes} bytes");
    let before = getrlimit(Kind::Data);
    // Messages too: what is borrowed from the program is not the task's.
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
        // There is not, as some of it is taken.
        "this kernel does not hold processes to RLIMIT_DATA"
    } else {
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        return setrlimit(Kind::Data, limit).map_err(|cause| refused(&step, cause, hint));
    };
    // So that there is memory to say it with.
    let _ = setrlimit(Kind::Data, before);
    Err(format!("{step}: {why}"))
}
