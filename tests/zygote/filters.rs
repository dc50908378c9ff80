//! Filters of system calls, which belong to threads: a worker has those of the thread
//! that starts it, also where another thread has as many.

use pool_runtime::pool_task;
use pool_tests::alone::alone;

use crate::helpers::{forks, zygote};

/// System calls that nothing else here needs.
const CALLS: [i64; 2] = [libc::SYS_times, libc::SYS_getitimer];

/// Which of them are forbidden to the calling thread.
#[pool_task]
fn forbidden() -> [bool; 2] {
    CALLS.map(|call| {
        let mut room = [0_u64; 8];
        let first = if call == libc::SYS_times { room.as_mut_ptr().expose_provenance() } else { 0 };
        // SAFETY: either writes 32 bytes at most: times at its first argument, getitimer,
        // of the timer 0 (ITIMER_REAL), at its second.
        let result = unsafe { libc::syscall(call, first, room.as_mut_ptr()) };
        result == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
    })
}

/// Forbids the calling thread, and whom it starts, one system call.
fn forbid(call: i64) {
    let code = |parts: [u32; 3]| u16::try_from(parts.into_iter().sum::<u32>()).unwrap();
    let step = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let returns = code([libc::BPF_RET, libc::BPF_K, 0]);
    let mut steps = [
        // The number of the call is the first word of what a filter sees.
        step(code([libc::BPF_LD, libc::BPF_W, libc::BPF_ABS]), 0, 0),
        step(code([libc::BPF_JMP, libc::BPF_JEQ, libc::BPF_K]), 1, u32::try_from(call).unwrap()),
        step(returns, 0, libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EPERM).unwrap()),
        step(returns, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: 4, filter: steps.as_mut_ptr() };
    // SAFETY: integers, and a filter of four steps that the kernel copies.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let set = libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter);
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }
}

/// What is forbidden to a worker that this thread starts, and its zygote.
fn in_a_worker() -> ([bool; 2], u32) {
    let pool = forks(1);
    (pool.apply(forbidden, ()).unwrap(), zygote())
}

#[test]
fn threads_with_as_many_filters_have_workers_with_their_own() {
    alone("filters::threads_with_as_many_filters_have_workers_with_their_own", || {
        assert_eq!(in_a_worker().0, [false, false]);
        for call in CALLS {
            let expected = CALLS.map(|each| each == call);
            let thread = std::thread::spawn(move || {
                forbid(call);
                assert_eq!(forbidden(), expected);
                let (told, zygote) = in_a_worker();
                assert_eq!(told, expected);
                assert_eq!(in_a_worker(), (expected, zygote), "it is like itself");
            });
            thread.join().unwrap();
        }
        assert_eq!(in_a_worker().0, [false, false]);
    });
}
