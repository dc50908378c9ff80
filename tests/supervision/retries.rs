//! Items that are tried again.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use pool_runtime::{AsyncResult, Error, ErrorKind, Pool};
use pool_tests::clean::clean;
use pool_tests::futures::block_on;
use pool_tests::runs;
use pool_tests::temp::TempDir;
use pool_tests::wait;

use super::{Act, act, items};

#[test]
fn deaths_and_timeouts_are_tried_again_by_every_kind_of_call() {
    let _clean = clean();
    let pool = Pool::builder().workers(2).kill_grace(Duration::ZERO).build().unwrap();
    let job = pool.job(act).retries(2).timeout(Duration::from_millis(500));
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
    let (gives, given) = mpsc::channel();
    let job = pool.job(act).retries(1);
    let curious = job.clone().retry_if(move |_| {
        let result = inner.apply_async(act, (&*here, 7, Act::Return)).unwrap();
        // It looks, so that who asks again and again gets there.
        while !result.wait_timeout(Duration::from_secs(3600)) {}
        gives.send(result).is_ok() && inner.workers().len() == 2
    });
    assert_eq!(curious.apply((at, 1, Act::DieTimes(1))).unwrap(), 1);
    assert_eq!(curious.apply_async((at, 2, Act::DieTimes(1))).unwrap().get().unwrap(), 2);
    drop(curious);
    let given: Vec<u64> = given.into_iter().map(|result| result.get().unwrap()).collect();
    assert_eq!(given, [7, 7]);
    let rude = job.retry_if(|_| panic!("a rule that panics"));
    assert_eq!(rude.apply((at, 3, Act::DieTimes(1))).unwrap_err().kind(), ErrorKind::Died);
    assert_eq!(pool.apply(act, (at, 4, Act::Return)).unwrap(), 4);
}

/// What every way to wait for a pool comes to.
fn wait_in_every_way(pool: &Pool, at: &str) -> Vec<Result<(), Error>> {
    let item = || (at, 7, Act::Return);
    let call = || pool.apply_async(act, item()).unwrap();
    let long = Duration::from_secs(3600);
    let hang = pool.apply_async(act, (at, 8, Act::Hang)).unwrap();
    hang.wait();
    assert!(!hang.wait_timeout(long) && !hang.ready());
    hang.cancel();
    assert!(hang.ready(), "it is known without waiting");
    assert_eq!(hang.get().unwrap_err().kind(), ErrorKind::Cancelled);
    let lazy = |result: Option<Result<u64, Error>>| result.unwrap().map(drop);
    vec![
        pool.apply(act, item()).map(drop),
        pool.map(act, [item()]).map(drop),
        lazy(pool.imap(act, [item()]).next()),
        lazy(pool.imap_unordered(act, [item()]).next().map(|(_, result)| result)),
        pool.map_async(act, [item()]).unwrap().get().map(drop),
        call().get().map(drop),
        call().get_timeout(long).map(drop),
        block_on(call()).map(drop),
        act.pmap([item()], pool).map(drop),
    ]
}

#[test]
fn a_rule_that_would_wait_for_its_pool_is_told_so_on_whatever_thread_it_is_asked() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    // Of one worker, which is not replaced before a rule on the engine's thread returns.
    let pool = Arc::new(Pool::new(1).unwrap());
    let (tells, told) = mpsc::channel();
    let (inner, here) = (Arc::clone(&pool), at.to_owned());
    let job = pool.job(act).retries(1).retry_if(move |error| {
        let name = thread::current().name().map(str::to_owned);
        tells.send((name, wait_in_every_way(&inner, &here))).is_err() || error.pid().is_some()
    });
    let check = |told: &(Option<String>, Vec<Result<(), Error>>)| {
        for (way, result) in told.1.iter().enumerate() {
            let error = result.as_ref().expect_err("nobody may wait here");
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{way}: {error}");
            assert!(error.to_string().contains("inside of a `retry_if`"), "{way}: {error}");
        }
    };
    // A death is learnt of by the engine's thread, which nobody helps.
    let died = job.apply_async((at, 1, Act::DieTimes(1))).unwrap();
    let on_engine = told.recv_timeout(Duration::from_secs(60)).expect("the rule returns");
    assert_eq!(on_engine.0.as_deref(), Some("pool-engine"));
    check(&on_engine);
    assert_eq!(died.get().unwrap(), 1);
    // A panic by whoever looks first, which is this thread, as nobody else waits.
    let this = thread::current().name().map(str::to_owned);
    wait::until("a rule to be asked here", || {
        let panicked = job.apply_async((at, 2, Act::Panic)).unwrap();
        let mut seen = None;
        while seen.is_none() {
            pool.workers();
            seen = told.try_recv().ok();
        }
        assert_eq!(panicked.get().unwrap_err().kind(), ErrorKind::Panicked);
        let seen = seen.unwrap();
        check(&seen);
        seen.0 == this
    });
    // Out of the rule all is as ever.
    assert_eq!(pool.apply(act, (at, 3, Act::Return)).unwrap(), 3);
}

#[test]
fn a_rule_cannot_join_its_pool_nor_take_what_a_map_from_outside_has_next() {
    let _clean = clean();
    let dir = TempDir::new();
    let at: &'static str = dir.path().to_str().unwrap().to_owned().leak();
    let pool: &'static Pool = Box::leak(Box::new(Pool::new(1).unwrap()));
    let lazy = Mutex::new(pool.imap(act, [(at, 1, Act::Return)]));
    let (tells, told) = mpsc::channel();
    let job = pool.job(act).retries(1).retry_if(move |_| {
        pool.close();
        tells.send((pool.join(), lazy.lock().unwrap().next().unwrap())).is_err()
    });
    let result = job.apply_async((at, 2, Act::Die)).unwrap();
    let (joined, next) = told.recv_timeout(Duration::from_secs(60)).expect("the rule returns");
    assert_eq!(result.get().unwrap_err().kind(), ErrorKind::Died);
    for error in [joined.unwrap_err(), next.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("inside of a `retry_if`"), "{error}");
    }
    drop(job);
    pool.join().unwrap();
}

#[test]
fn a_rule_may_use_the_pool_when_it_is_dropped_but_not_wait_for_it() {
    struct Curious {
        pool: Arc<Pool>,
        at: String,
        tells: mpsc::Sender<Option<(usize, Result<u64, Error>)>>,
    }
    impl Drop for Curious {
        fn drop(&mut self) {
            let workers = self.pool.workers().len();
            let called = self.pool.apply(act, (&self.at, 3, Act::Return));
            self.tells.send(Some((workers, called))).unwrap();
        }
    }
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Arc::new(Pool::new(1).unwrap());
    for act_of_item in [Act::Return, Act::Panic] {
        let (tells, told) = mpsc::channel();
        let curious = Curious { pool: Arc::clone(&pool), at: at.to_owned(), tells };
        let job = pool.job(act).retries(1).retry_if(move |_| curious.tells.send(None).is_err());
        // Nobody holds the call, and with it the rule, but the pool.
        drop(job.apply_async((at, 1, act_of_item)).unwrap());
        drop(job);
        let (workers, called) = told.into_iter().last().unwrap().expect("told when dropped");
        assert_eq!(workers, 1, "{act_of_item:?}");
        assert_eq!(called.unwrap_err().kind(), ErrorKind::InvalidArgument, "{act_of_item:?}");
    }
    assert_eq!(pool.apply(act, (at, 2, Act::Return)).unwrap(), 2);
}

#[test]
fn a_rule_is_not_asked_inside_of_itself() {
    thread_local! {
        static INSIDE: Cell<bool> = const { Cell::new(false) };
    }
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Arc::new(Pool::new(2).unwrap());
    let (inner, here) = (Arc::clone(&pool), at.to_owned());
    let (asked, nested) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counts, counts_nested) = (Arc::clone(&asked), Arc::clone(&nested));
    let job = pool.job(act).retries(1).retry_if(move |_| {
        counts.fetch_add(1, Ordering::SeqCst);
        counts_nested.fetch_add(INSIDE.replace(true).into(), Ordering::SeqCst);
        // These take in what other items have come to.
        inner.workers();
        inner.apply_async(act, (&here, 1000, Act::Return)).unwrap().ready();
        INSIDE.set(false);
        false
    });
    let results: Vec<_> = job.imap(items(at, &[Act::Panic; 300])).collect();
    assert_eq!((results.len(), asked.load(Ordering::SeqCst)), (300, 300));
    assert!(results.iter().all(|result| result.as_ref().is_err_and(|e| e.tries() == Some(1))));
    assert_eq!(nested.load(Ordering::SeqCst), 0);
}

#[test]
fn a_rule_that_panics_when_it_is_dropped_panics_where_its_call_is_waited_for() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any("on the way out");
        }
    }
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(1).unwrap();
    type Wait = fn(AsyncResult<u64>) -> Result<u64, Error>;
    let ways: [Wait; 2] = [|result| result.get(), |result| block_on(result)];
    for way in ways {
        let bomb = Bomb;
        let job = pool.job(act).retries(1).retry_if(move |_| size_of_val(&bomb) > 0);
        let result = job.apply_async((at, 1, Act::Return)).unwrap();
        // The call has the last of the rule.
        drop(job);
        let thrown = catch_unwind(AssertUnwindSafe(|| way(result))).unwrap_err();
        assert_eq!(thrown.downcast_ref(), Some(&"on the way out"));
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
