//! Items that are tried again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use pool_runtime::{ErrorKind, Pool};
use pool_tests::clean::clean;
use pool_tests::runs;
use pool_tests::temp::TempDir;

use super::{Act, act, items};

#[test]
fn deaths_and_timeouts_are_tried_again_by_every_kind_of_call() {
    let _clean = clean();
    let pool = Pool::builder().workers(2).kill_grace(Duration::ZERO).build().unwrap();
    let job = pool.job(act).retries(2).timeout(Duration::from_millis(200));
    let mut acts = [Act::Return; 30];
    (acts[3], acts[17], acts[29]) = (Act::DieTimes(2), Act::HangTimes(1), Act::DieTimes(1));
    let expected: Vec<u64> = (0..30).collect();
    type Run<'a> = &'a dyn Fn(&str) -> Vec<u64>;
    let kinds: [Run<'_>; 5] = [
        &|at| job.clone().chunk_size(4).map(items(at, &acts)).unwrap(),
        &|at| job.imap(items(at, &acts)).map(Result::unwrap).collect(),
        &|at| {
            let mut all: Vec<_> =
                job.imap_unordered(items(at, &acts)).map(|(_, result)| result.unwrap()).collect();
            all.sort_unstable();
            all
        },
        &|at| job.map_async(items(at, &acts)).unwrap().get().unwrap(),
        &|at| items(at, &acts).map(|item| job.apply(item).unwrap()).collect(),
    ];
    for kind in kinds {
        let dir = TempDir::new();
        assert_eq!(kind(dir.path().to_str().unwrap()), expected);
        let runs = runs::noted(dir.path());
        for (item, does) in (0..).zip(acts) {
            let times = match does {
                Act::DieTimes(times) | Act::HangTimes(times) => times + 1,
                _ => 1,
            };
            assert_eq!(runs[&item].len(), times, "item {item}");
        }
    }
}

#[test]
fn the_error_of_the_last_try_says_how_many_there_were() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(1).unwrap();
    let job = pool.job(act).retries(3);
    let error = job.apply((at, 1, Act::Die)).unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::Died, Some(4)));
    assert!(error.to_string().ends_with("(tried 4 times)"), "{error}");
    assert_eq!(runs::noted(dir.path())[&1].len(), 4);
    // Without retries nothing is said of them.
    let error = pool.apply(act, (at, 2, Act::Die)).unwrap_err();
    assert_eq!((error.tries(), runs::noted(dir.path())[&2].len()), (None, 1));
}

#[test]
fn panics_are_not_tried_again_unless_the_caller_says_so() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(1).unwrap();
    let job = pool.job(act).retries(3);
    let error = job.apply((at, 1, Act::Panic)).unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::Panicked, Some(1)), "{error}");
    assert_eq!(runs::noted(dir.path())[&1].len(), 1);

    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let job = job.retry_if(move |error| {
        count.fetch_add(1, Ordering::Relaxed);
        error.kind() == ErrorKind::Panicked
    });
    let results: Vec<_> = job.imap(items(at, &[Act::Return, Act::Die, Act::Panic])).collect();
    assert_eq!(
        results[1].as_ref().unwrap_err().tries(),
        Some(1),
        "it died, which is not asked for"
    );
    assert_eq!(results[2].as_ref().unwrap_err().tries(), Some(4));
    assert_eq!(runs::noted(dir.path())[&2].len(), 4);
    assert_eq!(asked.load(Ordering::Relaxed), 4, "not for the last failure of an item");
}

#[test]
fn a_rule_may_use_the_pool_and_one_that_panics_says_no() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Arc::new(Pool::new(2).unwrap());
    let inner = Arc::clone(&pool);
    let here = at.to_owned();
    let job = pool.job(act).retries(1);
    let curious = job.clone().retry_if(move |_| inner.apply(act, (&*here, 7, Act::Return)).is_ok());
    assert_eq!(curious.apply((at, 1, Act::DieTimes(1))).unwrap(), 1);
    assert_eq!(curious.apply_async((at, 2, Act::DieTimes(1))).unwrap().get().unwrap(), 2);
    drop(curious);
    let rude = job.retry_if(|_| panic!("a rule that panics"));
    assert_eq!(rude.apply((at, 3, Act::DieTimes(1))).unwrap_err().kind(), ErrorKind::Died);
    assert_eq!(pool.apply(act, (at, 4, Act::Return)).unwrap(), 4);
}

#[test]
fn a_rule_may_use_the_pool_when_it_is_dropped() {
    struct Curious(Arc<Pool>, mpsc::Sender<usize>);
    impl Drop for Curious {
        fn drop(&mut self) {
            self.1.send(self.0.workers().len()).unwrap();
        }
    }
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Arc::new(Pool::new(1).unwrap());
    for act_of_item in [Act::Return, Act::Panic] {
        let (tells, told) = mpsc::channel();
        let curious = Curious(Arc::clone(&pool), tells);
        let job = pool.job(act).retries(1).retry_if(move |_| curious.1.send(0).is_err());
        // Nobody holds the call, and with it the rule, but the pool.
        drop(job.apply_async((at, 1, act_of_item)).unwrap());
        drop(job);
        let last = told.into_iter().last();
        assert_eq!(last, Some(1), "{act_of_item:?}");
    }
    assert_eq!(pool.apply(act, (at, 2, Act::Return)).unwrap(), 2);
}

#[test]
fn an_item_waits_before_it_is_tried_again_and_others_run_meanwhile() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(1).unwrap();
    let wait = Duration::from_millis(400);
    let job = pool.job(act).retries(1).backoff(wait, wait).backoff_seed(3);
    let started = Instant::now();
    let acts = [Act::DieTimes(1), Act::Return, Act::Return];
    let order: Vec<usize> = job
        .imap_unordered(items(at, &acts))
        .map(|(item, result)| (item, result.unwrap()).0)
        .collect();
    assert!(started.elapsed() >= wait / 2, "{:?}", started.elapsed());
    assert_eq!(order, [1, 2, 0]);
}

#[test]
fn a_map_that_is_dropped_tries_nothing_again() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(1).unwrap();
    let long = Duration::from_secs(60);
    let job = pool.job(act).retries(9).backoff(long, long);
    let mut results = job.imap(items(at, &[Act::Return, Act::Die]));
    assert_eq!(results.next().unwrap().unwrap(), 0);
    drop(results);
    assert_eq!(pool.apply(act, (at, 5, Act::Return)).unwrap(), 5);
    pool.close();
    pool.join().unwrap();
}
