//! Promises that were once broken: each test is a way that was found.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::time::Duration;

use pool_runtime::{Error, ErrorKind, Pool, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::pools::idle;
use pool_tests::tasks::{nap, square};
use pool_tests::wait;
use serde::{Deserialize, Deserializer, Serialize};

/// Writes past its argument, as a C parser might.
#[pool_task]
fn overrun(text: &str) -> usize {
    if text == "over" {
        // SAFETY: there is none: that is what the test is about. The bytes after
        // the argument are those of the items after it.
        unsafe {
            let end = text.as_ptr().add(text.len()).cast_mut();
            std::ptr::write_bytes(std::hint::black_box(end), 0xff, 16);
        }
    }
    text.len()
}

#[derive(Serialize)]
struct PanicsHere(u8);

impl<'de> Deserialize<'de> for PanicsHere {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = u8::deserialize(from)?;
        assert!(value != 3, "not in the program");
        Ok(PanicsHere(value))
    }
}

#[pool_task]
fn give(value: u8) -> PanicsHere {
    PanicsHere(value)
}

#[test]
fn a_slow_source_does_not_hold_results_back() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let pulled = Cell::new(0);
    let slow = (0..60_u64).inspect(|_| {
        pulled.set(pulled.get() + 1);
        std::thread::sleep(Duration::from_millis(20));
    });
    let mut results = pool.job(square).window(60).imap(slow);
    assert_eq!(results.next().unwrap().unwrap(), 0);
    assert!(pulled.get() < 60, "all was pulled before the first result");
    assert_eq!(results.count(), 59);
}

#[test]
fn a_long_map_of_slow_items_lets_a_call_in_between() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    std::thread::scope(|scope| {
        // Five seconds of work, whose chunk by number alone would be 31 items.
        let long = scope.spawn(|| pool.map(nap, vec![10; 500]));
        wait::until("the map to run", || {
            pool.workers().iter().any(|worker| worker.state == pool_runtime::WorkerState::Busy)
        });
        assert_eq!(pool.apply(square, 3).unwrap(), 9);
        assert!(!long.is_finished(), "the map was over before the call");
        pool.terminate();
        assert_eq!(long.join().unwrap().unwrap_err().kind(), ErrorKind::Terminated);
    });
}

#[test]
fn a_task_that_writes_past_its_argument_costs_no_item() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let before = idle(&pool, 1);
    let items = ["a", "over", "b", "c", "d"];
    let results = pool.job(overrun).chunk_size(5).imap(items);
    // What was done when the chunk was torn is with the program. The rest of it is
    // in the program's own memory still, from where another worker gets it.
    let lengths: Vec<usize> = results.map(Result::unwrap).collect();
    assert_eq!(lengths, [1, 4, 1, 1, 1]);
    assert!(idle(&pool, 1).is_disjoint(&before), "a worker whose memory is torn went on");
    assert_eq!(pool.apply(overrun, "fine").unwrap(), 4);
}

#[test]
fn a_result_that_panics_while_it_is_decoded_is_an_error_of_its_item() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    for (item, result) in pool.imap(give, 0..6).enumerate() {
        match result {
            Ok(value) => assert_eq!(usize::from(value.0), item),
            Err(error) => {
                assert_eq!((error.kind(), error.item()), (ErrorKind::Decode, Some(3)), "{error}");
            }
        }
    }
}

#[test]
fn a_forked_copy_of_the_program_leaves_the_pool_alone() {
    alone("a_forked_copy_of_the_program_leaves_the_pool_alone", || {
        let pool = Pool::new(2).unwrap();
        let before: Vec<u32> = pool.workers().iter().map(|worker| worker.pid).collect();
        let mut results = pool.imap(nap, vec![20; 20]);
        results.next().unwrap().unwrap();
        let later = pool.apply_async(square, 7).unwrap();
        // SAFETY: the copy calls nothing that needs the threads it does not have.
        let copy = unsafe { libc::fork() };
        if copy == 0 {
            let is_refusal = |error: Error| {
                error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("forked")
            };
            let refused = [
                pool.apply(square, 1).is_err_and(is_refusal),
                pool.workers().is_empty(),
                // Behind what had arrived before.
                results.by_ref().find_map(Result::err).is_some_and(is_refusal),
                results.next().is_none(),
                later.ready() && later.get().is_err_and(is_refusal),
            ];
            drop(results);
            pool.close();
            let joined = pool.join().is_ok();
            drop(pool);
            let good = joined && refused.iter().all(|&refused| refused);
            // SAFETY: ends the copy at once.
            unsafe { libc::_exit(if good { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: waits for the copy made above.
        assert_eq!(unsafe { libc::waitpid(copy, &mut status, 0) }, copy);
        assert_eq!(status, 0, "the copy was let in, or died");
        assert!(results.all(|result| result.is_ok()), "the copy took a result, or a worker");
        assert_eq!(later.get().unwrap(), 49);
        assert_eq!(pool.map(square, [1, 2, 3, 4]).unwrap(), [1, 4, 9, 16]);
        let after: Vec<u32> = pool.workers().iter().map(|worker| worker.pid).collect();
        assert_eq!(after, before, "the copy ended the workers");
    });
}

#[test]
fn a_worker_leads_a_process_group_of_its_own() {
    #[pool_task]
    fn groups() -> (i32, i32) {
        // SAFETY: both only read.
        unsafe { (libc::getpid(), libc::getpgrp()) }
    }
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let (pid, group) = pool.apply(groups, ()).unwrap();
    assert_eq!(pid, group);
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&pool);
}
