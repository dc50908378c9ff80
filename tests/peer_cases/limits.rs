//! Limits of time and of lives, tries, and all of it together.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use pool_runtime::{CancelToken, Error, ErrorKind, Output, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::kill_this_process;
use pool_tests::pools::pids;
use pool_tests::temp::TempDir;
use pool_tests::{runs, wait};

use crate::tasks::{even_only, exit_with, nap, own_pid, square};

/// Much longer than an item takes that returns, on a slow and busy machine too.
const LIMIT: Duration = Duration::from_millis(500);

/// Naps where the number is odd, and gives it.
#[pool_task]
fn nap_if_odd(n: u64) -> u64 {
    if n % 2 == 1 {
        std::thread::sleep(Duration::from_secs(60));
    }
    n
}

/// Dies the first time that an item runs, if it is divisible by seven.
#[pool_task]
fn die_once_at_sevens(dir: &Path, item: u64) -> u64 {
    runs::note(dir, item);
    if item.is_multiple_of(7) && runs::noted(dir)[&item].len() == 1 {
        kill_this_process();
    }
    item
}

#[pool_task]
fn leak_and_tell(bytes: usize) -> u32 {
    std::hint::black_box(vec![1_u8; bytes].leak());
    std::process::id()
}

#[pool_task]
fn print_both(text: &str) {
    print!("out {text}");
    eprint!("err {text}");
    panic!("as it was told");
}

fn kinds(results: &[Result<u64, Error>]) -> Vec<Option<ErrorKind>> {
    results.iter().map(|result| result.as_ref().err().map(Error::kind)).collect()
}

#[test]
fn r010_with_a_deadline_results_before_it_are_delivered_and_then_the_timeout() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let job = pool.job(nap).deadline(Duration::from_secs(1));
    let mut results = job.imap([1, 2, 60_000, 3]);
    assert_eq!(results.next().unwrap().unwrap(), 1);
    assert_eq!(results.next().unwrap().unwrap(), 2);
    assert_eq!(results.next().unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
}

#[test]
fn r011_every_combination_of_chunks_policies_and_retries_is_right() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let all: Vec<u64> = (1..=100).collect();
    for chunk in [1, 7, 30, 100, 1000] {
        for retries in [0, 1, 3] {
            let dir = TempDir::new();
            let items = || all.iter().map(|&item| (dir.path(), item));
            let job = pool.job(die_once_at_sevens).chunk_size(chunk).retries(retries);
            let results: Vec<_> = job.imap(items()).collect();
            assert_eq!(results.len(), 100);
            for (&item, result) in all.iter().zip(&results) {
                let fails = retries == 0 && item.is_multiple_of(7);
                assert_eq!(result.is_err(), fails, "item {item}, {retries} retries: {result:?}");
                assert!(fails || *result.as_ref().unwrap() == item);
            }
            // The other policy: the first failure is the end.
            let dir = TempDir::new();
            let items = all.iter().map(|&item| (dir.path(), item));
            match job.map(items) {
                Ok(results) => assert_eq!((retries > 0, results), (true, all.clone())),
                Err(error) => assert_eq!((retries, error.kind()), (0, ErrorKind::Died)),
            }
        }
    }
}

#[test]
fn r017_a_limit_is_for_an_item_or_for_the_whole_and_not_for_a_chunk() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    // A chunk takes longer than an item may, and all together longer than the chunk.
    let job = pool.job(nap).chunk_size(6);
    assert_eq!(job.clone().timeout(LIMIT).map([100; 12]).unwrap().len(), 12);
    assert_eq!(job.deadline(LIMIT).map([100; 12]).unwrap_err().kind(), ErrorKind::TimedOut);
}

#[test]
fn r018_four_kinds_of_map_over_all_inputs_with_workers_that_are_recycled() {
    let _clean = clean();
    let large: Vec<u64> = vec![1 << 40; 20_000];
    for workers in [1, 2, 4] {
        for most in [1, 3, 100] {
            let builder = Pool::builder().workers(workers).max_tasks_per_child(most);
            let pool = builder.build().unwrap();
            let squares: Vec<u64> = (0..40).map(|n| n * n).collect();
            for chunk in [1, 8] {
                let job = pool.job(square).chunk_size(chunk);
                assert_eq!(job.map((0..40).collect::<Vec<_>>()).unwrap(), squares);
                assert_eq!(
                    job.imap((0..40).filter(|_| true)).flatten().collect::<Vec<_>>(),
                    squares
                );
                let unordered = job.imap_unordered(0..40).map(|(n, result)| (n, result.unwrap()));
                let unordered: BTreeMap<usize, u64> = unordered.collect();
                assert_eq!(unordered.into_values().collect::<Vec<_>>(), squares);
                assert_eq!(job.map_async(0..40).unwrap().get().unwrap(), squares);
                assert_eq!(job.map(0..0).unwrap(), []);
            }
            // Results that are larger than a pipe.
            let results = pool.map(give_back, [large.clone(), large.clone()]).unwrap();
            assert!(results.iter().all(|result| *result == large));
        }
    }
}

#[pool_task]
fn give_back(numbers: Vec<u64>) -> Vec<u64> {
    numbers
}

#[test]
fn r023_unordered_with_limits_failures_and_chunks_all_at_once() {
    let _clean = clean();
    let pool = Pool::builder().workers(3).kill_grace(Duration::ZERO).build().unwrap();
    for chunk in [1, 4] {
        let job = pool.job(nap_if_odd).timeout(LIMIT).retries(1).chunk_size(chunk);
        let items = [0, 2, 1, 4, 6, 3, 8];
        let mut seen: Vec<_> = job
            .imap_unordered(items)
            .map(|(item, result)| (item, result.map_err(|error| (error.kind(), error.tries()))))
            .collect();
        seen.sort_by_key(|(item, _)| *item);
        let late = Err((ErrorKind::TimedOut, Some(2)));
        let expected: Vec<_> =
            items.iter().map(|&n| if n % 2 == 1 { late } else { Ok(n) }).enumerate().collect();
        assert_eq!(seen, expected);
    }
}

#[test]
fn r047_a_death_during_a_map_with_workers_that_are_recycled() {
    let _clean = clean();
    for workers in [1, 3] {
        let dir = TempDir::new();
        let pool = Pool::builder().workers(workers).max_tasks_per_child(5).build().unwrap();
        let items = (1..=50).map(|item| (dir.path(), item));
        let results: Vec<_> = pool.imap(die_once_at_sevens, items).collect();
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 7);
        assert_eq!(runs::noted(dir.path()).len(), 50);
    }
}

#[test]
fn r053_after_a_timeout_the_pid_is_another_and_the_next_task_is_fine() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let before = pool.apply(own_pid, ()).unwrap();
    let error = pool.job(nap).timeout(LIMIT).apply(60_000).unwrap_err();
    assert_eq!((error.kind(), error.pid()), (ErrorKind::TimedOut, Some(before)));
    assert_ne!(pool.apply(own_pid, ()).unwrap(), before);
}

#[test]
fn r057_limits_of_time_in_every_kind_of_call() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let job = pool.job(nap).timeout(LIMIT);
    let late = |error: Error| assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    late(job.map([1, 60_000]).unwrap_err());
    late(job.apply(60_000).unwrap_err());
    late(job.apply_async(60_000).unwrap().get().unwrap_err());
    late(job.map_async([60_000]).unwrap().get().unwrap_err());
    late(job.imap([60_000]).next().unwrap().unwrap_err());
    late(job.imap_unordered([60_000]).next().unwrap().1.unwrap_err());
    // The limit of a worker's start is in `starts`, that of its end in `lifecycle`.
    assert_eq!(job.map([1, 2, 3]).unwrap(), [1, 2, 3]);
}

#[test]
fn r058_odd_tasks_take_too_long_and_even_ones_return() {
    let _clean = clean();
    let pool = Pool::builder().workers(2).kill_grace(Duration::ZERO).build().unwrap();
    let results: Vec<_> = pool.job(nap_if_odd).timeout(LIMIT).imap(0..6).collect();
    let late = Some(ErrorKind::TimedOut);
    assert_eq!(kinds(&results), [None, late, None, late, None, late]);
    // A failure leaves its neighbour running.
    let neighbour = pool.apply_async(nap, 300).unwrap();
    pool.apply(even_only, 1).unwrap_err();
    assert_eq!(neighbour.get().unwrap(), 300);
}

#[test]
fn r059_the_clock_starts_when_the_task_leaves_the_queue() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let first = pool.apply_async(nap, 700).unwrap();
    let started = Instant::now();
    assert_eq!(pool.job(nap).timeout(LIMIT).apply(1).unwrap(), 1);
    assert!(started.elapsed() > LIMIT, "it waited for longer than it may run");
    first.get().unwrap();
}

#[test]
fn r061_an_abort_before_while_queued_and_while_running() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let token = CancelToken::new();
    let job = pool.job(nap).cancel_token(&token);
    let running = job.apply_async(60_000).unwrap();
    let queued = job.apply_async(1).unwrap();
    token.cancel();
    for result in [running, queued] {
        assert_eq!(result.get().unwrap_err().kind(), ErrorKind::Cancelled);
    }
    assert_eq!(job.apply(1).unwrap_err().kind(), ErrorKind::Cancelled, "before it began");
    assert_eq!(pool.apply(square, 3).unwrap(), 9);
}

#[test]
fn r062_an_item_that_takes_too_long_ends_the_stream_or_is_one_failed_item() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).kill_grace(Duration::ZERO).build().unwrap();
    let job = pool.job(nap_if_odd).timeout(LIMIT);
    let lazily: Vec<_> = job.imap([0, 1, 2]).collect();
    assert_eq!(kinds(&lazily), [None, Some(ErrorKind::TimedOut), None]);
    let error = job.map([0, 1, 2]).unwrap_err();
    assert_eq!((error.kind(), error.item()), (ErrorKind::TimedOut, Some(1)));
}

#[test]
fn r076_limits_on_tasks_and_age_are_exact() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).max_tasks_per_child(4).build().unwrap();
    let mut counts = BTreeMap::<u32, usize>::new();
    for pid in pool.job(leak_and_tell).chunk_size(9).map([1; 100]).unwrap() {
        *counts.entry(pid).or_default() += 1;
    }
    assert_eq!(counts.len(), 25);
    assert!(counts.values().all(|&items| items == 4), "{counts:?}");
    drop(pool);
    let (born, age) = (Instant::now(), Duration::from_millis(300));
    let pool = Pool::builder().workers(1).max_age(age).build().unwrap();
    let young = pool.map(leak_and_tell, [1]).unwrap()[0];
    wait::until("it to be replaced", || !pids(&pool).contains(&young));
    assert!(born.elapsed() >= age, "{:?}", born.elapsed());
}

#[test]
fn r094_the_worker_of_a_task_that_leaks_is_replaced() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).max_rss(48 << 20).build().unwrap();
    let pids = pool.map(leak_and_tell, vec![8 << 20; 30]).unwrap();
    let workers: std::collections::BTreeSet<u32> = pids.into_iter().collect();
    assert!(workers.len() >= 5, "{workers:?}");
}

#[test]
fn r099_what_a_worker_prints_is_captured_as_asked() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).output(Output::Capture).build().unwrap();
    for text in ["one", "two"] {
        let error = pool.apply(print_both, text).unwrap_err();
        assert_eq!(error.stdout(), Some(&*format!("out {text}")));
        assert_eq!(error.stderr(), Some(&*format!("err {text}")));
    }
    assert_eq!(pool.apply(exit_with, 3).unwrap_err().stderr(), None);
}
