//! A kernel, or who plays it, or a filter of system calls, that does not know some newer
//! call or flag: how to sleep on several words, whether a process has begun to end, how to
//! signal it. Another way is taken where there is one, and else the error names the call.

#![allow(unsafe_code)]

use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::kernel::{refuse, refuse_flag, refuse_with};
use pool_tests::tasks::forever;
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

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

/// What each newer call is for, done in another way.
fn assert_all_is_well() {
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(nap_and_double, 0..3).unwrap(), [0, 2, 4]);
    let error = pool.apply(crash, ()).unwrap_err();
    assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(libc::SIGSEGV)), "{error}");
    let error = pool.apply(leave, ()).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Died, Some(3)), "{error}");
    let limited = pool.job(forever).timeout(Duration::from_millis(50));
    assert_eq!(limited.apply(()).unwrap_err().kind(), ErrorKind::TimedOut);
    for (kill, signal) in [(false, libc::SIGTERM), (true, libc::SIGKILL)] {
        let mut process = forever.spawn(()).unwrap();
        let asked = if kill { process.kill() } else { process.terminate() };
        asked.unwrap();
        let error = process.join().unwrap_err();
        assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(signal)), "{error}");
        // Of one that is gone it is no error, and touches nobody else.
        process.kill().unwrap();
    }
    drop(pool);
    pool_runtime::shutdown();
}

fn on_a_thread_without(refuse: impl FnOnce() + Send) {
    let refused = || {
        refuse();
        assert_all_is_well();
    };
    std::thread::scope(|scope| scope.spawn(refused).join().unwrap());
}

#[test]
fn what_newer_calls_are_for_is_done_without_them() {
    let _clean = clean();
    let newer = [
        libc::SYS_pidfd_send_signal,
        libc::SYS_process_mrelease,
        libc::SYS_clone3,
        libc::SYS_get_robust_list,
        libc::SYS_close_range,
        libc::SYS_futex_waitv,
    ];
    for call in newer {
        for errno in [libc::ENOSYS, libc::EPERM] {
            // The C library starts no thread either where this one is forbidden.
            if (call, errno) != (libc::SYS_clone3, libc::EPERM) {
                on_a_thread_without(|| refuse(call, errno));
            }
        }
    }
}

#[test]
fn children_are_waited_for_by_number_where_their_descriptors_are_not_known() {
    let _clean = clean();
    for errno in [libc::EINVAL, libc::ENOSYS, libc::EPERM] {
        on_a_thread_without(|| refuse_with(libc::SYS_waitid, libc::P_PIDFD, errno));
    }
}

/// What this thread starts from here on is without `CLONE_PIDFD`, as under qemu-user.
fn refuse_pidfds_of_clone() {
    refuse_flag(libc::SYS_clone, libc::CLONE_PIDFD, libc::EINVAL);
}

#[test]
fn workers_start_where_clone_gives_no_descriptor_of_them() {
    alone("workers_start_where_clone_gives_no_descriptor_of_them", || {
        refuse_pidfds_of_clone();
        // So that there is no zygote but workers that are executed.
        let program = std::env::current_exe().unwrap();
        let pool = Pool::builder().workers(2).worker_program(program).build().unwrap();
        let error = pool.apply(crash, ()).unwrap_err();
        assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(libc::SIGSEGV)));
        assert_eq!(pool.apply(nap_and_double, 3).unwrap(), 6);
        // And one that is.
        assert_eq!(nap_and_double.pmap(0..3, 2).unwrap(), [0, 2, 4]);
        let error = Pool::builder().worker_program("/no/such").build().unwrap_err();
        assert!(error.to_string().contains("\"/no/such\": No such file"), "{error}");
    });
}

#[test]
fn what_the_kernel_refuses_is_named_and_leaves_nothing() {
    alone("what_the_kernel_refuses_is_named_and_leaves_nothing", || {
        let refused = |words: &[&str]| {
            let error = Pool::new(1).map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
            for word in words {
                assert!(error.to_string().contains(word), "{word}: {error}");
            }
            // Nor anything that nobody has reaped.
            let none = waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
            assert_eq!(none.unwrap_err(), Errno::CHILD);
        };
        refuse_pidfds_of_clone();
        refuse(libc::SYS_pidfd_open, libc::ENOSYS);
        refused(&["pidfd_open", "CLONE_PIDFD", "Function not implemented"]);
        refuse_flag(libc::SYS_clone, libc::CLONE_VFORK, libc::EINVAL);
        refused(&["clone", "CLONE_PIDFD", "Invalid argument"]);
        refuse_flag(libc::SYS_clone, libc::CLONE_VFORK, libc::ENOSYS);
        refused(&["clone", "Function not implemented"]);
    });
}
