//! A kernel, or a filter of system calls, that does not know some newer call: how to
//! sleep on several words, whether a process has begun to end.

#![allow(unsafe_code)]

use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::kernel::refuse;

#[pool_task]
fn nap_and_double(n: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(20));
    n * 2
}

#[test]
fn maps_end_where_the_kernel_cannot_sleep_on_several_workers() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            refuse(libc::SYS_futex_waitv, libc::ENOSYS);
            let doubled = pool.map(nap_and_double, 0..10).unwrap();
            let lazily: Result<Vec<u64>, _> = pool.imap(nap_and_double, 0..10).collect();
            (doubled, lazily.unwrap(), pool.apply(nap_and_double, 10).unwrap())
        });
        let expected: Vec<u64> = (0..10).map(|n| n * 2).collect();
        assert_eq!(caller.join().unwrap(), (expected.clone(), expected, 20));
    });
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

/// Closes all that is not a standard stream, and lives on.
#[pool_task]
fn close_and_stay() {
    // SAFETY: there is none: the task does what a task must not.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn deaths_are_what_they_are_where_nobody_tells_whether_a_process_lives_on() {
    let _clean = clean();
    for errno in [libc::ENOSYS, libc::EPERM] {
        let refused = move || {
            refuse(libc::SYS_process_mrelease, errno);
            let pool = Pool::new(2).unwrap();
            for _ in 0..20 {
                let error = pool.apply(crash, ()).unwrap_err();
                assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(libc::SIGSEGV)));
                assert!(error.to_string().contains("was killed by SIGSEGV"), "{error}");
                let error = pool.apply(leave, ()).unwrap_err();
                assert!(error.to_string().contains("exited with code 3"), "{error}");
            }
            let error = pool.apply(close_and_stay, ()).unwrap_err();
            assert!(error.to_string().contains("closed its channel and was killed"), "{error}");
            assert_eq!(pool.map(nap_and_double, 0..3).unwrap(), [0, 2, 4]);
        };
        std::thread::scope(|scope| scope.spawn(refused).join().unwrap());
    }
}
