//! Programs in bare surroundings: without devices, and in directories that they may not
//! search, or that are gone.

#![allow(unsafe_code)]

use std::fs::{File, Permissions};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

use pool_runtime::{ErrorKind, NotForked, Output, Pool, Start, pool_task};
use pool_tests::alone::alone;
use pool_tests::fault::send;
use pool_tests::temp::TempDir;
use pool_tests::wait;
use rustix::process::{Signal, getuid};

#[pool_task]
fn square(n: u64) -> u64 {
    println!("a task prints");
    n * n
}

#[pool_task]
fn read_input() -> usize {
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap()
}

#[pool_task]
fn directory() -> PathBuf {
    std::fs::read_link("/proc/self/cwd").unwrap()
}

/// Forbids this thread, and whom it starts, to open any file below /dev.
fn forbid_devices() {
    const CREATE_RULESET: i64 = 444;
    const ADD_RULE: i64 = 445;
    const RESTRICT_SELF: i64 = 446;
    const READ_AND_WRITE: u64 = 1 << 1 | 1 << 2;
    const PATH_BENEATH: i32 = 1;
    #[repr(C, packed)]
    struct Beneath {
        access: u64,
        dir: i32,
    }
    let of_root = std::fs::read_dir("/").unwrap().map(|entry| entry.unwrap().path());
    let allowed = of_root.filter(|path| path.is_dir() && !path.ends_with("dev"));
    // SAFETY: the kernel reads 8 bytes of the first and 12 of the second structure.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let ruleset = libc::syscall(CREATE_RULESET, &READ_AND_WRITE, 8usize, 0);
        assert_ne!(ruleset, -1, "Landlock: {}", std::io::Error::last_os_error());
        for dir in allowed.filter_map(|path| File::open(path).ok()) {
            let beneath = Beneath { access: READ_AND_WRITE, dir: dir.as_raw_fd() };
            assert_eq!(libc::syscall(ADD_RULE, ruleset, PATH_BENEATH, &raw const beneath, 0), 0);
        }
        assert_eq!(libc::syscall(RESTRICT_SELF, ruleset, 0), 0);
        libc::close(i32::try_from(ruleset).unwrap());
    }
}

#[test]
fn workers_need_no_dev_null() {
    alone("workers_need_no_dev_null", || {
        forbid_devices();
        File::open("/dev/null").unwrap_err();
        let executed = || Pool::builder().worker_program(std::env::current_exe().unwrap());
        for (builder, start) in [
            (Pool::builder(), Start::Forked),
            (executed(), Start::Executed(NotForked::WorkerProgram)),
        ] {
            let pool = builder.workers(2).build().unwrap();
            assert!(pool.workers().iter().all(|worker| worker.start == start), "{pool:?}");
            assert_eq!(pool.map(square, 0..5).unwrap(), [0, 1, 4, 9, 16]);
            assert_eq!(pool.apply(read_input, ()).unwrap(), 0);
        }
        assert_eq!(square.spawn(3).unwrap().join().unwrap(), 9);
        let error = Pool::builder().workers(1).output(Output::Null).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Spawn);
        assert!(error.to_string().contains("/dev/null, which cannot be opened"), "{error}");
    });
}

/// Goes to a directory below, and becomes somebody who may not search it.
fn be_shut_out(temp: &TempDir, before: impl FnOnce()) {
    let private = temp.path().join("private");
    std::fs::create_dir(&private).unwrap();
    std::env::set_current_dir(&private).unwrap();
    before();
    if getuid().is_root() {
        // So that it can be removed.
        chown(temp.path(), Some(23_456), Some(23_456)).unwrap();
        std::fs::set_permissions(&private, Permissions::from_mode(0o700)).unwrap();
        // SAFETY: integers, and a null pointer for an empty list.
        unsafe {
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
            assert_eq!([libc::setgid(23_456), libc::setuid(23_456)], [0, 0]);
        }
    } else {
        std::fs::set_permissions(&private, Permissions::from_mode(0o000)).unwrap();
    }
    std::fs::metadata(".").unwrap_err();
    assert!(Command::new("/bin/true").status().unwrap().success());
}

#[test]
fn a_directory_that_may_not_be_searched_is_the_workers_too() {
    alone("a_directory_that_may_not_be_searched_is_the_workers_too", || {
        let temp = TempDir::new();
        let mut old = None;
        be_shut_out(&temp, || old = Some(Pool::new(1).unwrap()));
        let pool = Pool::new(2).unwrap();
        assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
        let start = Start::Executed(NotForked::Directory);
        assert!(pool.workers().iter().all(|worker| worker.start == start), "{:?}", pool.workers());
        let private = temp.path().join("private");
        assert_eq!(pool.apply(directory, ()).unwrap(), private);
        // A pool from before has such workers too from here on.
        let old = old.unwrap();
        let first = old.workers()[0].pid;
        assert_eq!(old.workers()[0].start, Start::Forked);
        drop(old.apply(end, ()).unwrap_err());
        wait::until("another worker", || old.workers().first().is_some_and(|w| w.pid != first));
        assert_eq!(old.apply(directory, ()).unwrap(), private);
        // It does not wait until the copy of the program is up that cannot enter it.
        let start = old.workers()[0].start;
        assert!(matches!(start, Start::Executed(_)), "{start:?}");
        drop((pool, old));
        std::env::set_current_dir("/").unwrap();
    });
}

#[pool_task]
fn end() {
    send(std::process::id(), Signal::KILL);
}

#[test]
fn a_directory_that_is_gone_is_the_workers_too() {
    alone("a_directory_that_is_gone_is_the_workers_too", || {
        let temp = TempDir::new();
        let gone = temp.path().join("gone");
        std::fs::create_dir(&gone).unwrap();
        std::env::set_current_dir(&gone).unwrap();
        std::fs::remove_dir(&gone).unwrap();
        let executed = Pool::builder().worker_program(std::env::current_exe().unwrap());
        for builder in [Pool::builder(), executed] {
            let pool = builder.workers(1).build().unwrap();
            let there = pool.apply(directory, ()).unwrap();
            assert_eq!(there, PathBuf::from(format!("{} (deleted)", gone.display())));
        }
        std::env::set_current_dir("/").unwrap();
    });
}
