//! How many items travel together where the caller does not say so: seen by which
//! worker ran which item.

use std::collections::BTreeMap;
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

#[pool_task]
fn nap(item: u64, microseconds: u64) -> Ran {
    std::thread::sleep(Duration::from_micros(microseconds));
    (item, std::process::id())
}

/// Lengths of runs of items, one after another, of one worker each.
fn runs_of(ran: &[Ran]) -> Vec<usize> {
    ran.chunk_by(|one, next| one.1 == next.1).map(<[Ran]>::len).collect()
}

/// How many items each worker ran, each item as heavy as `weight` says.
fn shares(ran: &[Ran], weight: impl Fn(u64) -> u64) -> BTreeMap<u32, u64> {
    let mut shares = BTreeMap::new();
    for &(item, pid) in ran {
        *shares.entry(pid).or_default() += weight(item);
    }
    shares
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
    let shares = shares(&ran, |_| 1);
    assert!(shares.len() == 2 && shares.values().all(|&share| share > all / 20), "{shares:?}");
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
    let pool = Pool::new(2).unwrap();
    for unknown in [false, true] {
        let items = (0..20).map(|item| (item, 10_000));
        let ran = match unknown {
            true => pool.map(nap, items.filter(|_| true)).unwrap(),
            false => pool.map(nap, items).unwrap(),
        };
        assert_all_in_order(&ran, 0..20);
        let shares = shares(&ran, |_| 1);
        assert!(shares.values().all(|&share| share <= 12), "unknown: {unknown}: {ran:?}");
        let longest = runs_of(&ran).into_iter().max().unwrap();
        assert!(longest <= 4, "{longest} of the same worker in a row: {ran:?}");
    }
}

/// Many short items, and a few near the end that are fifty times as long: what is
/// sent ahead behind one of these must not stay there.
#[test]
fn a_few_long_items_near_the_end_do_not_leave_a_worker_without_work() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for long in [&[270][..], &[280, 281, 282, 283], &[299], &[0, 298]] {
        let microseconds = |item| if long.contains(&item) { 50_000 } else { 1_000 };
        let items = (0..300).map(|item| (item, microseconds(item)));
        let ran = pool.map(nap, items).unwrap();
        assert_all_in_order(&ran, 0..300);
        let shares = shares(&ran, microseconds);
        let all: u64 = shares.values().sum();
        let most = shares.values().max().unwrap();
        // Half of it and one long item, and some for what naps take beside.
        assert!(*most <= all / 2 + 50_000 + all / 10, "{long:?}: {shares:?} of {all}");
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
