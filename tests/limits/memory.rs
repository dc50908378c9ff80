//! A task that needs more memory than it may have costs one item, and says so.

use std::hint::black_box;

use pool_runtime::{Error, ErrorKind, Pool, Process, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::{Fault, send};
use pool_tests::pools;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::both_ways;
use pool_tests::tasks::own_pid;

const LIMIT: u64 = 64 << 20;

/// Ways to need memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Need {
    /// None to speak of.
    None,
    /// A vector that grows item by item.
    Growth,
    /// Many small boxes.
    Boxes,
    /// One vector far beyond the limit.
    Huge,
    /// As a C library does that does not look at what `malloc` gives.
    NullFromMalloc,
    /// Bit by bit, in the same way.
    NullAtLast,
    /// As a C library does that looks, and aborts.
    AbortAfterMalloc,
    /// The same on a thread of the task's own.
    OnAnotherThread,
    /// A result that is too large when it is encoded.
    Result,
}

const NEEDS: [Need; 8] = [
    Need::Growth,
    Need::Boxes,
    Need::Huge,
    Need::NullFromMalloc,
    Need::NullAtLast,
    Need::AbortAfterMalloc,
    Need::OnAnotherThread,
    Need::Result,
];

/// What `malloc` gives, written to unseen.
fn write_to_new(bytes: usize) {
    // SAFETY: there is none where malloc gives null, as it does in the end: the process
    // is meant to die of that.
    unsafe { black_box(libc::malloc(black_box(bytes))).cast::<u8>().write_volatile(1) }
}

#[pool_task]
fn need(what: Need) -> Vec<u8> {
    match what {
        Need::None => {}
        Need::Growth => {
            let mut numbers = Vec::new();
            loop {
                numbers.push(black_box(1_u64));
            }
        }
        Need::Boxes => {
            let mut boxes = Vec::with_capacity(1 << 20);
            loop {
                boxes.push(Box::new(black_box([1_u8; 100])));
            }
        }
        Need::Huge => {
            black_box(vec![1_u8; 1 << 40]);
        }
        Need::NullFromMalloc => write_to_new(1 << 40),
        Need::NullAtLast => loop {
            write_to_new(1000);
        },
        Need::AbortAfterMalloc => {
            // SAFETY: it takes a number.
            if unsafe { black_box(libc::malloc(1 << 40)) }.is_null() {
                std::process::abort();
            }
        }
        Need::OnAnotherThread => {
            let thread = std::thread::spawn(|| vec![1_u8; 1 << 40]);
            drop(thread.join());
        }
        // The vector, and as much again for its bytes.
        Need::Result => return vec![1; 40 << 20],
    }
    Vec::new()
}

fn assert_ran_out(error: &Error, item: Option<usize>, what: Need) {
    assert_eq!(error.kind(), ErrorKind::MemoryLimit, "{what:?}: {error}");
    assert_eq!(error.item(), item, "{what:?}: {error}");
    assert!(matches!(error.signal(), Some(libc::SIGABRT | libc::SIGSEGV)), "{what:?}: {error:?}");
    let on = item.map_or_else(String::new, |item| format!(" on item {item}"));
    let says = format!(
        "(pid {}) ran out of its 64 MiB of memory while running limits::memory::need{on} \
         (see `memory_limit`)",
        error.pid().unwrap()
    );
    assert!(error.to_string().ends_with(&says), "{what:?}: {error}");
}

#[test]
fn whoever_needs_too_much_fails_and_the_others_go_on() {
    let _clean = clean();
    for builder in both_ways(2) {
        let pool = builder.memory_limit(LIMIT).build().unwrap();
        for what in NEEDS {
            let mut items = [Need::None; 20];
            items[7] = what;
            // All of them in one chunk.
            let mut results = Vec::new();
            for result in pool.job(need).chunk_size(20).imap(items) {
                results.push(result);
            }
            assert_eq!(results.len(), 20);
            for (item, result) in results.iter().enumerate() {
                match item {
                    7 => assert_ran_out(result.as_ref().unwrap_err(), Some(7), what),
                    _ => assert!(result.is_ok(), "{what:?}: item {item}: {result:?}"),
                }
            }
            pools::idle(&pool, 2);
        }
        let error = pool.apply(need, Need::Growth).unwrap_err();
        assert_ran_out(&error, None, Need::Growth);
    }
}

#[test]
fn a_process_has_a_limit_too() {
    let _clean = clean();
    let builder = Process::builder().name("eater").memory_limit(LIMIT);
    let error = builder.spawn(need, Need::Growth).unwrap().join().unwrap_err();
    assert_ran_out(&error, None, Need::Growth);
    assert!(error.to_string().starts_with("process eater (pid "), "{error}");
}

#[test]
fn it_is_told_though_nothing_can_be_printed() {
    let _clean = clean();
    for what in [Need::Huge, Need::Growth] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let builder = Process::builder().memory_limit(LIMIT).stderr(full);
        let error = builder.spawn(need, what).unwrap().join().unwrap_err();
        assert_ran_out(&error, None, what);
    }
}

#[pool_task]
fn go_wrong(fault: Fault) -> u32 {
    fault.commit().unwrap();
    std::process::id()
}

#[test]
fn other_deaths_are_what_they_are_without_a_limit() {
    let _clean = clean();
    let limited = Pool::builder().workers(1).memory_limit(LIMIT).build().unwrap();
    let pool = Pool::new(1).unwrap();
    for fault in Fault::ANYWHERE {
        let [with, without] =
            [&limited, &pool].map(|pool| pool.apply(go_wrong, fault).unwrap_err());
        assert_ne!(with.kind(), ErrorKind::MemoryLimit, "{fault:?}: {with}");
        let told = |error: &Error| (error.kind(), error.signal(), error.exit_code());
        assert_eq!(told(&with), told(&without), "{fault:?}");
        assert!(with.to_string().contains(fault.described()), "{fault:?}: {with}");
    }
}

#[test]
fn a_signal_from_elsewhere_ends_a_limited_worker_as_any_other() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).memory_limit(LIMIT).build().unwrap();
    for signal in [Signal::ABORT, Signal::SEGV] {
        let before = pool.apply(own_pid, ()).unwrap();
        send(before, signal);
        pool_tests::wait::until("its end", || !pools::pids(&pool).contains(&before));
        assert_ne!(pool.apply(own_pid, ()).unwrap(), before);
    }
}

/// Fails to have memory and gets along, then dies of something else in another item.
#[pool_task]
fn get_along(die: bool) -> bool {
    if die {
        std::process::abort();
    }
    let mut bytes = Vec::<u8>::new();
    bytes.try_reserve(1 << 40).is_err()
}

#[test]
fn an_allocation_that_failed_in_an_earlier_item_is_not_to_blame() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).memory_limit(LIMIT).build().unwrap();
    let results: Vec<_> = pool.job(get_along).chunk_size(2).imap([false, true]).collect();
    assert!(results[0].as_ref().unwrap());
    let error = results[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(libc::SIGABRT)), "{error}");
}

/// A copy of the worker runs out of memory; the worker itself dies of something else.
#[pool_task]
fn outlive_a_copy() {
    // SAFETY: the copy does nothing but allocate, and the worker waits for it.
    unsafe {
        let copy = libc::fork();
        if copy == 0 {
            write_to_new(1 << 40);
        }
        let mut status = 0;
        libc::waitpid(copy, &raw mut status, 0);
        assert_eq!(libc::WTERMSIG(status), libc::SIGSEGV);
        *libc::__errno_location() = 0;
    }
    std::process::abort();
}

#[test]
fn a_copy_that_a_task_forks_does_not_speak_for_the_worker() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).memory_limit(LIMIT).build().unwrap();
    let error = pool.apply(outlive_a_copy, ()).unwrap_err();
    assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(libc::SIGABRT)), "{error}");
}

#[pool_task]
fn panic_in_a_corner(bytes: usize) {
    black_box(vec![1_u8; bytes]);
    panic!("a deliberate panic");
}

#[test]
fn a_panic_needs_no_more_memory_than_there_is() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).memory_limit(LIMIT).build().unwrap();
    let worker = pools::pids(&pool);
    for bytes in [0, 32 << 20, 60 << 20] {
        let error = pool.apply(panic_in_a_corner, bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked, "{error}");
        assert_eq!(error.panic_message(), Some("a deliberate panic"));
    }
    assert_eq!(pools::pids(&pool), worker);
}

/// Takes all memory that there is but for some bytes, and panics.
#[pool_task]
fn panic_with_little_left(left: usize) {
    let kept: Vec<u8> = Vec::with_capacity(left);
    let mut all: Vec<Vec<u8>> = Vec::with_capacity(1 << 20);
    let mut size = 1 << 20;
    while size >= 16 {
        let mut more: Vec<u8> = Vec::new();
        match more.try_reserve_exact(size) {
            Ok(()) => all.push(more),
            Err(_) => size /= 2,
        }
    }
    std::mem::forget(all);
    drop(kept);
    panic!("a deliberate panic");
}

#[test]
fn a_panic_with_hardly_any_memory_left_has_no_backtrace_and_is_told() {
    let _clean = clean();
    for asked in ["0", "1", "full"] {
        for builder in both_ways(1) {
            // What the task takes, it never gives back.
            let builder = builder.memory_limit(LIMIT).max_tasks_per_child(1);
            let pool = builder.env("RUST_BACKTRACE", asked).build().unwrap();
            for left in [2_000, 20_000] {
                let error = pool.apply(panic_with_little_left, left).unwrap_err();
                let told = error.panic_message();
                assert!(told == Some("a deliberate panic"), "{asked}, {left}: {error}");
                assert_eq!(error.backtrace(), None, "{asked}, {left}");
            }
        }
    }
}

/// The signals that this process handles.
fn caught() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}

#[pool_task]
fn signals_caught() -> u64 {
    caught()
}

#[test]
fn workers_handle_the_signals_that_dump_core_and_no_others() {
    let _clean = clean();
    let dumping = [
        libc::SIGABRT,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGQUIT,
        libc::SIGSEGV,
        libc::SIGSYS,
        libc::SIGTRAP,
        libc::SIGXCPU,
        libc::SIGXFSZ,
    ];
    let bits: u64 = dumping.map(|signal| 1_u64 << (signal - 1)).iter().sum();
    for [plain, limited] in [both_ways(1)].map(|[plain, limited]| [plain, limited]) {
        let pool = plain.build().unwrap();
        assert_eq!(pool.apply(signals_caught, ()).unwrap(), bits);
        let pool = limited.memory_limit(LIMIT).build().unwrap();
        assert_eq!(pool.apply(signals_caught, ()).unwrap(), bits);
    }
}

#[test]
fn limits_that_no_worker_can_live_with_are_errors() {
    let _clean = clean();
    let error = Pool::builder().memory_limit(0).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains("a memory limit of 0 bytes"), "{error}");
    for builder in both_ways(2) {
        let error = builder.memory_limit(4096).build().unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Spawn, Some(70)), "{error}");
        let says = "could not limit its memory to 4096 bytes: a worker of this program takes more";
        assert!(error.to_string().contains(says), "{error}");
    }
    // More than anybody has is no limit.
    let pool = Pool::builder().workers(1).memory_limit(u64::MAX).build().unwrap();
    assert!(pool.apply(own_pid, ()).is_ok());
}
