//! How a zygote ends: by somebody's kill, with the program, when it is idle, when
//! it is told to.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pool_runtime::{Pool, pool_task, shutdown};
use pool_tests::clean::{clean, descriptors};
use pool_tests::fault::send;
use pool_tests::parent::PROMISED;
use pool_tests::pools::pids;
use pool_tests::wait;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::helpers::{assert_forked, children_of, forks, square, zygote};

fn await_no_children() {
    wait::until("the zygote to be reaped", || children_of(std::process::id()).is_empty());
}

#[test]
fn killed_while_it_is_idle_it_is_reaped_and_replaced() {
    let _clean = clean();
    let before = descriptors();
    drop(forks(1));
    let first = zygote();
    send(first, Signal::KILL);
    // By nobody's call.
    await_no_children();
    wait::until("its descriptors to be closed", || descriptors() == before);
    let pool = forks(2);
    assert_ne!(zygote(), first);
    assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
}

#[pool_task]
fn meet(dir: &str, name: u32) -> u32 {
    std::fs::write(format!("{dir}/{name}"), "").unwrap();
    wait::until("the word to go on", || std::fs::exists(format!("{dir}/go")).unwrap());
    std::process::id()
}

#[test]
fn killed_while_workers_run_it_is_not_missed() {
    let _clean = clean();
    let temp = pool_tests::temp::TempDir::new();
    let dir = temp.path().to_str().unwrap();
    let pool = Pool::new(2).unwrap();
    let before = pids(&pool);
    let calls = [0, 1].map(|name| pool.apply_async(meet, (dir, name)).unwrap());
    wait::until("both to run", || std::fs::read_dir(dir).unwrap().count() == 2);
    let killed = zygote();
    send(killed, Signal::KILL);
    wait::until("it to be gone", || !children_of(std::process::id()).contains(&killed));
    assert_eq!(pids(&pool), before);
    std::fs::write(temp.file("go"), "").unwrap();
    let ran: std::collections::BTreeSet<u32> =
        calls.into_iter().map(|call| call.get().unwrap()).collect();
    assert_eq!(ran, before);
    // A worker that dies now is replaced by a fork of another zygote.
    send(*before.first().unwrap(), Signal::KILL);
    wait::until("a replacement", || pids(&pool).len() == 2 && pids(&pool) != before);
    assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
}

#[test]
fn a_stopped_one_holds_nobody_up_for_long() {
    let _clean = clean();
    drop(forks(1));
    let stopped = zygote();
    send(stopped, Signal::STOP);
    let start = Instant::now();
    let pool = Pool::new(2).unwrap();
    // The limit of a start.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
    assert_ne!(assert_forked(&pool), stopped);
    assert!(!wait::is_running(stopped));
}

#[test]
fn shutdown_ends_it_now_and_pools_live_on() {
    let _clean = clean();
    let before = descriptors();
    shutdown();
    let pool = forks(2);
    let first = zygote();
    let workers = pids(&pool);
    shutdown();
    assert_eq!(children_of(std::process::id()), workers);
    shutdown();
    assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
    assert_eq!(pids(&pool), workers);
    let other = forks(1);
    assert_ne!(zygote(), first);
    drop((pool, other));
    shutdown();
    assert_eq!((children_of(std::process::id()).len(), descriptors()), (0, before));
}

#[test]
fn it_ends_after_ten_idle_seconds_and_leaves_nothing() {
    let _clean = clean();
    let before = descriptors();
    let start = Instant::now();
    drop(forks(1));
    let pid = Pid::from_raw(zygote().cast_signed()).unwrap();
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let forever = None;
    while poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], forever).is_err() {}
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(10), "{took:?}");
    assert!(took < Duration::from_secs(60), "{took:?}");
    drop(pidfd);
    await_no_children();
    wait::until("its descriptors to be closed", || descriptors() == before);
    let mut threads = std::fs::read_dir("/proc/self/task").unwrap();
    let keeper = |task: std::io::Result<std::fs::DirEntry>| {
        let comm = std::fs::read_to_string(task.unwrap().path().join("comm"));
        comm.is_ok_and(|comm| comm == "pool-zygote\n")
    };
    wait::until("the thread that reaped it to end", || {
        threads = std::fs::read_dir("/proc/self/task").unwrap();
        !threads.by_ref().any(keeper)
    });
}

/// Tells a process that it is the program of the tests below.
const PROGRAM: &str = "POOL_TESTS_PROGRAM_WITH_A_ZYGOTE";

/// Runs as a program of its own: leaves an idle zygote, says which, and waits.
#[test]
fn program() {
    if std::env::var_os(PROGRAM).is_none() {
        return;
    }
    drop(forks(2));
    println!("zygote {}", zygote());
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// A program with an idle zygote; what it prints must not be let go of before it
/// ends.
fn program_with_a_zygote() -> (Child, u32, impl Iterator) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "ends::program", "--nocapture", "--test-threads=1"]);
    command.env(PROGRAM, "").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut pids = lines.filter_map(|line: std::io::Result<String>| {
        let line = line.unwrap();
        line.split_once("zygote ").map(|(_, pid)| pid.parse::<u32>().unwrap())
    });
    let zygote = pids.next().expect("the program says which");
    (child, zygote, pids)
}

#[test]
fn it_is_gone_within_a_second_after_the_program() {
    let _clean = clean();
    for how in ["killed", "killed, and it is stopped", "interrupted", "over"] {
        let (mut child, zygote, _prints) = program_with_a_zygote();
        assert!(wait::is_running(zygote), "{how}");
        let since = Instant::now();
        match how {
            "killed" => send(child.id(), Signal::KILL),
            "killed, and it is stopped" => {
                send(zygote, Signal::STOP);
                send(child.id(), Signal::KILL);
            }
            "interrupted" => send(child.id(), Signal::INT),
            // The end of its input is that of `main`.
            _ => drop(child.stdin.take()),
        }
        child.wait().unwrap();
        wait::until("the zygote to be gone", || !wait::is_running(zygote));
        assert!(since.elapsed() < PROMISED, "{how}: {:?}", since.elapsed());
    }
}
