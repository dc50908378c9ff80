//! Programs that have run out of descriptors or processes: an error that names
//! the resource, nothing left behind, and all is well once there is room again.

#![allow(unsafe_code)]

use std::fs::File;
use std::time::{Duration, Instant};

use pool_runtime::{Error, ErrorKind, Output, Pool, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::descriptors;
use pool_tests::fault::limit;
use pool_tests::tasks::double;
use pool_tests::users::{become_nobody, tasks_of};
use pool_tests::wait::until;
use rustix::process::{Resource, getrlimit};

/// Lets go of `room` descriptors, the rest below the limit being taken.
fn with_descriptors<R>(room: usize, call: impl FnOnce() -> R) -> R {
    let before = getrlimit(Resource::Nofile).current.unwrap();
    limit(Resource::Nofile, 128);
    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    taken.truncate(taken.len().checked_sub(room).expect("room for the test"));
    let result = call();
    drop(taken);
    limit(Resource::Nofile, before);
    result
}

fn assert_names_descriptors(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
    assert!(error.to_string().contains("ulimit -n"), "{error}");
    assert!(std::error::Error::source(error).is_some(), "{error}");
}

#[test]
fn the_fourth_of_five_workers_that_finds_no_descriptor_takes_the_others_with_it() {
    alone("the_fourth_of_five_workers_that_finds_no_descriptor_takes_the_others_with_it", || {
        let five = |room| with_descriptors(room, || Pool::new(5).map(|pool| pool.workers().len()));
        let enough = (1..100).find(|&room| five(room).is_ok()).expect("a hundred are enough");
        let mut named = Vec::new();
        for room in (0..enough).rev() {
            let error = five(room).unwrap_err();
            assert_names_descriptors(&error);
            let text = error.to_string();
            named.extend((0..5).filter(|slot| text.contains(&format!("worker {slot}"))));
        }
        // The less room there is, the earlier it ends.
        assert!(named.is_sorted_by(|a, b| a >= b), "{named:?}");
        assert!([0, 3, 4].iter().all(|slot| named.contains(slot)), "{named:?}");
        assert_eq!(double.pmap(0..5, 5).unwrap(), [0, 2, 4, 6, 8]);
    });
}

#[test]
fn a_pool_whose_output_is_read_needs_more_descriptors_and_says_so() {
    alone("a_pool_whose_output_is_read_needs_more_descriptors_and_says_so", || {
        for output in [Output::Capture, Output::Prefix] {
            let build = || Pool::builder().workers(2).output(output).build();
            let two = |room| with_descriptors(room, || build().map(|pool| pool.workers().len()));
            let enough = (1..100).find(|&room| two(room).is_ok()).expect("a hundred are enough");
            for room in (0..enough).rev() {
                assert_names_descriptors(&two(room).unwrap_err());
            }
            assert_eq!(build().unwrap().map(double, 0..3).unwrap(), [0, 2, 4]);
        }
    });
}

#[test]
fn a_process_without_descriptors_is_an_error() {
    alone("a_process_without_descriptors_is_an_error", || {
        for room in 0..6 {
            let error = with_descriptors(room, || double.spawn(1).map(|_| ())).unwrap_err();
            assert_names_descriptors(&error);
        }
        assert_eq!(double.spawn(1).unwrap().join().unwrap(), 2);
    });
}

#[pool_task]
fn die_on_zero(n: u64) -> u64 {
    if n == 0 {
        std::process::exit(7);
    }
    n
}

#[test]
fn a_worker_that_cannot_be_replaced_for_want_of_descriptors_fails_the_calls() {
    alone("a_worker_that_cannot_be_replaced_for_want_of_descriptors_fails_the_calls", || {
        let pool = Pool::new(1).unwrap();
        let before = descriptors();
        with_descriptors(0, || {
            let error = pool.apply(die_on_zero, 0).unwrap_err();
            assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Died, Some(7)), "{error}");
            // The dead worker's own three are free again, and no more is needed
            // for the next; so they are taken too.
            let rest: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            match pool.map(die_on_zero, 0..3) {
                Err(error) if error.kind() == ErrorKind::Died => {}
                result => assert_names_descriptors(&result.unwrap_err()),
            }
            drop(rest);
        });
        pool.reset();
        assert_eq!(pool.map(die_on_zero, 1..3).unwrap(), [1, 2]);
        // A zygote that comes up has more of them for a moment.
        until("no more than before", || descriptors().len() <= before.len());
    });
}

/// Lets no descriptor be opened, whichever are free, until it is dropped.
struct NoDescriptors(u64);

impl NoDescriptors {
    fn begin() -> NoDescriptors {
        let before = getrlimit(Resource::Nofile).current.unwrap();
        // The standard streams have all the numbers below it.
        limit(Resource::Nofile, 3);
        NoDescriptors(before)
    }
}

impl Drop for NoDescriptors {
    fn drop(&mut self) {
        limit(Resource::Nofile, self.0);
    }
}

/// A pool that has lost one of so many workers and cannot start another.
fn bereaved(workers: usize) -> (Pool, NoDescriptors) {
    let pool = Pool::new(workers).unwrap();
    let lacking = NoDescriptors::begin();
    assert_eq!(pool.apply(die_on_zero, 0).unwrap_err().exit_code(), Some(7));
    (pool, lacking)
}

#[test]
fn a_pool_at_work_survives_that_for_a_moment_no_worker_can_be_started() {
    alone("a_pool_at_work_survives_that_for_a_moment_no_worker_can_be_started", || {
        let (pool, lacking) = bereaved(1);
        let waits = pool.apply_async(double, 21).unwrap();
        let started = Instant::now();
        until("half a second without descriptors", || {
            assert!(pool.workers().is_empty() && !waits.ready(), "there is none to start it with");
            started.elapsed() > Duration::from_millis(500)
        });
        drop(lacking);
        assert_eq!(waits.get().unwrap(), 42);
    });
}

#[test]
fn what_is_lacking_for_long_ends_the_calls_and_they_say_how_often_it_was_tried() {
    alone("what_is_lacking_for_long_ends_the_calls_and_they_say_how_often_it_was_tried", || {
        let (pool, lacking) = bereaved(1);
        let error = pool.map(double, 0..3).unwrap_err();
        assert_names_descriptors(&error);
        assert!(error.to_string().contains("no worker could be started in 9 tries"), "{error}");
        let error = pool.apply(double, 1).unwrap_err();
        assert_names_descriptors(&error);
        let text = error.to_string();
        assert!(text.contains("none could be started in 9 tries"), "{text}");
        assert!(text.contains("starts no more workers until Pool::reset()"), "{text}");
        let last = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref());
        let last: &Error = last.expect("the last failure");
        assert!(text.ends_with(&last.to_string()), "{text}");
        assert!(std::error::Error::source(last).is_some_and(|cause| cause.is::<std::io::Error>()));
        drop(lacking);
        pool.reset();
        assert_eq!(pool.apply(double, 1).unwrap(), 2);
    });
}

/// No worker comes or goes then, of which whoever joins would hear.
#[test]
fn a_pool_that_closes_and_has_no_worker_ends_with_its_last_call() {
    alone("a_pool_that_closes_and_has_no_worker_ends_with_its_last_call", || {
        let (pool, lacking) = bereaved(1);
        let late = pool.job(die_on_zero).deadline(Duration::from_millis(500)).apply_async(1);
        pool.close();
        pool.join().unwrap();
        assert_eq!(late.unwrap().get().unwrap_err().kind(), ErrorKind::TimedOut);
        drop(lacking);
    });
}

#[test]
fn those_that_live_work_on_while_no_other_can_be_started() {
    alone("those_that_live_work_on_while_no_other_can_be_started", || {
        let (pool, lacking) = bereaved(2);
        assert_eq!(pool.map(double, 0..100).unwrap().len(), 100);
        assert_eq!(pool.workers().len(), 1);
        drop(lacking);
        until("the other to be replaced", || pool.workers().len() == 2);
    });
}

#[test]
fn no_processes_left_is_an_error_that_names_the_limit() {
    alone("no_processes_left_is_an_error_that_names_the_limit", || {
        let user = become_nobody();
        let before = getrlimit(Resource::Nproc).current;
        // Beside the pool's own thread: none, some, and enough for three workers.
        for room in 0..=4 {
            limit(Resource::Nproc, tasks_of(user) + room);
            // The thread that prints counts too.
            let pool = Pool::builder().workers(200).output(Output::Prefix).build();
            let error = pool.map(|_| ()).expect_err("there is no room for them");
            assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
            assert!(error.to_string().contains("RLIMIT_NPROC"), "{error}");
            // More than other programs of the user can make room for meanwhile.
            let error = Pool::new(200).map(|_| ()).expect_err("there is no room for them");
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Spawn, "{text}");
            assert!(text.contains("RLIMIT_NPROC"), "{text}");
        }
        let (current, maximum) = (before, getrlimit(Resource::Nproc).maximum);
        let limit = rustix::process::Rlimit { current, maximum };
        rustix::process::setrlimit(Resource::Nproc, limit).unwrap();
        assert_eq!(double.pmap(0..5, 5).unwrap(), [0, 2, 4, 6, 8]);
    });
}
