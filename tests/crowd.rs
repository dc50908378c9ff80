//! Pools of many workers, in which nobody looks at a worker before some worker rings.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::rng::{Rng, seed};
use pool_tests::temp::TempDir;
use pool_tests::wait;

/// More than callers look at themselves.
const MANY: usize = 40;

/// Longer than anything takes here that is not stuck, and shorter than a task waits for a
/// file.
const LONG: Duration = Duration::from_secs(30);

#[pool_task]
fn wait_for(file: &Path, item: u64) -> u64 {
    wait::until("the file", || file.exists());
    item * 2
}

#[pool_task]
fn panic_once(file: &Path, panics: bool) {
    wait::until("the file", || file.exists());
    assert!(!panics, "as it was told to");
}

#[pool_task]
fn nap(item: u64, microseconds: u64) -> u64 {
    std::thread::sleep(Duration::from_micros(microseconds));
    item * 2
}

/// Every worker has an item of each map, the second behind the first. The first map is
/// at its end while every worker is busy.
#[test]
fn a_map_does_not_wait_for_what_was_sent_behind_its_items() {
    let _clean = clean();
    let pool = Pool::new(MANY).unwrap();
    let files = TempDir::new();
    let (first, second) = (files.file("first"), files.file("second"));
    let items =
        |file: &str| (0..MANY as u64).map(|item| (file.to_owned(), item)).collect::<Vec<_>>();
    let doubled: Vec<u64> = (0..MANY as u64).map(|item| item * 2).collect();
    let mut ahead = pool.map_async(wait_for, items(&first)).unwrap();
    let behind = pool.map_async(wait_for, items(&second)).unwrap();
    std::fs::write(&first, "").unwrap();
    assert_eq!(ahead.get_timeout(LONG).unwrap(), doubled, "the first map waits for the second");
    assert!(!behind.ready(), "its items cannot be done yet");
    std::fs::write(&second, "").unwrap();
    assert_eq!(behind.get().unwrap(), doubled);
}

/// The item that fails is followed by one that never ends, as are all others.
#[test]
fn a_failed_item_ends_its_map_while_every_worker_is_busy() {
    let _clean = clean();
    let pool = Pool::new(MANY).unwrap();
    let files = TempDir::new();
    let (go, never) = (files.file("go"), files.file("never"));
    let items = (0..MANY * 3).map(|item| {
        if item + 1 == MANY * 3 {
            std::fs::write(&go, "").unwrap();
        }
        (if item == 3 { go.clone() } else { never.clone() }, item == 3)
    });
    let start = Instant::now();
    let error = pool.job(panic_once).chunk_size(1).map(items).unwrap_err();
    assert_eq!((error.kind(), error.item()), (ErrorKind::Panicked, Some(3)), "{error}");
    assert!(start.elapsed() < LONG, "it was told when the others gave up");
}

/// Maps, lazy ones and single calls together, on items that take from nothing to some
/// milliseconds.
#[test]
fn whatever_is_asked_of_many_workers_at_once_comes_complete_and_in_order() {
    let _clean = clean();
    let pool = Pool::new(MANY).unwrap();
    let mut rng = Rng::new(seed());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let mut calls = 0;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(pool.apply(nap, (calls, 100)).unwrap(), calls * 2);
                calls += 1;
            }
        });
        for window in [1, MANY - 1, MANY + 10, 1_000, 10_000] {
            let count = 2_000.min(window as u64 * 100);
            let items: Vec<(u64, u64)> = (0..count)
                .map(|item| (item, if rng.below(4) == 0 { rng.below(5_000) as u64 } else { 0 }))
                .collect();
            let doubled: Vec<u64> = (0..count).map(|item| item * 2).collect();
            let job = pool.job(nap).window(window).chunk_size(1 + window / 400);
            let later = job.map_async(items.clone()).unwrap();
            assert_eq!(job.map(items.clone()).unwrap(), doubled);
            let lazily: Result<Vec<u64>, _> = job.imap(items).collect();
            assert_eq!(lazily.unwrap(), doubled);
            assert_eq!(later.get().unwrap(), doubled);
        }
        done.store(true, Ordering::Relaxed);
        caller.join().unwrap();
    });
}
