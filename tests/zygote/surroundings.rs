//! Whatever a program has changed about itself holds in its next worker, as if
//! that had been executed at that moment.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use pool_runtime::{Pool, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::fault::limit;
use pool_tests::temp::TempDir;
use pool_tests::wait;
use rustix::process::Resource;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::changes::{IO_FLUSHER, MDWE, MEMORY_MERGE, checked, holds, in_a_fork, in_an_executed};
use crate::helpers::{file_of, forked, forks, zygote, zygotes_of};

#[test]
fn what_is_passed_along_needs_no_other_zygote() {
    alone("surroundings::what_is_passed_along_needs_no_other_zygote", || {
        let temp = TempDir::new();
        let text = temp.file("printed");
        let file = File::create(&text).unwrap();
        std::env::set_current_dir("/proc").unwrap();
        assert_eq!(in_a_fork(), in_an_executed());
        let first = zygote();
        // The directory.
        std::env::set_current_dir("/sys").unwrap();
        let told = in_a_fork();
        assert!(told.contains("cwd /sys\n"), "{told}");
        assert_eq!(told, in_an_executed());
        // Standard output.
        // SAFETY: duplicates descriptors of this process, on which nothing else
        // relies while it is alone.
        unsafe {
            let before = libc::dup(1);
            assert_eq!(libc::dup2(file.as_raw_fd(), 1), 1);
            let pool = Pool::new(1).unwrap();
            pool.apply(print, "into the file").unwrap();
            drop(pool);
            assert_eq!(libc::dup2(before, 1), 1);
            libc::close(before);
        }
        let printed = std::fs::read_to_string(&text).unwrap();
        assert!(printed.contains("into the file"), "{printed}");
        assert_eq!(zygote(), first, "all of them are forks of the first");
        assert_eq!(std::fs::read_link(file_of(first, "cwd")).unwrap(), Path::new("/"));
    });
}

#[pool_task]
fn print(text: &str) {
    println!("{text}");
}

#[pool_task]
fn colour() -> Option<String> {
    std::env::var("POOL_TESTS_COLOUR").ok()
}

#[test]
fn pools_with_different_environments_take_turns() {
    let _clean = clean();
    let mut before = 0;
    let red = || Pool::builder().workers(1).env("POOL_TESTS_COLOUR", "red").build().unwrap();
    let blue = || Pool::builder().workers(1).env("POOL_TESTS_COLOUR", "blue").build().unwrap();
    let kept = red();
    for _ in 0..4 {
        for (pool, name) in [(red(), Some("red")), (blue(), Some("blue"))] {
            assert_eq!(pool.apply(colour, ()).unwrap().as_deref(), name);
        }
        let pool = forks(1);
        assert_eq!(pool.apply(colour, ()).unwrap(), None);
        assert_ne!(zygote(), before, "each has the environment from its start");
        before = zygote();
    }
    // A worker that is replaced has that of its pool.
    for worker in kept.workers() {
        pool_tests::fault::send(worker.pid, rustix::process::Signal::KILL);
        wait::until("its end", || kept.workers().iter().all(|other| other.pid != worker.pid));
    }
    assert_eq!(kept.apply(colour, ()).unwrap().as_deref(), Some("red"));
}

#[pool_task]
fn stack_limit() -> Option<u64> {
    rustix::process::getrlimit(Resource::Stack).current
}

#[test]
fn a_stack_limit_is_that_of_the_pool() {
    let _clean = clean();
    for bytes in [1 << 20, 3 << 20] {
        let pool = forked(|| Pool::builder().workers(1).stack_size(bytes));
        assert_eq!(pool.apply(stack_limit, ()).unwrap(), Some(bytes));
    }
}

#[test]
fn what_cannot_be_passed_along_makes_another_zygote() {
    alone("surroundings::what_cannot_be_passed_along_makes_another_zygote", || {
        // SAFETY: each call takes integers, or a set that is initialised.
        unsafe {
            holds("umask", || assert_ne!(libc::umask(0o027), 0o027));
            holds("a limit", || limit(Resource::Nofile, 200));
            holds("another limit", || limit(Resource::Fsize, 1 << 40));
            // From whatever it is, as the privileged alone may lower it.
            let niceness = libc::getpriority(libc::PRIO_PROCESS, 0) + 1;
            holds("niceness", || {
                checked("nice", libc::setpriority(libc::PRIO_PROCESS, 0, niceness));
            });
            holds("scheduling", || {
                let parameter = std::mem::zeroed();
                checked("batch", libc::sched_setscheduler(0, libc::SCHED_BATCH, &parameter));
            });
            holds("input and output", || {
                let idle = 3 << 13;
                let set = libc::syscall(libc::SYS_ioprio_set, 1, 0, idle);
                checked("ioprio", i32::try_from(set).unwrap());
            });
            holds("timer slack", || checked("slack", libc::prctl(libc::PR_SET_TIMERSLACK, 99_000)));
            holds("the choice of a victim", || {
                std::fs::write("/proc/self/oom_score_adj", "321").unwrap();
            });
            let cores = sched_getaffinity(None).unwrap();
            let first = (0..CpuSet::MAX_CPU).find(|&core| cores.is_set(core)).unwrap();
            // With a single core there is no other affinity to have.
            if cores.count() > 1 {
                holds("affinity", || {
                    let mut one = CpuSet::new();
                    one.set(first);
                    sched_setaffinity(None, &one).unwrap();
                });
            }
            holds("a new session", || {
                // The leader of a group cannot have one; a test that is alone is none
                // unless it was started by hand.
                assert_ne!(libc::setsid(), -1, "{}", std::io::Error::last_os_error());
            });
            holds("no new privileges", || {
                checked("nnp", libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
            });
        }
    });
}

/// Asserts that a fork is as an executed worker after a change that not every kernel has
/// and not everybody may do: where it is refused, nothing changes.
fn agrees(what: &str, change: impl FnOnce() -> bool) {
    let before = in_a_fork();
    let changed = change();
    let after = in_a_fork();
    assert_eq!(after, in_an_executed(), "{what}");
    assert_eq!(before != after, changed, "{what}: {before}\n{after}");
}

#[test]
fn whatever_execve_keeps_is_as_in_a_worker_that_is_executed() {
    alone("surroundings::whatever_execve_keeps_is_as_in_a_worker_that_is_executed", || {
        // SAFETY: each call takes integers, or what is initialised and as long as it says.
        unsafe {
            let set = |option, value: u64| libc::prctl(option, value, 0_u64, 0_u64, 0_u64) == 0;
            holds("what a core dump has", || {
                std::fs::write("/proc/self/coredump_filter", "0x1f").unwrap();
            });
            holds("no huge pages", || assert!(set(libc::PR_SET_THP_DISABLE, 1)));
            agrees("the policy of memory", || {
                let (preferred, node) = (1, 1_u64);
                libc::syscall(libc::SYS_set_mempolicy, preferred, &raw const node, 64) == 0
            });
            agrees("no memory that is written and then executed", || set(MDWE, 1));
            agrees("merging of equal pages", || set(MEMORY_MERGE, 1));
            agrees("input and output for others", || set(IO_FLUSHER, 1));
            agrees("what an error of memory does", || {
                let (set, early) = (1_u64, 1_u64);
                libc::prctl(libc::PR_MCE_KILL, set, early, 0_u64, 0_u64) == 0
            });
            agrees("bounds of utilisation", || {
                // `struct sched_attr`: policy and all else as it is, a lower bound.
                let mut attributes = [0_u32; 14];
                (attributes[0], attributes[2], attributes[12]) = (56, 0x38, 100);
                libc::syscall(libc::SYS_sched_setattr, 0, attributes.as_ptr(), 0) == 0
            });
            agrees("a session keyring", || {
                let (join, nameless) = (1, std::ptr::null::<libc::c_char>());
                libc::syscall(libc::SYS_keyctl, join, nameless) > 0
            });
            agrees("a login user", || std::fs::write("/proc/self/loginuid", "12345").is_ok());
            agrees("bits of security", || {
                // No rights by being root are gained any more, as long as one is none.
                set(libc::PR_SET_SECUREBITS, 4)
            });
            let master = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY);
            assert_ne!(master, -1, "{}", std::io::Error::last_os_error());
            checked("unlock", libc::unlockpt(master));
            let terminal = libc::ioctl(master, libc::TIOCGPTPEER, libc::O_RDWR);
            assert_ne!(terminal, -1, "{}", std::io::Error::last_os_error());
            // The leader of a session has none at first.
            assert_ne!(libc::setsid(), -1, "{}", std::io::Error::last_os_error());
            holds("a controlling terminal", || {
                checked("terminal", libc::ioctl(terminal, libc::TIOCSCTTY, 0));
            });
            // Its end is a signal to the session.
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            for fd in [master, terminal] {
                checked("close", libc::close(fd));
            }
        }
    });
}

#[pool_task]
fn lists(dir: &str) -> bool {
    std::fs::read_dir(dir).is_ok()
}

/// Forbids this thread, and whom it starts, to list any directory but those under
/// /proc. No file of the kernel's tells of that.
fn forbid_to_list() {
    const CREATE_RULESET: i64 = 444;
    const ADD_RULE: i64 = 445;
    const RESTRICT_SELF: i64 = 446;
    const READ_DIR: u64 = 1 << 3;
    const PATH_BENEATH: i32 = 1;
    #[repr(C, packed)]
    struct Beneath {
        access: u64,
        dir: i32,
    }
    let proc = File::open("/proc").unwrap();
    // SAFETY: the kernel reads 8 bytes of the first and 12 of the second structure.
    unsafe {
        let ruleset = libc::syscall(CREATE_RULESET, &READ_DIR, 8usize, 0);
        assert_ne!(ruleset, -1, "no Landlock here: {}", std::io::Error::last_os_error());
        let beneath = Beneath { access: READ_DIR, dir: proc.as_raw_fd() };
        assert_eq!(libc::syscall(ADD_RULE, ruleset, PATH_BENEATH, &raw const beneath, 0), 0);
        assert_eq!(libc::syscall(RESTRICT_SELF, ruleset, 0), 0);
        libc::close(i32::try_from(ruleset).unwrap());
    }
}

#[test]
fn a_program_that_shuts_itself_in_has_workers_that_are_shut_in_too() {
    alone("surroundings::a_program_that_shuts_itself_in_has_workers_that_are_shut_in_too", || {
        // SAFETY: integers only. It comes first, so that it is not what is seen.
        checked("nnp", unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) });
        let pool = forks(1);
        let before = zygote();
        assert!(pool.apply(lists, "/etc").unwrap());
        drop(pool);
        forbid_to_list();
        let pool = Pool::new(1).unwrap();
        assert!(!pool.apply(lists, "/etc").unwrap());
        assert!(!wait::is_running(before));
        assert!(!zygotes_of(std::process::id()).contains(&before));
    });
}
