//! Programs that give up their privileges while they have pools.

use std::fs::File;

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::alone::alone;
use pool_tests::fault::limit;
use pool_tests::pools::pids;
use pool_tests::users::{become_nobody, tasks_of};
use pool_tests::wait;
use rustix::process::{Resource, getuid};

use crate::changes::{checked, holds, in_a_fork};

#[pool_task]
fn own_user() -> u32 {
    getuid().as_raw()
}

#[pool_task]
fn die_on_zero(n: u64) -> u64 {
    if n == 0 {
        std::process::exit(7);
    }
    n
}

#[pool_task]
fn forever() {
    loop {
        std::thread::park();
    }
}

#[test]
fn workers_of_a_program_that_gave_up_its_privileges_have_none() {
    alone("privileges::workers_of_a_program_that_gave_up_its_privileges_have_none", || {
        let user = become_nobody();
        assert_eq!(own_user.pmap([(), ()], 2).unwrap(), [user, user]);
        let pool = Pool::new(2).unwrap();
        assert_eq!(pool.apply(die_on_zero, 0).unwrap_err().exit_code(), Some(7));
        assert_eq!(pool.map(own_user, [(); 4]).unwrap(), [user; 4]);
    });
}

#[test]
fn what_finds_no_room_for_a_process_is_named() {
    alone("privileges::what_finds_no_room_for_a_process_is_named", || {
        let user = become_nobody();
        // Nobody else has processes of this user, so it is known how far there is room.
        let others = tasks_of(user);
        for room in 0..=4 {
            // A thread that was joined counts for a moment more.
            wait::until("all of the last round to be gone", || tasks_of(user) <= others);
            limit(Resource::Nproc, others + room);
            let error = Pool::new(5).map(drop).expect_err("there is no room for them");
            let who = match room {
                0 => "the pool's thread".to_owned(),
                room => format!("worker {}", room - 1),
            };
            let says = format!("failed to start {who}");
            assert!(error.to_string().contains(&says), "room {room}: {error}");
        }
    });
}

#[test]
fn a_namespace_of_the_program_is_that_of_its_workers() {
    alone("privileges::a_namespace_of_the_program_is_that_of_its_workers", || {
        // SAFETY: it takes an integer.
        holds("a namespace", || checked("uts", unsafe { libc::unshare(libc::CLONE_NEWUTS) }));
    });
}

#[test]
fn workers_end_though_the_program_has_given_up_its_user() {
    alone("privileges::workers_end_though_the_program_has_given_up_its_user", || {
        let pool = Pool::new(2).unwrap();
        let busy = pool.apply_async(forever, ()).unwrap();
        let pids = pids(&pool);
        let _ = become_nobody();
        drop(pool);
        assert_eq!(busy.get().unwrap_err().kind(), ErrorKind::Terminated);
        assert!(pids.iter().all(|&pid| !wait::is_running(pid)));
    });
}

#[test]
fn a_program_that_drops_its_privileges_has_workers_without() {
    alone("privileges::a_program_that_drops_its_privileges_has_workers_without", || {
        let kept = Pool::new(1).unwrap();
        holds("user, groups and capabilities", || {
            // SAFETY: integers, and a null pointer for an empty list. The C library
            // sees to it that they hold for every thread.
            unsafe {
                checked("groups", libc::setgroups(0, std::ptr::null()));
                checked("group", libc::setgid(23_456));
                checked("user", libc::setuid(23_456));
            }
        });
        let told = in_a_fork();
        assert!(told.contains("Uid:\t23456\t23456\t23456\t23456"), "{told}");
        assert!(told.contains("CapEff:\t0000000000000000"), "{told}");
        // Also one that is started for a pool that is older.
        drop(kept);
        let pool = Pool::new(1).unwrap();
        assert_eq!(pool.map(read_shadow, [(); 3]).unwrap(), [false; 3]);
    });
}

#[pool_task]
fn read_shadow() -> bool {
    File::open("/etc/shadow").is_ok()
}

#[test]
fn a_program_without_proc_is_told_that_it_needs_it() {
    alone("privileges::a_program_without_proc_is_told_that_it_needs_it", || {
        use rustix::mount::{
            MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
        };
        use rustix::thread::{UnshareFlags, unshare_unsafe};
        // SAFETY: of the mounts only, which no other thread looks at meanwhile.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        unmount("/proc", UnmountFlags::DETACH).unwrap();
        let error = Pool::new(1).map(drop).expect_err("it cannot find the program").to_string();
        mount("proc", "/proc", "proc", MountFlags::empty(), None).unwrap();
        assert!(error.contains("/proc is not mounted"), "{error}");
        assert_eq!(Pool::new(1).unwrap().apply(own_user, ()).unwrap(), 0);
    });
}
