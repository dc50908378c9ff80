//! A pool that has nothing to do does nothing: no thread of it wakes up.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use pool_runtime::{Output, Pool, pool_task};
use pool_tests::alone::alone;
use pool_tests::fault::kill_this_process;
use pool_tests::pools::{idle, pids};
use pool_tests::tasks::square;
use pool_tests::temp::TempDir;
use pool_tests::{runs, wait};
use rustix::fs::{CWD, FileType, Mode};

#[pool_task]
fn nap(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[pool_task]
fn length(data: Vec<u8>) -> usize {
    data.len()
}

#[pool_task]
fn die() {
    kill_this_process();
}

/// Notes that it runs, and waits in one system call until somebody opens the pipe.
#[pool_task]
fn wait_in_the_kernel(dir: &Path, item: u64, pipe: &str) {
    runs::note(dir, item);
    std::fs::read(pipe).unwrap();
}

/// Of each thread, how often it came off a core and how long it was on one, in
/// nanoseconds.
type Activity = BTreeMap<(u32, u32), (String, u64, u64)>;

/// Of all threads of the workers and of this process but the one that asks.
fn activity(pool: &Pool) -> Activity {
    let own = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
    let mut activity = Activity::new();
    for process in pids(pool).into_iter().chain([std::process::id()]) {
        for task in std::fs::read_dir(format!("/proc/{process}/task")).unwrap() {
            let task = task.unwrap();
            let thread: u32 = task.file_name().to_str().unwrap().parse().unwrap();
            if thread == own {
                continue;
            }
            let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap();
            let status = read("status");
            let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
            let switches = switches.map(|line| number(line.split_whitespace().nth(1))).sum();
            // It may end in between, as idle zygotes do.
            if read("comm").trim() == "pool-zygote" {
                continue;
            }
            let on_core = number(read("schedstat").split_whitespace().next());
            activity.insert((process, thread), (read("comm"), switches, on_core));
        }
    }
    activity
}

fn number(text: Option<&str>) -> u64 {
    text.unwrap().parse().unwrap()
}

/// Waits until the pool has come to rest, and sees that it stays there.
fn assert_rests(pool: &Pool, after: &str, long: Duration) {
    idle(pool, 2);
    assert_is_still(pool, after, long);
}

/// The same, where its workers may be at an item.
fn assert_is_still(pool: &Pool, after: &str, long: Duration) {
    let mut before = activity(pool);
    let start = Instant::now();
    wait::until("the pool to rest", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = activity(pool);
        std::mem::replace(&mut before, now.clone()) == now
    });
    // What it had to do was over soon.
    assert!(start.elapsed() < Duration::from_secs(30), "{after}: it was long in coming to rest");
    assert!(before.values().any(|(name, ..)| name.trim() == "pool-engine"), "{before:?}");
    assert!(before.len() >= 4, "two workers, the engine, and the test's own: {before:?}");
    std::thread::sleep(long);
    assert_eq!(activity(pool), before, "{after}");
}

const LONG: Duration = Duration::from_secs(3);
const SHORT: Duration = Duration::from_secs(1);

#[test]
fn an_idle_pool_does_nothing_at_all() {
    alone("an_idle_pool_does_nothing_at_all", || {
        let pool = Pool::new(2).unwrap();
        assert_rests(&pool, "when it is new", LONG);
        pool.map(nap, vec![20; 10]).unwrap();
        assert_rests(&pool, "after it was busy", LONG);
        assert_eq!(pool.map(square, 0..100_000).unwrap().len(), 100_000);
        assert_rests(&pool, "after a map", LONG);
    });
}

#[test]
fn an_idle_pool_does_nothing_whatever_it_has_been_through() {
    alone("an_idle_pool_does_nothing_whatever_it_has_been_through", || {
        let pool = Pool::new(2).unwrap();
        assert_eq!(pool.map(length, vec![vec![1; 20 << 20]; 3]).unwrap(), [20 << 20; 3]);
        assert_rests(&pool, "after arguments longer than the ring", SHORT);
        let mut results = pool.job(square).chunk_size(1).imap(0..10_000);
        results.next().unwrap().unwrap();
        drop(results);
        assert_rests(&pool, "after an iterator that was dropped", SHORT);
        pool.apply(die, ()).unwrap_err();
        assert_rests(&pool, "after a worker's death", SHORT);
        let call = pool.apply_async(nap, 10_000).unwrap();
        call.cancel();
        assert_rests(&pool, "after a call that was cancelled", SHORT);
        let call = pool.apply_async(square, 3).unwrap();
        wait::until("the call to be done", || call.ready());
        assert_rests(&pool, "after a call whose result nobody has taken", SHORT);
        assert_eq!(call.get().unwrap(), 9);
    });
}

#[pool_task]
fn say_something(n: u64) {
    print!("{n} words");
    if n % 10 == 9 {
        kill_this_process();
    }
}

#[test]
fn an_idle_pool_whose_output_is_read_does_nothing() {
    alone("an_idle_pool_whose_output_is_read_does_nothing", || {
        for output in [Output::Capture, Output::Prefix] {
            let pool = Pool::builder().workers(2).output(output).build().unwrap();
            assert_rests(&pool, "when it is new", SHORT);
            assert_eq!(pool.imap(say_something, 0..100).filter(Result::is_err).count(), 10);
            assert_rests(&pool, "after its workers have printed, and some have died", SHORT);
        }
    });
}

#[test]
fn a_pool_that_waits_for_a_long_item_does_nothing_but_wait() {
    alone("a_pool_that_waits_for_a_long_item_does_nothing_but_wait", || {
        let (pool, dir, pipes) = (Pool::new(2).unwrap(), TempDir::new(), TempDir::new());
        let pipe = pipes.file("pipe");
        rustix::fs::mknodat(CWD, &*pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let items = || [0, 1].map(|item| (dir.path(), item, &*pipe));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| pool.map(wait_in_the_kernel, items()));
            wait::until("both items to begin", || runs::noted(dir.path()).len() == 2);
            assert_is_still(&pool, "while items run", SHORT);
            wait::until("both items to end", || {
                // Without one who reads, there is nothing to open.
                drop(File::options().write(true).custom_flags(libc::O_NONBLOCK).open(&pipe));
                waits.is_finished()
            });
            waits.join().unwrap().unwrap();
        });
    });
}

#[test]
fn a_caller_is_woken_by_its_workers_and_by_no_thread_between() {
    alone("a_caller_is_woken_by_its_workers_and_by_no_thread_between", || {
        let pool = Pool::new(2).unwrap();
        let engines_wakes = |pool: &Pool| -> u64 {
            let mut all = activity(pool).into_values();
            all.find(|(name, ..)| name.trim() == "pool-engine").expect("there is one").1
        };
        pool.apply(nap, 1).unwrap();
        assert_rests(&pool, "after its first call", SHORT);
        let before = engines_wakes(&pool);
        pool.map(nap, vec![20; 20]).unwrap();
        assert_eq!(pool.imap(nap, vec![20; 20]).count(), 20);
        pool.apply(nap, 20).unwrap();
        pool.apply_async(nap, 20).unwrap().get().unwrap();
        // Where the machine is busy, a worker that was sent an item just when its caller
        // went to sleep may have rung. With the thread between, it would wake each time.
        let wakes = engines_wakes(&pool) - before;
        assert!(wakes < 21, "{wakes} times for 42 results");
    });
}
