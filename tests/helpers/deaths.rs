//! A program whose workers die, for the tests in `deaths`, which run it in a machine of
//! its own.
//!
//! `deaths namespace`: in a PID namespace whose `/proc` is that of another; `deaths dumps`:
//! where core dumps go to a program that never ends, which is a `sleep`.

#![allow(unsafe_code)]

use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, pool_task};

#[pool_task]
fn inflate(size: usize) -> usize {
    vec![1_u8; size].len()
}

#[pool_task]
fn crash() {
    // SAFETY: there is none: the process is meant to die of it.
    unsafe { std::ptr::null_mut::<u8>().write_volatile(1) }
}

#[pool_task]
fn leave() {
    std::process::exit(3)
}

/// The number of this process that `/proc` knows it by.
fn known_as() -> u32 {
    std::fs::read_link("/proc/self").unwrap().to_str().unwrap().parse().unwrap()
}

/// Runs `inside` in a process that is the first of a PID namespace.
fn in_a_pid_namespace(inside: impl FnOnce()) {
    // SAFETY: integers only. This process has one thread, so its copy may do anything.
    let pid = unsafe {
        assert_eq!(libc::unshare(libc::CLONE_NEWPID), 0, "{}", std::io::Error::last_os_error());
        libc::fork()
    };
    if pid == 0 {
        inside();
        std::process::exit(0);
    }
    let mut status = 0;
    // SAFETY: the child's status is written to where there is room for it.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0, "what runs inside has failed");
}

fn deaths_are_what_they_are() {
    assert_ne!(known_as(), std::process::id(), "the numbers of /proc are not those of here");
    let pool = Pool::builder().workers(2).memory_limit(64 << 20).build().unwrap();
    for _ in 0..20 {
        let error = pool.apply(crash, ()).unwrap_err();
        assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(libc::SIGSEGV)));
        assert!(error.to_string().contains("was killed by SIGSEGV"), "{error}");
        let error = pool.apply(inflate, 1 << 40).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MemoryLimit, "{error}");
        let error = pool.apply(leave, ()).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Died, Some(3)), "{error}");
        assert!(error.to_string().contains("exited with code 3"), "{error}");
    }
    println!("passed: deaths are what they are");
    let forked = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let comm = entry.unwrap().path().join("comm");
        std::fs::read_to_string(comm).ok().filter(|comm| comm == "pool-zygote\n")
    });
    assert_eq!(forked.count(), 1, "workers are forked here too");
    println!("passed: workers are forked");
}

#[pool_task]
fn raise(signal: i32) {
    // SAFETY: integers only. The process is meant to die of it.
    unsafe { libc::raise(signal) };
}

/// The signals that leave a core dump.
const DUMPING: [i32; 10] = [
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGQUIT,
    libc::SIGSEGV,
    libc::SIGSYS,
    libc::SIGTRAP,
    libc::SIGXCPU,
    libc::SIGXFSZ,
];

/// How many programs have been started for dumps.
fn dumps() -> usize {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let comm = entry.unwrap().path().join("comm");
        std::fs::read_to_string(comm).ok().filter(|comm| comm == "sleep\n")
    });
    all.count()
}

fn assert_died(error: &pool_runtime::Error, signal: i32) {
    assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(signal)), "{error}");
}

fn dumps_that_get_stuck_are_cut_short() {
    let pool = Pool::builder().workers(2).core_dumps(false).build().unwrap();
    for signal in DUMPING {
        assert_died(&pool.apply(raise, signal).unwrap_err(), signal);
    }
    assert_eq!(dumps(), 0);
    println!("passed: there is no dump where none is wanted");
    let pool = Pool::builder().workers(DUMPING.len()).build().unwrap();
    let mut results = pool.job(raise).chunk_size(1).imap(DUMPING);
    for signal in DUMPING {
        assert_died(&results.next().unwrap().unwrap_err(), signal);
    }
    assert_died(&pool.apply(crash, ()).unwrap_err(), libc::SIGSEGV);
    println!("passed: a death is told though its dump is stuck");
    // Shorter than the 3 s for which a dump is waited, and else long: the item must have crashed
    // by then.
    let timed = pool.job(raise).timeout(Duration::from_secs(2));
    assert_died(&timed.apply(libc::SIGABRT).unwrap_err(), libc::SIGABRT);
    println!("passed: it is no item that took too long");
    assert!(dumps() > 0, "dumps go there");
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("namespace") => in_a_pid_namespace(deaths_are_what_they_are),
        Some("dumps") => dumps_that_get_stuck_are_cut_short(),
        other => panic!("{other:?} is none of the modes"),
    }
}
