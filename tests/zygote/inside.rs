//! What is in a zygote, and what its forks can do.

use std::collections::hash_map::RandomState;
use std::ffi::CStr;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use pool_runtime::{ErrorKind, Pool, Process, pool_task};
use pool_tests::clean::clean;
use pool_tests::pools::pids;
use pool_tests::temp::TempDir;
use pool_tests::wait;

use crate::helpers::{
    assert_forked, children_of, executed, file_of, forked, forks, own_pid, square, zygote,
    zygotes_of,
};

#[test]
fn a_pool_and_a_process_are_forked_from_one_zygote() {
    let _clean = clean();
    let pool = forks(3);
    let first = zygote();
    assert_eq!(pool.map(square, 0..5).unwrap(), [0, 1, 4, 9, 16]);
    let mut process = own_pid.spawn(()).unwrap();
    let pid = process.pid();
    assert_eq!(process.join().unwrap(), pid);
    assert_eq!(zygote(), first);
    let children = children_of(std::process::id());
    assert!(pids(&pool).is_subset(&children), "workers are the program's own children");
    drop(pool);
    assert_eq!(zygote(), first, "it stays for the next");
    assert_eq!(assert_forked(&Pool::new(1).unwrap()), first);
}

#[test]
fn it_holds_none_of_the_programs_descriptors() {
    let _clean = clean();
    let file = std::fs::File::open("/etc/passwd").unwrap();
    // SAFETY: duplicates an open descriptor; the duplicate is inheritable.
    let inheritable = unsafe { libc::dup(std::os::fd::AsRawFd::as_raw_fd(&file)) };
    let pool = Pool::new(2).unwrap();
    let entries = std::fs::read_dir(file_of(zygote(), "fd")).unwrap();
    let mut targets: Vec<_> = entries
        .map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
        .map(|target| target.split(':').next().unwrap().to_owned())
        .collect();
    targets.sort();
    assert_eq!(targets, ["/dev/null", "/dev/null", "/dev/null", "socket", "socket"]);
    assert_eq!(std::fs::read_link(file_of(zygote(), "cwd")).unwrap(), Path::new("/"));
    drop(pool);
    // SAFETY: it was made above, and nobody else knows it.
    unsafe { libc::close(inheritable) };
}

#[test]
fn it_holds_none_of_the_programs_memory() {
    let _clean = clean();
    let secret = vec![1u8; 256 << 20];
    let pool = forks(1);
    for pid in pids(&pool).into_iter().chain([zygote()]) {
        let status = std::fs::read_to_string(file_of(pid, "status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let resident: u64 = resident.split_whitespace().next().unwrap().parse().unwrap();
        assert!(resident < 64 << 10, "{pid} holds {resident} KiB");
    }
    assert_eq!(std::hint::black_box(secret).len(), 256 << 20);
}

#[pool_task]
fn a_random_number() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[test]
fn workers_draw_different_random_numbers() {
    let _clean = clean();
    let pools: Vec<_> = (0..4).map(|_| forks(1)).collect();
    let drawn: std::collections::BTreeSet<u64> =
        pools.iter().map(|pool| pool.apply(a_random_number, ()).unwrap()).collect();
    assert_eq!(drawn.len(), 4);
}

/// Whether the C library knows this thread's clock, a signal from another thread finds it, and it
/// gives a mutex back that it lends its priority to: the kernel asks the library for the
/// number of the thread that has the mutex, and is told so by that thread.
fn is_known_to_the_library() -> [bool; 3] {
    struct Shared(libc::pthread_t, *mut libc::pthread_mutex_t);
    // SAFETY: both are for the other thread to call the C library with.
    unsafe impl Send for Shared {}
    // SAFETY: the thread is this one, and the mutex stands on its stack until the other
    // thread has ended. It is initialised before its use and destroyed after it.
    unsafe {
        let mut clock = 0;
        assert_eq!(libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock), 0);
        // As the kernel numbers the clock of a thread.
        let own_clock = (!libc::gettid() << 3) | 6;
        let mut attributes = std::mem::zeroed();
        libc::pthread_mutexattr_init(&raw mut attributes);
        let protocol = libc::PTHREAD_PRIO_INHERIT;
        assert_eq!(libc::pthread_mutexattr_setprotocol(&raw mut attributes, protocol), 0);
        let mut mutex = std::mem::zeroed();
        assert_eq!(libc::pthread_mutex_init(&raw mut mutex, &raw const attributes), 0);
        assert_eq!(libc::pthread_mutex_lock(&raw mut mutex), 0);
        let shared = Shared(libc::pthread_self(), &raw mut mutex);
        let other = std::thread::spawn(move || {
            let Shared(main, mutex) = { shared };
            let killed = libc::pthread_kill(main, 0);
            let long_ago = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            (killed, libc::pthread_mutex_timedlock(mutex, &raw const long_ago))
        });
        let (killed, timed) = other.join().unwrap();
        let unlocked = libc::pthread_mutex_unlock(&raw mut mutex);
        libc::pthread_mutex_destroy(&raw mut mutex);
        [clock == own_clock, killed == 0, (timed, unlocked) == (libc::ETIMEDOUT, 0)]
    }
}

/// What the C library knows of this thread, and what the process is called.
#[pool_task]
fn identity() -> ([bool; 3], bool, Option<String>, String) {
    let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
    let thread = std::thread::current().name().map(str::to_owned);
    // SAFETY: these take nothing and cannot fail.
    let (tid, group) = unsafe { (libc::gettid(), libc::getpgrp()) };
    let pid = std::process::id().cast_signed();
    let known = is_known_to_the_library();
    (known, tid == pid && group == pid, thread, comm.trim_end().to_owned())
}

#[test]
fn a_forked_worker_knows_who_it_is() {
    let _clean = clean();
    let pool = forked(|| Pool::builder().workers(1).worker_name("painter"));
    let forked = pool.apply(identity, ()).unwrap();
    let pool = executed(1).worker_name("painter").build().unwrap();
    assert_eq!(forked, pool.apply(identity, ()).unwrap());
    assert_eq!((forked.0, forked.1, &*forked.3), ([true; 3], true, "painter-0"));
}

#[pool_task]
fn end_by(how: &str) {
    pool_tests::fault::limit(rustix::process::Resource::Core, 0);
    match how {
        "abort" => std::process::abort(),
        // SAFETY: it takes an integer.
        "raise" => drop(unsafe { libc::raise(libc::SIGTERM) }),
        "exit" => std::process::exit(3),
        "panic" => panic!("on purpose"),
        other => panic!("{other:?} is no way to end"),
    }
}

#[test]
fn a_forked_worker_ends_as_any_process_does_and_the_zygote_stays() {
    let _clean = clean();
    let pool = forks(2);
    let before = zygote();
    let ends = [
        ("abort", Some(libc::SIGABRT), None),
        ("raise", Some(libc::SIGTERM), None),
        ("exit", None, Some(3)),
    ];
    for (how, signal, code) in ends {
        let error = pool.apply(end_by, how).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Died, "{error}");
        assert_eq!((error.signal(), error.exit_code()), (signal, code), "{error}");
        assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
    }
    let error = pool.apply(end_by, "panic").unwrap_err();
    assert_eq!(error.panic_message(), Some("on purpose"));
    assert_eq!(assert_forked(&pool), before);
}

#[pool_task]
fn leave_word_at_exit(path: &Path) {
    static PATH: std::sync::OnceLock<std::ffi::CString> = std::sync::OnceLock::new();
    extern "C" fn handler() {
        let path: &CStr = PATH.get().unwrap();
        std::fs::write(Path::new(std::ffi::OsStr::from_bytes(path.to_bytes())), "left").unwrap();
    }
    PATH.set(std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap()).unwrap();
    // SAFETY: the handler is a function without preconditions.
    assert_eq!(unsafe { libc::atexit(handler) }, 0);
    print!("not flushed");
}

#[test]
fn exit_handlers_run_and_standard_output_is_flushed() {
    let _clean = clean();
    let temp = TempDir::new();
    let path = temp.path().join("word");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut process =
        Process::builder().stdout(writer).spawn(leave_word_at_exit, path.clone()).unwrap();
    process.join().unwrap();
    zygote();
    let mut printed = String::new();
    std::io::Read::read_to_string(&mut reader, &mut printed).unwrap();
    assert_eq!(printed, "not flushed");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "left");
}

#[pool_task]
fn keep_a_zygote() -> u32 {
    assert_eq!(square.pmap(0..3, 1).unwrap(), [0, 1, 4]);
    let zygotes = zygotes_of(std::process::id());
    assert_eq!(zygotes.len(), 1);
    zygotes[0]
}

#[test]
fn a_worker_has_a_zygote_of_its_own_that_ends_with_it() {
    let _clean = clean();
    let pool = forks(1);
    let outer = zygote();
    let inner = pool.apply(keep_a_zygote, ()).unwrap();
    assert_ne!(inner, outer);
    assert!(wait::is_running(inner));
    drop(pool);
    wait::until("the worker's zygote to end", || !wait::is_running(inner));
    assert!(wait::is_running(outer));
}
