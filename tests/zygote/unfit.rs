//! Where there can be no zygote, workers are executed, and it is told why.

use std::io::Write;
use std::time::{Duration, Instant};

use pool_runtime::{NotForked, Pool, PoolBuilder, pool_task, shutdown};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::fault::forbid;
use pool_tests::temp::TempDir;
use pool_tests::wait;

use crate::helpers::{assert_executed, executed, square, zygotes_of};

/// What the first process does that is executed with this in its environment.
const FIRST: &str = "POOL_TESTS_ZYGOTE_FIRST";

/// A file that the constructor counts starts in, one byte each.
const COUNT: &str = "POOL_TESTS_ZYGOTE_COUNT";

#[used]
// SAFETY: the section holds pointers to functions that the C runtime calls once,
// before main; it passes arguments that this one does not look at. By its number it
// stands before the hook, as what a shared library does when it is loaded.
#[unsafe(link_section = ".init_array.00050")]
static CONSTRUCTOR: extern "C" fn() = construct;

extern "C" fn construct() {
    let (Ok(trouble), Ok(count)) = (std::env::var(FIRST), std::env::var(COUNT)) else {
        return;
    };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(count).unwrap();
    file.write_all(b".").unwrap();
    let first = std::io::Seek::stream_position(&mut file).unwrap() == 1;
    match &*trouble {
        // Every one: an executed worker may have as many threads as it likes.
        "a thread" => drop(std::thread::spawn(|| std::thread::sleep(Duration::MAX))),
        "hangs" if first => std::thread::sleep(Duration::MAX),
        "exits" if first => std::process::exit(3),
        "dies" if first => pool_tests::fault::kill_this_process(),
        _ => {}
    }
}

/// A pool whose first process has trouble before the hook, and the count of starts.
fn with(trouble: &str, temp: &TempDir) -> (PoolBuilder, impl Fn() -> usize) {
    let count = temp.file("count");
    let builder = Pool::builder().workers(2).env(FIRST, trouble).env(COUNT, &count);
    (builder, move || std::fs::read(&count).unwrap().len())
}

/// Waits until this worker has so many threads. One that writes out what the items before have
/// printed may take a moment to end.
#[pool_task]
fn has_threads(count: usize) {
    wait::until("the threads", || std::fs::read_dir("/proc/self/task").unwrap().count() == count);
}

#[test]
fn one_with_a_second_thread_refuses_and_is_not_tried_again() {
    let _clean = clean();
    let temp = TempDir::new();
    let (builder, starts) = with("a thread", &temp);
    let pool = builder.build().unwrap();
    assert_executed(&pool, NotForked::Threads);
    assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
    pool.apply(has_threads, 2).unwrap();
    assert_eq!(starts(), 1 + 2, "a zygote and two workers");
    let pool = with("a thread", &temp).0.build().unwrap();
    assert_executed(&pool, NotForked::Threads);
    assert_eq!(starts(), 3 + 2, "two workers, and no zygote");
    // In other surroundings there may be one.
    assert_eq!(Pool::new(1).unwrap().map(square, 0..3).unwrap(), [0, 1, 4]);
    assert_eq!(zygotes_of(std::process::id()).len(), 1);
}

#[test]
fn one_that_does_not_come_up_costs_a_moment_and_is_not_tried_again_at_once() {
    let _clean = clean();
    for trouble in ["hangs", "exits", "dies"] {
        let temp = TempDir::new();
        let (builder, starts) = with(trouble, &temp);
        let start = Instant::now();
        let pool = builder.build().unwrap();
        // The limit of a start.
        assert!(start.elapsed() < Duration::from_secs(10), "{trouble}: {:?}", start.elapsed());
        assert_executed(&pool, NotForked::NotUp);
        assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
        let pool = with(trouble, &temp).0.build().unwrap();
        assert_executed(&pool, NotForked::NotUp);
        assert_eq!(starts(), 1 + 2 + 2, "{trouble}");
        drop(pool);
        // Which forgets it.
        shutdown();
        let pool = with(trouble, &temp).0.build().unwrap();
        assert_eq!(starts(), 5 + 1, "{trouble}: a zygote for two workers");
        assert_eq!(zygotes_of(std::process::id()).len(), 1);
        drop(pool);
    }
}

#[test]
fn a_worker_program_of_the_users_choosing_is_executed() {
    let _clean = clean();
    let pool = executed(2).build().unwrap();
    assert_executed(&pool, NotForked::WorkerProgram);
    assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
}

#[test]
fn a_filter_that_knows_no_such_fork_means_exec() {
    alone("unfit::a_filter_that_knows_no_such_fork_means_exec", || {
        // One from before; it has not the filter, so it is of no use after.
        drop(Pool::new(1).unwrap());
        // Not EPERM: the C library makes threads by that call, and gives up on it.
        forbid(libc::SYS_clone3, libc::ENOSYS);
        for _ in 0..2 {
            let pool = Pool::new(2).unwrap();
            assert_executed(&pool, NotForked::Refused);
            assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
        }
    });
}
