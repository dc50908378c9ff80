//! A kernel, or a filter of system calls, that does not know how to sleep on
//! several words: callers sleep in another way.

#![allow(unsafe_code)]

use std::time::Duration;

use pool_runtime::{Pool, pool_task};
use pool_tests::clean::clean;

#[pool_task]
fn nap_and_double(n: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(20));
    n * 2
}

/// Has the kernel refuse this thread one system call from here on.
fn refuse(call: i64, errno: i32) {
    let step = |code: u32, jump: u8, value: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: 0,
        jf: jump,
        k: value,
    };
    let steps = [
        // The call's number is the first of what a filter sees.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, u32::try_from(call).unwrap()),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: steps.as_ptr().cast_mut() };
    // SAFETY: both calls change this thread alone; the filter is read during the call,
    // in which `steps` is there, and its length is what `len` says.
    let installed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    assert!(installed, "{}", std::io::Error::last_os_error());
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
