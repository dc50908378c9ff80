//! A program whose workers' memory is limited, for the tests in `control_groups`, which
//! run it in different control groups.
//!
//! `grouped grouped`: its workers have groups of their own; `grouped counted`: and what
//! comes of that; `grouped unkillable`: also where nothing of the program is to be killed;
//! `grouped alone`: they have none; `grouped mark DIR`: marks a directory as systemd does.

#![allow(unsafe_code)]

use std::fs;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use pool_runtime::{Error, ErrorKind, Pool, pool_task};
use pool_tests::fault::send;
use pool_tests::{pools, wait};
use rustix::process::Signal;

const LIMIT: u64 = 8 << 20;

/// More than the limit and the room that the library takes for itself.
const TOO_MUCH: usize = 48 << 20;

/// The control group of this process.
fn own_group() -> String {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
    groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned()
}

fn directory(group: &str) -> PathBuf {
    Path::new("/sys/fs/cgroup").join(group.strip_prefix('/').unwrap())
}

/// The pools' groups that are there, beside the program's.
fn groups() -> Vec<PathBuf> {
    let own = directory(&own_group());
    let beside = fs::read_dir(own.parent().unwrap()).unwrap();
    let names = beside.map(|entry| entry.unwrap().path());
    names.filter(|path| path.is_dir() && *path != own).collect()
}

#[pool_task]
fn worker_group() -> String {
    own_group()
}

/// Writes so many bytes into memory that is not private.
#[pool_task]
fn share(bytes: usize) -> String {
    let mut file = fs::File::from(
        rustix::fs::memfd_create("shared", rustix::fs::MemfdFlags::CLOEXEC).unwrap(),
    );
    for _ in 0..bytes >> 16 {
        file.write_all(&[1; 1 << 16]).unwrap();
    }
    own_group()
}

/// Runs `what` in a copy of this process.
fn fork(what: impl FnOnce()) -> u32 {
    // SAFETY: this process has one thread, so its copy may do anything.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        what();
        loop {
            std::thread::park();
        }
    }
    u32::try_from(pid).unwrap()
}

/// Starts processes each of which takes so many bytes, and waits for the first to end.
#[pool_task]
fn start(processes: usize, bytes: usize) {
    for _ in 0..processes {
        fork(|| std::mem::forget(black_box(vec![1_u8; bytes])));
    }
    // SAFETY: nothing is written.
    unsafe { libc::wait(std::ptr::null_mut()) };
}

/// Starts a process that leaves the group of processes.
#[pool_task]
fn start_apart() -> u32 {
    let (hears, says) = std::io::pipe().unwrap();
    let pid = fork(|| {
        rustix::process::setsid().unwrap();
        (&says).write_all(b"\n").unwrap();
    });
    BufReader::new(hears).read_line(&mut String::new()).unwrap();
    pid
}

/// Makes groups within its own.
#[pool_task]
fn make_groups() {
    let own = directory(&own_group());
    fs::create_dir_all(own.join("within/another")).unwrap();
    fs::create_dir(own.join("beside")).unwrap();
}

#[pool_task]
fn length(bytes: &[u8]) -> usize {
    bytes.len()
}

#[pool_task]
fn own_memory(bytes: usize) -> usize {
    black_box(vec![1_u8; bytes]).len()
}

#[pool_task]
fn nested() -> (String, String) {
    (own_group(), limited(1).apply(worker_group, ()).unwrap())
}

#[pool_task]
fn die() {
    send(std::process::id(), Signal::KILL);
}

fn limited(workers: usize) -> Pool {
    Pool::builder().workers(workers).memory_limit(LIMIT).build().unwrap()
}

fn assert_ran_out(error: &Error, of: &str) {
    assert_eq!(error.kind(), ErrorKind::MemoryLimit, "{error}");
    assert_eq!(error.signal(), Some(libc::SIGKILL), "{error}");
    let says = "ran out of its 8 MiB of memory with what it shares and the processes it has \
                started while running";
    assert!(error.to_string().contains(says), "{error}");
    assert!(error.to_string().contains(of), "{error}");
}

/// A process that is kept from ending by this one, until that lets it go.
struct Held(libc::pid_t);

impl Held {
    fn hold(pid: u32) -> Held {
        let pid = pid.cast_signed();
        // SAFETY: the process is there, and nothing of this one's memory is touched.
        let seized = unsafe {
            libc::ptrace(libc::PTRACE_SEIZE, pid, 0, libc::PTRACE_O_TRACEEXIT as libc::c_long)
        };
        assert_eq!(seized, 0, "{}", std::io::Error::last_os_error());
        Held(pid)
    }

    fn let_go(self) {
        let mut status = 0;
        // SAFETY: as above; the status is written.
        unsafe {
            assert_eq!(libc::waitpid(self.0, &raw mut status, 0), self.0);
            assert_eq!(libc::ptrace(libc::PTRACE_DETACH, self.0, 0, 0), 0);
        }
    }
}

/// What this process has used of a processor.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap()
}

/// Tells that a part has passed.
fn passed(part: &str) {
    assert_eq!(groups(), Vec::<PathBuf>::new(), "after: {part}");
    println!("passed: {part}");
}

fn each_in_a_group() {
    let pool = limited(2);
    let [made] = groups().try_into().unwrap();
    for _ in 0..10 {
        let worker = directory(&pool.apply(worker_group, ()).unwrap());
        assert_eq!(worker.parent(), Some(&*made));
        let most = fs::read_to_string(worker.join("memory.max")).unwrap();
        assert_eq!(most, format!("{}\n", LIMIT + (32 << 20)));
    }
    drop(pool);
    passed("each worker has a group");
}

fn in_groups() {
    each_in_a_group();

    let pool = limited(2);
    let mut items = [1 << 20; 12];
    items[5] = TOO_MUCH;
    let results: Vec<_> = pool.job(share).chunk_size(12).imap(items).collect();
    for (item, result) in results.iter().enumerate() {
        match item {
            5 => assert_ran_out(result.as_ref().unwrap_err(), "share on item 5"),
            _ => assert!(result.is_ok(), "item {item}: {result:?}"),
        }
    }
    drop(pool);
    passed("memory that is shared counts");

    let pool = limited(1);
    assert_ran_out(&pool.apply(start, (8, 6 << 20)).unwrap_err(), "start");
    assert!(pool.apply(worker_group, ()).is_ok());
    drop(pool);
    passed("processes that it starts count");

    let pool = limited(1);
    let error = pool.apply(own_memory, 1 << 30).unwrap_err();
    assert_eq!((error.kind(), error.signal()), (ErrorKind::MemoryLimit, Some(libc::SIGABRT)));
    let says = "ran out of its 8 MiB of memory while running";
    assert!(error.to_string().contains(says), "{error}");
    drop(pool);
    passed("the limit of the process comes first");

    let pool = limited(1);
    let bytes = vec![1_u8; TOO_MUCH];
    assert_eq!(pool.apply(length, &bytes[..]).unwrap(), TOO_MUCH);
    drop((pool, bytes));
    passed("what is lent does not count");

    let pool = limited(1);
    let error = pool.apply(die, ()).unwrap_err();
    assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(libc::SIGKILL)), "{error}");
    drop(pool);
    passed("another death is another death");

    let pool = limited(1);
    let apart = pool.apply(start_apart, ()).unwrap();
    assert!(wait::is_running(apart));
    drop(pool);
    assert!(!wait::is_running(apart));
    passed("what has left its process group is ended too");

    let pool = limited(1);
    let apart = pool.apply(start_apart, ()).unwrap();
    let held = Held::hold(apart);
    let before = processor_time();
    drop(pool);
    let used = processor_time() - before;
    assert!(used < Duration::from_millis(500), "it was waited for at {used:?} of a processor");
    assert!(wait::is_running(apart));
    held.let_go();
    wait::until("its end", || !wait::is_running(apart));
    drop(limited(1));
    passed("what does not end is waited for, but not for ever");

    let pool =
        Pool::builder().workers(1).memory_limit(LIMIT).max_tasks_per_child(1).build().unwrap();
    for _ in 0..3 {
        pool.apply(make_groups, ()).unwrap();
    }
    drop(pool);
    passed("groups that its tasks have made go with it");

    let beside = directory(&own_group()).with_file_name("pool-runtime-web");
    let theirs = beside.join("1");
    fs::create_dir_all(&theirs).unwrap();
    let sleeper = fork(|| fs::write(theirs.join("cgroup.procs"), "0").unwrap());
    let is_there = || fs::read_to_string(theirs.join("cgroup.procs")).unwrap() != "";
    wait::until("a stranger in its group", is_there);
    drop(limited(1));
    assert!(is_there() && wait::is_running(sleeper));
    send(sleeper, Signal::KILL);
    wait::until("its end", || !is_there());
    fs::remove_dir(theirs).unwrap();
    fs::remove_dir(beside).unwrap();
    passed("groups of others are left in peace");

    let pool = limited(1);
    let (outer, inner) = pool.apply(nested, ()).unwrap();
    assert_eq!(outer, inner);
    drop(pool);
    passed("a worker's own pool is counted with the worker");

    let builder = Pool::builder().workers(2).memory_limit(LIMIT).max_tasks_per_child(1);
    let pool = builder.build().unwrap();
    assert_eq!(pool.map(share, [0; 20]).unwrap().len(), 20);
    drop(pool);
    passed("workers that are replaced leave no group");

    assert_eq!(Pool::new(1).unwrap().apply(worker_group, ()).unwrap(), own_group());
    passed("without a limit there is no group");

    // Killed together with its workers, but for one that has left their process group.
    let own = std::env::current_exe().unwrap();
    let mut victim = Command::new(own).arg("victim").stdout(Stdio::piped()).spawn().unwrap();
    let mut pids = String::new();
    BufReader::new(victim.stdout.take().unwrap()).read_line(&mut pids).unwrap();
    let pids: Vec<u32> = pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    let [left] = groups().try_into().unwrap();
    // One that lives is left in peace.
    drop(limited(1));
    assert_eq!(groups(), [&*left]);
    assert!(pids.iter().all(|&pid| wait::is_running(pid)));
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait::until("the end of its worker", || !wait::is_running(pids[0]));
    assert_eq!(groups(), [&*left]);
    assert!(wait::is_running(pids[1]));
    drop(limited(1));
    wait::until("the end of the last", || !wait::is_running(pids[1]));
    // Where it took a moment, the group is still there for the next.
    drop(limited(1));
    passed("the groups of a program that was killed go with the next pool");
}

/// It and its workers are never to be killed for lack of memory.
fn unkillable() {
    fs::write("/proc/self/oom_score_adj", "-1000").unwrap();
    let pool = limited(1);
    assert_ran_out(&pool.apply(share, TOO_MUCH).unwrap_err(), "share");
    drop(pool);
    passed("who is not to be killed is killed by its own group");
}

/// Its workers are where it is, and memory that they share does not count.
fn alone() {
    let pool = limited(1);
    assert_eq!(pool.apply(share, TOO_MUCH).unwrap(), own_group());
    let error = pool.apply(own_memory, 1 << 30).unwrap_err();
    assert_eq!((error.kind(), error.signal()), (ErrorKind::MemoryLimit, Some(libc::SIGABRT)));
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["grouped"] => each_in_a_group(),
        ["counted"] => in_groups(),
        ["unkillable"] => unkillable(),
        ["alone"] => {
            alone();
            println!("passed: alone in {}", own_group());
        }
        ["victim"] => {
            let pool = limited(1);
            let apart = pool.apply(start_apart, ()).unwrap();
            println!("{} {apart}", pools::pids(&pool).first().unwrap());
            loop {
                std::thread::park();
            }
        }
        ["mark", dir] => {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(*dir, "user.delegate", b"1", flags).unwrap();
        }
        other => panic!("{other:?}"),
    }
}
