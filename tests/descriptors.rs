//! Which descriptors a worker has: the standard streams, and what the library keeps, far from
//! the low numbers that others agree upon.

#![allow(unsafe_code)]

use std::os::fd::RawFd;

use pool_runtime::{Output, Pool, PoolBuilder, Resource, Sandbox, Start, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::fault::{forbid, limit};

/// Those of this process above the standard ones.
#[pool_task]
fn own_descriptors() -> Vec<RawFd> {
    let list = std::fs::read_dir("/proc/self/fd").unwrap();
    let numbers = list.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    // The one that lists the directory is gone by now.
    // SAFETY: it only asks.
    let is_open = |fd: &RawFd| *fd > 2 && unsafe { libc::fcntl(*fd, libc::F_GETFD) } != -1;
    numbers.collect::<Vec<_>>().into_iter().filter(is_open).collect()
}

/// The errors of reading and writing at a number.
#[pool_task]
fn errors_at(fd: RawFd) -> [Option<i32>; 2] {
    let mut byte = 0_u8;
    let error = |result: isize| {
        (result == -1).then(|| std::io::Error::last_os_error().raw_os_error()).flatten()
    };
    // SAFETY: one byte is read or written.
    unsafe {
        [
            error(libc::read(fd, (&raw mut byte).cast(), 1)),
            error(libc::write(fd, (&raw const byte).cast(), 1)),
        ]
    }
}

/// Pools with all that has workers keep a descriptor, each forked and executed.
fn pools() -> Vec<Pool> {
    let kinds: [fn(PoolBuilder) -> PoolBuilder; 6] = [
        |builder| builder,
        |builder| builder.output(Output::Capture),
        |builder| builder.output(Output::Prefix),
        |builder| builder.max_rss(1 << 40).memory_limit(1 << 30),
        |builder| builder.sandbox(Sandbox::read_only()),
        |builder| builder.output(Output::Capture).rlimit(Resource::OpenFiles, 20),
    ];
    let build = |kind: &fn(PoolBuilder) -> PoolBuilder| {
        let builder = kind(Pool::builder().workers(1));
        let executed =
            kind(Pool::builder().workers(1)).worker_program(std::env::current_exe().unwrap());
        [builder.build().unwrap(), executed.build().unwrap()]
    };
    kinds.iter().flat_map(build).collect()
}

#[test]
fn what_a_worker_keeps_is_far_from_the_low_numbers() {
    let _clean = clean();
    let pools = pools();
    let forked = pools.iter().filter(|pool| pool.workers()[0].start == Start::Forked);
    assert_eq!(forked.count(), pools.len() / 2);
    for pool in pools {
        let own = pool.apply(own_descriptors, ()).unwrap();
        assert!(own.len() >= 2 && own.iter().all(|&fd| fd >= 100), "{own:?}");
        // What make's and systemd's environments name.
        for fd in 3..10 {
            let errors = pool.apply(errors_at, fd).unwrap();
            assert_eq!(errors, [Some(libc::EBADF); 2], "{fd}");
        }
    }
}

#[test]
fn where_few_numbers_are_allowed_it_is_in_their_middle() {
    alone("where_few_numbers_are_allowed_it_is_in_their_middle", || {
        limit(rustix::process::Resource::Nofile, 64);
        for program in [None, Some(std::env::current_exe().unwrap())] {
            let builder = Pool::builder().workers(1).output(Output::Capture);
            let builder = match program {
                Some(program) => builder.worker_program(program),
                None => builder,
            };
            let own = builder.build().unwrap().apply(own_descriptors, ()).unwrap();
            assert!(own.len() == 4 && own.iter().all(|&fd| fd >= 32), "{own:?}");
        }
    });
}

#[test]
fn none_of_the_programs_is_a_workers_whatever_the_limit_is_by_now() {
    alone("none_of_the_programs_is_a_workers_whatever_the_limit_is_by_now", || {
        forbid(libc::SYS_close_range, libc::EPERM);
        // More than fit into one reading of the list, all inheritable.
        for fd in 300..500 {
            // SAFETY: nobody has these, while this test is alone.
            assert_eq!(unsafe { libc::dup2(2, fd) }, fd);
        }
        limit(rustix::process::Resource::Nofile, 256);
        for program in [None, Some(std::env::current_exe().unwrap())] {
            let builder = Pool::builder().workers(1);
            let builder = match program {
                Some(program) => builder.worker_program(program),
                None => builder,
            };
            assert_eq!(builder.build().unwrap().apply(own_descriptors, ()).unwrap(), [100, 101]);
        }
        for fd in 300..500 {
            // SAFETY: they were made above.
            unsafe { libc::close(fd) };
        }
    });
}
