//! A program whose end is watched by the tests in `parent_death`.
//!
//! `parent DIR HOW`: keeps workers busy, each of which leaves a file in DIR that
//! is named after its pid, and ends as HOW says.

#![allow(unsafe_code)]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use pool_runtime::{Pool, pool_task};
use pool_tests::fault::{limit, send};
use pool_tests::processes::children_of;
use pool_tests::wait;
use rustix::process::{Resource, Signal};

/// Leaves word that this process is there.
fn here(dir: &str, pid: u32) {
    std::fs::write(PathBuf::from(dir).join(pid.to_string()), "").unwrap();
}

#[pool_task]
fn spin(dir: &str) {
    here(dir, std::process::id());
    loop {
        std::hint::spin_loop();
    }
}

#[pool_task]
fn sleep(dir: &str) {
    here(dir, std::process::id());
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Is stopped by SIGSTOP, and so can do nothing for its own end.
#[pool_task]
fn stop(dir: &str) {
    here(dir, std::process::id());
    send(std::process::id(), Signal::STOP);
}

/// Blocks every signal that can be blocked, as a library may.
#[pool_task]
fn deaf(dir: &str) {
    // SAFETY: the set is initialised by sigfillset before it is used.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
    here(dir, std::process::id());
    loop {
        std::hint::spin_loop();
    }
}

/// Has a child of its own.
#[pool_task]
fn have_a_child(dir: &str) {
    let mut command = Command::new("sleep");
    command.arg("1000000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    here(dir, child.id());
    here(dir, std::process::id());
    child.wait().unwrap();
}

/// A worker with workers of its own.
#[pool_task]
fn have_workers(dir: &str) {
    let pool = Pool::new(1).unwrap();
    here(dir, std::process::id());
    pool.apply(spin, dir).unwrap();
}

/// Dropped by nobody.
static POOL: OnceLock<Pool> = OnceLock::new();

fn main() {
    let [_, dir, how] = Vec::from_iter(std::env::args()).try_into().expect("DIR HOW");
    limit(Resource::Core, 0);
    let pool = POOL.get_or_init(|| Pool::new(6).unwrap());
    if how == "idle" {
        for worker in pool.workers() {
            here(&dir, worker.pid);
        }
        std::thread::sleep(Duration::MAX);
    }
    if how == "idle, then return" {
        return children_of(std::process::id()).into_iter().for_each(|pid| here(&dir, pid));
    }
    let calls = [
        pool.apply_async(spin, &*dir).unwrap(),
        pool.apply_async(sleep, &*dir).unwrap(),
        pool.apply_async(stop, &*dir).unwrap(),
        pool.apply_async(deaf, &*dir).unwrap(),
        pool.apply_async(have_a_child, &*dir).unwrap(),
        pool.apply_async(have_workers, &*dir).unwrap(),
    ];
    let there = || std::fs::read_dir(&dir).unwrap().count();
    match &*how {
        "wait" => calls.into_iter().for_each(|call| call.get().unwrap()),
        "return" => wait::until("all to be there", || there() == 8),
        "exit" => {
            wait::until("all to be there", || there() == 8);
            std::process::exit(3);
        }
        "panic" => {
            wait::until("all to be there", || there() == 8);
            panic!("at the end of main");
        }
        other => panic!("{other:?} is no way to end"),
    }
}
