//! How many items travel together where the caller does not say so: seen by which
//! worker ran which item.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::kill_this_process;
use pool_tests::temp::TempDir;
use pool_tests::{runs, wait};

/// The item, and who ran it.
type Ran = (u64, u32);

#[pool_task]
fn tiny(item: u64) -> Ran {
    (item, std::process::id())
}

/// Takes a while; and every other item to begin, until the next has begun, which another
/// worker must have then. So all workers have as many items, however they share cores.
#[pool_task]
fn nap_in_pairs(begun: &Path, item: u64) -> Ran {
    let mut file = File::options().create(true).append(true).open(begun).unwrap();
    file.write_all(b".").unwrap();
    let number = file.stream_position().unwrap();
    std::thread::sleep(Duration::from_millis(5));
    wait::until("another item to begin", || {
        number.is_multiple_of(2) || file.metadata().unwrap().len() > number
    });
    (item, std::process::id())
}

/// Takes a moment; or, if it is `long`, until all others of so many have begun.
#[pool_task]
fn nap_or_be_last(dir: &Path, item: u64, all: usize, long: &[u64]) -> Ran {
    if long.contains(&item) {
        let begun = || std::fs::read_dir(dir).unwrap().count();
        wait::until("all others to begin", || begun() + long.len() == all);
    } else {
        runs::note(dir, item);
        std::thread::sleep(Duration::from_millis(1));
    }
    (item, std::process::id())
}

/// Lengths of runs of items, one after another, of one worker each.
fn runs_of(ran: &[Ran]) -> Vec<usize> {
    ran.chunk_by(|one, next| one.1 == next.1).map(<[Ran]>::len).collect()
}

/// Asserts that the items travelled at least `least` at a time; or as many as keep a worker
/// busy for half a millisecond, where a slow machine takes so long for fewer. The clock is
/// that of the job, whose chunks follow from it, rounded down.
fn assert_travelled_together(ran: &[Ran], least: usize, took: Duration) {
    let runs = runs_of(ran).len();
    let chunks = usize::try_from(took.as_micros() / 500).unwrap();
    let most = ran.len() / least + 2 * chunks;
    assert!(runs < most, "{runs} runs of {} items in {took:?}", ran.len());
}

fn assert_all_in_order(ran: &[Ran], items: impl Iterator<Item = u64>) {
    assert!(ran.iter().map(|(item, _)| *item).eq(items), "an item is missing or misplaced");
}

#[test]
fn many_tiny_items_travel_many_at_a_time() {
    let _clean = clean();
    let (pool, all) = (Pool::new(2).unwrap(), 200_000);
    let start = Instant::now();
    let ran = pool.map(tiny, 0..all).unwrap();
    // Beside each other, the chunks of one worker look like one run, so this says
    // that they are not shorter. The first few go one by one, to be measured.
    assert_travelled_together(&ran, 20, start.elapsed());
    assert_all_in_order(&ran, 0..all);
    let workers: BTreeSet<u32> = ran.iter().map(|ran| ran.1).collect();
    assert_eq!(workers.len(), 2);
}

#[test]
fn tiny_items_of_an_unknown_number_travel_many_at_a_time() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let items = || (0..300_000_u64).filter(|item| item % 3 != 1);
    assert_eq!(items().size_hint().0, 0, "nobody knows how many");
    let start = Instant::now();
    let ran = pool.map(tiny, items()).unwrap();
    assert_travelled_together(&ran, 10, start.elapsed());
    assert_all_in_order(&ran, items());
    let ran: Result<Vec<Ran>, _> = pool.imap(tiny, items()).collect();
    assert_all_in_order(&ran.unwrap(), items());
    // And of none, and of one.
    assert_eq!(pool.map(tiny, (0..9).filter(|item| *item > 9)).unwrap(), []);
    assert_eq!(pool.map(tiny, (0..9).filter(|item| *item > 7)).unwrap()[0].0, 8);
}

/// By the caller's clock an item that is waited for looks slow, times the workers.
#[test]
fn tiny_items_travel_many_at_a_time_in_a_pool_of_many_workers() {
    let _clean = clean();
    for workers in [32, 40] {
        let pool = Pool::new(workers).unwrap();
        let start = Instant::now();
        let ran = pool.map(tiny, 0..100_000).unwrap();
        assert_travelled_together(&ran, 10, start.elapsed());
        assert_all_in_order(&ran, 0..100_000);
    }
}

#[test]
fn slow_items_go_one_by_one_and_are_shared_out() {
    let _clean = clean();
    let (pool, dir) = (Pool::new(2).unwrap(), TempDir::new());
    for unknown in [false, true] {
        let begun = dir.path().join(unknown.to_string());
        let items = (0..40).map(|item| (&*begun, item));
        let ran = match unknown {
            true => pool.map(nap_in_pairs, items.filter(|_| true)).unwrap(),
            false => pool.map(nap_in_pairs, items).unwrap(),
        };
        assert_all_in_order(&ran, 0..40);
        let of_first = ran.iter().filter(|one| one.1 == ran[0].1).count();
        assert_eq!(of_first, 20, "unknown: {unknown}: {ran:?}");
        let longest = runs_of(&ran).into_iter().max().unwrap();
        assert!(longest <= 4, "{longest} of the same worker in a row: {ran:?}");
    }
}

/// Many short items, and a few near the end that are over when all else has begun, with a
/// worker each and one more: what is sent ahead behind one of these must not stay there.
#[test]
fn a_few_long_items_near_the_end_do_not_leave_a_worker_without_work() {
    let _clean = clean();
    for long in [&[270][..], &[280, 281, 282, 283], &[299], &[0, 298]] {
        let (pool, dir) = (Pool::new(long.len() + 1).unwrap(), TempDir::new());
        let items = (0..300).map(|item| (dir.path(), item, 300, long));
        let ran = pool.map(nap_or_be_last, items).unwrap();
        assert_all_in_order(&ran, 0..300);
    }
}

/// Notes its run; item 5 waits for a file, and dies if there is one.
#[pool_task]
fn die_at_five(dir: &Path, item: u64, file: &Path) -> u64 {
    runs::note(dir, item);
    if item % 10 == 5 {
        wait::until("the file", || file.exists());
        kill_this_process();
    }
    item * 2
}

#[test]
fn results_before_a_long_item_of_their_chunk_arrive_and_outlive_their_worker() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let (dir, files) = (TempDir::new(), TempDir::new());
    let file = files.path().join("go");
    let items = (0..10).map(|item| (dir.path(), item, &*file));
    let mut results = pool.job(die_at_five).chunk_size(10).window(10).imap(items);
    for item in 0..5 {
        assert_eq!(results.next().unwrap().unwrap(), item * 2, "while item 5 waits");
    }
    std::fs::write(&file, "").unwrap();
    let error = results.next().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.item()), (ErrorKind::Died, Some(5)), "{error}");
    for item in 6..10 {
        assert_eq!(results.next().unwrap().unwrap(), item * 2);
    }
    assert!(results.next().is_none());
    let noted = runs::noted(dir.path());
    assert_eq!(noted.len(), 10);
    for (item, runs) in noted {
        assert_eq!(runs.len(), 1, "item {item}");
        assert_eq!(runs[0] == error.pid().unwrap(), item <= 5, "item {item}");
    }
}

#[test]
fn results_are_kept_whoever_takes_them_when_the_worker_is_dead_already() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let (dir, files) = (TempDir::new(), TempDir::new());
    let file = files.path().join("go");
    std::fs::write(&file, "").unwrap();
    let items = (0..40).map(|item| (dir.path(), item, &*file));
    for (item, result) in (0..).zip(pool.job(die_at_five).chunk_size(10).window(40).imap(items)) {
        match result {
            Ok(double) => assert_eq!(double, item * 2),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Died, "{error}");
                assert_eq!(item % 10, 5, "{error}");
            }
        }
    }
    assert!(runs::noted(dir.path()).values().all(|runs| runs.len() == 1));
}
