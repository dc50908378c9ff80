//! Whether a change that a program makes to itself holds in its next worker, as if that
//! had been executed at that moment.

use pool_runtime::pool_task;
use pool_tests::wait;

use crate::helpers::{executed, forks, zygote};

/// What the kernel tells of this process that an exec would keep.
fn inherited() -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let kept = [
        "Umask",
        "Uid",
        "Gid",
        "Groups",
        "Cap",
        "NoNewPrivs",
        "Seccomp",
        "Cpus",
        "Mems",
        "THP",
        "SigBlk",
        "SigIgn",
        "SigCgt",
        "ShdPnd",
        "Speculation",
    ];
    let lines = status.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
    let mut told: String = lines.map(|line| format!("{line}\n")).collect();
    let files = ["limits", "cgroup", "oom_score_adj", "timerslack_ns", "personality"];
    for file in files {
        told += &std::fs::read_to_string(format!("/proc/self/{file}")).unwrap();
    }
    told += &asked();
    for link in ["root", "cwd", "exe", "ns/mnt", "ns/net", "ns/uts", "ns/user", "ns/ipc"] {
        let target = std::fs::read_link(format!("/proc/self/{link}")).unwrap();
        told += &format!("{link} {}\n", target.display());
    }
    // SAFETY: these only read.
    let numbers = unsafe {
        [
            i64::from(libc::getsid(0)),
            i64::from(libc::getpriority(libc::PRIO_PROCESS, 0)),
            i64::from(libc::sched_getscheduler(0)),
            libc::syscall(libc::SYS_ioprio_get, 1, 0),
        ]
    };
    told + &format!("{numbers:?}\n")
}

/// The same, of what is asked for by a call each, and of files that not every kernel has.
fn asked() -> String {
    let mut told = String::new();
    for file in ["coredump_filter", "loginuid", "sessionid", "attr/current"] {
        let text = std::fs::read_to_string(format!("/proc/self/{file}"));
        told += &format!("{file} {:?}\n", text.map_err(|error| error.raw_os_error()));
    }
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let terminal = stat.rsplit_once(')').unwrap().1.split(' ').nth(5).unwrap();
    let (mut mode, mut nodes, mut attributes, mut counter) = (-1, [0_u64; 16], [0_u8; 56], -1);
    // SAFETY: these only read; where they write, it is into what they are given, and no
    // more than its length.
    let numbers = unsafe {
        libc::syscall(libc::SYS_get_mempolicy, &raw mut mode, nodes.as_mut_ptr(), 1024, 0, 0);
        libc::syscall(libc::SYS_sched_getattr, 0, attributes.as_mut_ptr(), 56, 0);
        libc::prctl(libc::PR_GET_TSC, &raw mut counter);
        [
            libc::syscall(libc::SYS_keyctl, 0, -3, 0),
            i64::from(libc::prctl(libc::PR_GET_SECUREBITS)),
            i64::from(libc::prctl(libc::PR_GET_THP_DISABLE, 0, 0, 0, 0)),
            i64::from(libc::prctl(libc::PR_MCE_KILL_GET, 0, 0, 0, 0)),
            i64::from(libc::prctl(IO_FLUSHER + 1, 0, 0, 0, 0)),
            i64::from(libc::prctl(MDWE + 1, 0, 0, 0, 0)),
            i64::from(libc::prctl(MEMORY_MERGE + 1, 0, 0, 0, 0)),
        ]
    };
    told + &format!("tty {terminal} {mode} {nodes:?} {attributes:?} {counter} {numbers:?}\n")
}

// `PR_SET_…` of the kernel; that which asks is the next number.
pub(crate) const IO_FLUSHER: i32 = 57;
pub(crate) const MDWE: i32 = 65;
pub(crate) const MEMORY_MERGE: i32 = 67;

#[pool_task]
fn surroundings() -> String {
    inherited()
}

pub(crate) fn in_a_fork() -> String {
    let pool = forks(1);
    pool.apply(surroundings, ()).unwrap()
}

pub(crate) fn in_an_executed() -> String {
    executed(1).build().unwrap().apply(surroundings, ()).unwrap()
}

/// Asserts that a change holds in a fork as in an executed worker, and was not
/// there before.
pub(crate) fn holds(what: &str, change: impl FnOnce()) {
    let before = in_a_fork();
    let zygote_before = zygote();
    change();
    let after = in_a_fork();
    assert_ne!(before, after, "{what}: nothing changed");
    assert_eq!(after, in_an_executed(), "{what}");
    assert_ne!(zygote(), zygote_before, "{what}");
    assert!(!wait::is_running(zygote_before), "{what}");
    assert_eq!(in_a_fork(), after, "{what}");
}

pub(crate) fn checked(what: &str, result: i32) {
    assert_eq!(result, 0, "{what}: {}", std::io::Error::last_os_error());
}
