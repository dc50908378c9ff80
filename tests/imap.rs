//! Lazy maps: driven by their consumer, bounded by their window.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pool_runtime::{ErrorKind, Pool, WorkerState, pool_task};
use pool_tests::clean::clean;
use pool_tests::pools::idle;
use pool_tests::tasks::{forever, nap, square};
use pool_tests::temp::TempDir;
use pool_tests::{runs, wait};

#[pool_task]
fn even_only(n: u32) -> u32 {
    assert!(n.is_multiple_of(2), "{n} is odd");
    n
}

/// Ends when the file is there.
#[pool_task]
fn wait_for_file(path: &str) {
    wait::until("the file", || std::path::Path::new(path).exists());
}

/// Notes that the item has begun, and ends when the file is there.
#[pool_task]
fn note_and_wait(dir: &Path, item: u64, file: &str) {
    runs::note(dir, item);
    wait::until("the file", || Path::new(file).exists());
}

fn noted(dir: &TempDir) -> BTreeMap<u64, Vec<u32>> {
    runs::noted(dir.path())
}

#[test]
fn results_come_in_input_order_to_the_end() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    let mut squares = pool.job(square).chunk_size(100).imap(0..1_000);
    for n in 0..1_000 {
        assert_eq!(squares.next().unwrap().unwrap(), n * n);
    }
    assert!(squares.next().is_none());
    assert!(squares.next().is_none(), "an iterator at its end stays there");
}

#[test]
fn nothing_is_pulled_before_the_first_result_is_asked_for() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let pulled = Cell::new(0);
    let squares = pool.imap(square, (0..10).inspect(|_| pulled.set(pulled.get() + 1)));
    assert_eq!(pulled.get(), 0);
    drop(squares);
    assert_eq!(pulled.get(), 0);
}

#[test]
fn an_endless_input_is_pulled_only_as_far_as_the_window() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for (window, chunk) in [(1, 1), (5, 1), (5, 2), (3, 10), (64, 8)] {
        let pulled = Cell::new(0_u64);
        let mut taken = 0;
        let items = (0..).inspect(|_| pulled.set(pulled.get() + 1));
        for result in pool.job(square).window(window).chunk_size(chunk).imap(items).take(500) {
            assert_eq!(result.unwrap(), taken * taken);
            taken += 1;
            let ahead = pulled.get() - taken;
            assert!(ahead <= window as u64, "{ahead} ahead, window {window}, chunk {chunk}");
        }
    }
    let pulled = Cell::new(0_u64);
    let items = (0..).inspect(|_| pulled.set(pulled.get() + 1));
    for (taken, (_, result)) in
        pool.job(square).window(9).imap_unordered(items).take(500).enumerate()
    {
        result.unwrap();
        assert!(pulled.get() - taken as u64 <= 9 + 1);
    }
}

#[test]
fn unordered_results_are_the_same_with_their_indices() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    for chunk in [1, 7, 100] {
        let results = pool.job(square).chunk_size(chunk).imap_unordered(0..1_000);
        let seen: BTreeSet<(usize, u64)> = results.map(|(i, r)| (i, r.unwrap())).collect();
        let expected: BTreeSet<_> = (0..1_000).map(|n| (n as usize, n * n)).collect();
        assert_eq!(seen, expected, "chunk size {chunk}");
    }
}

#[test]
fn quick_results_come_before_a_slow_one_unless_order_is_kept() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let file = std::env::temp_dir().join(format!("pool-tests-imap-{}", std::process::id()));
    let path = file.to_str().unwrap().to_owned();
    let items = [path.clone()].into_iter().chain((0..9).map(|_| "/".to_owned()));
    let mut results = pool.imap_unordered(wait_for_file, items);
    for _ in 0..9 {
        let (index, result) = results.next().unwrap();
        result.unwrap();
        assert_ne!(index, 0, "the slow item cannot be done yet");
    }
    std::fs::write(&file, "").unwrap();
    assert_eq!(results.next().unwrap().0, 0);
    assert!(results.next().is_none());
    std::fs::remove_file(&file).unwrap();
    let ordered: Vec<u64> = pool.imap(nap, [50, 0, 0, 10]).map(Result::unwrap).collect();
    assert_eq!(ordered, [50, 0, 0, 10]);
}

#[test]
fn iteration_goes_on_past_failed_items() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for chunk in [1, 4, 10] {
        let results: Vec<_> = pool.job(even_only).chunk_size(chunk).imap(0..10).collect();
        assert_eq!(results.len(), 10);
        for (index, result) in results.into_iter().enumerate() {
            match result {
                Ok(n) => assert_eq!((n as usize, index % 2), (index, 0)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Panicked);
                    assert_eq!((error.item(), index % 2), (Some(index), 1));
                }
            }
        }
    }
}

#[test]
fn dropping_an_iterator_early_frees_the_workers_at_once() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    let dir = TempDir::new();
    let never = dir.file("never");
    // The third item is done at once, which a third worker is free for; the others
    // never would be. How many of those behind it are sent by then is not said.
    let items = (0..6).map(|item| (dir.path(), item, if item == 2 { "/" } else { &*never }));
    let mut results = pool.job(note_and_wait).chunk_size(1).imap_unordered(items);
    let (item, result) = results.next().unwrap();
    result.unwrap();
    assert_eq!(item, 2);
    wait::until("two workers to be inside an item", || noted(&dir).len() >= 3);
    drop(results);
    assert_eq!(pool.map(square, 0..4).unwrap(), [0, 1, 4, 9]);
    let after = idle(&pool, 3);
    let mut noted = noted(&dir);
    let quick = noted.remove(&2).unwrap();
    let busy: BTreeSet<u32> = noted.into_values().flatten().collect();
    assert!(busy.len() >= 2 && quick.len() == 1, "{busy:?} {quick:?}");
    assert!(busy.is_disjoint(&after), "a busy worker was not replaced");
    assert!(busy.iter().all(|&pid| !wait::is_running(pid)));
}

#[test]
fn dropping_an_iterator_leaves_workers_alone_that_have_not_begun_its_items() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let before = idle(&pool, 2);
    let dir = TempDir::new();
    let file = dir.file("done");
    let (others, own) = (TempDir::new(), TempDir::new());
    let busy = std::cell::RefCell::new(Vec::new());
    let items = (0..6).inspect(|&item| {
        if item == 1 {
            // Before anything but the first item is sent, which is done at once.
            wait::until("the first item to begin", || noted(&own).len() == 1);
            for other in 0..2 {
                let call = pool.apply_async(note_and_wait, (others.path(), other, &*file));
                busy.borrow_mut().push(call.unwrap());
            }
            wait::until("both workers to be busy", || noted(&others).len() == 2);
        }
    });
    let mut results = pool.imap(note_and_wait, items.map(|item| (own.path(), item, "/")));
    results.next().unwrap().unwrap();
    drop(results);
    std::fs::write(&file, "").unwrap();
    for call in busy.into_inner() {
        call.get().unwrap();
    }
    assert_eq!(idle(&pool, 2), before, "a worker was killed for what it had not begun");
    assert_eq!(noted(&own).len(), 1, "an item of the dropped iterator ran");
    assert_eq!(pool.map(square, 0..4).unwrap(), [0, 1, 4, 9]);
}

#[test]
fn a_long_map_does_not_starve_a_single_call() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let mut long = pool.job(nap).window(1_000).imap(std::iter::repeat_n(1, 1_000));
    long.next().unwrap().unwrap();
    // A thousand items are queued. The call must not wait for all of them.
    assert_eq!(pool.apply(square, 3).unwrap(), 9);
    let mut ready = 0;
    let busy = pool.workers()[0].state == WorkerState::Busy;
    while long.next().is_some() {
        ready += 1;
    }
    assert_eq!(ready, 999);
    assert!(busy, "the long map was over before the single call");
}

#[test]
fn an_iterator_of_a_terminated_pool_says_so_once() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let mut results = pool.imap(forever, std::iter::repeat(()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            wait::until("the item to run", || pool.workers()[0].state == WorkerState::Busy);
            pool.terminate();
        });
        let error = results.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Terminated);
    });
    assert!(results.next().is_none());
}
