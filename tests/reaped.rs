//! A program that takes the exit status of every child, or has the kernel take it: what a
//! worker has noted of its own end is told all the same.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use pool_runtime::{Error, ErrorKind, Pool, Sandbox, pool_task};
use pool_tests::alone::alone;
use pool_tests::kernel::{is_at_least, refuse};

#[pool_task]
fn inflate(size: usize) -> usize {
    vec![1_u8; size].len()
}

#[pool_task]
fn abort() {
    std::process::abort()
}

#[pool_task]
fn leave() {
    std::process::exit(3)
}

#[pool_task]
fn connect() -> bool {
    std::net::TcpStream::connect("127.0.0.1:9").is_ok()
}

/// Takes the status of every child that ends, for as long as `meanwhile` takes.
fn reaping_all(meanwhile: impl FnOnce()) {
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _done = Done(&is_done);
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                // SAFETY: no status is asked for.
                unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
                std::thread::yield_now();
            }
        });
        meanwhile();
        pool_runtime::shutdown();
    });
}

/// The same by the kernel.
fn ignoring_all(meanwhile: impl FnOnce()) {
    // SAFETY: a valid disposition; no handler is installed.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    meanwhile();
    // As it was, for the check that nothing is left.
    pool_runtime::shutdown();
    // SAFETY: as above.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// The status is there if the kernel keeps it; else somebody has it, perhaps the pool.
fn assert_status(error: &Error, expected: [Option<i32>; 2], is_kept: bool) {
    assert_eq!(error.kind(), ErrorKind::Died, "{error}");
    let told = [error.signal(), error.exit_code()];
    if is_kept || told != [None, None] {
        assert_eq!(told, expected, "{error}");
    } else {
        assert!(error.to_string().contains("ignores SIGCHLD"), "{error}");
    }
}

fn assert_all_is_told(is_kept: bool) {
    let pool = Pool::builder().workers(2).memory_limit(64 << 20).build().unwrap();
    for _ in 0..10 {
        let error = pool.apply(inflate, 1 << 40).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MemoryLimit, "{error}");
        assert_eq!(error.signal(), Some(libc::SIGABRT), "{error}");
        let error = pool.apply(abort, ()).unwrap_err();
        assert_status(&error, [Some(libc::SIGABRT), None], is_kept);
        let error = pool.apply(leave, ()).unwrap_err();
        assert_status(&error, [None, Some(3)], is_kept);
    }
    drop(pool);
    let pool = Pool::builder().workers(2).sandbox(Sandbox::read_only()).build().unwrap();
    for _ in 0..5 {
        let error = pool.apply(connect, ()).unwrap_err();
        assert!(error.to_string().ends_with("(the sandbox forbids the system call socket)"));
        assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(libc::SIGSYS)));
    }
}

/// As it is, and where the descriptor of a process tells nothing of its end.
fn assert_all_is_told_twice() {
    assert_all_is_told(is_at_least([6, 15]));
    let untold = || {
        refuse(libc::SYS_ioctl, libc::ENOTTY);
        assert_all_is_told(false);
    };
    std::thread::scope(|scope| scope.spawn(untold).join().unwrap());
}

#[test]
fn a_program_that_waits_for_any_child_is_told_why_a_worker_died() {
    alone("a_program_that_waits_for_any_child_is_told_why_a_worker_died", || {
        reaping_all(assert_all_is_told_twice);
    });
}

#[test]
fn a_program_that_ignores_the_end_of_children_is_told_why_a_worker_died() {
    alone("a_program_that_ignores_the_end_of_children_is_told_why_a_worker_died", || {
        ignoring_all(assert_all_is_told_twice);
    });
}
