//! `map`, `pmap` and `map_async`: every item once, in input order.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;

#[pool_task]
fn square(n: u64) -> u64 {
    n.wrapping_mul(n)
}

#[pool_task]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[pool_task]
fn own_pid(_item: u32) -> u32 {
    std::process::id()
}

#[pool_task]
fn even_only(n: u32) -> u32 {
    assert!(n.is_multiple_of(2), "{n} is odd");
    n
}

#[pool_task]
fn repeat(byte: u8, times: usize) -> Vec<u8> {
    vec![byte; times]
}

#[test]
fn a_map_is_the_serial_map_at_every_chunk_size() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    let expected: Vec<u64> = (0..10_000).map(*square).collect();
    assert_eq!(pool.map(square, 0..10_000).unwrap(), expected);
    for chunk in [7, 100, 3_000, 10_000, 20_000] {
        let mapped = pool.job(square).chunk_size(chunk).map(0..10_000).unwrap();
        assert_eq!(mapped, expected, "chunk size {chunk}");
    }
    for chunk in [1, 3, 6, 40, 50] {
        let mapped = pool.job(square).chunk_size(chunk).map(0..40).unwrap();
        assert_eq!(mapped, expected[..40], "chunk size {chunk} over 40 items");
    }
}

#[test]
fn every_window_and_chunk_size_gives_the_same() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let expected: Vec<u64> = (0..50).map(*square).collect();
    for window in [1, 2, 3, 7, 100] {
        for chunk in [1, 2, 5, 100] {
            let job = pool.job(square).window(window).chunk_size(chunk);
            assert_eq!(job.map(0..50).unwrap(), expected, "window {window}, chunk {chunk}");
            let lazily: Vec<u64> = job.imap(0..50).map(Result::unwrap).collect();
            assert_eq!(lazily, expected, "imap, window {window}, chunk {chunk}");
        }
    }
}

#[test]
fn items_run_in_as_many_processes_as_asked_and_none_is_this_one() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    let workers: BTreeSet<u32> = pool.workers().iter().map(|worker| worker.pid).collect();
    assert_eq!(workers.len(), 3);
    let pids: BTreeSet<u32> = pool.map(own_pid, 0..300).unwrap().into_iter().collect();
    assert!(pids.is_subset(&workers), "{pids:?} are not among {workers:?}");
    assert!(!pids.contains(&std::process::id()));
}

#[test]
fn tuples_are_spread_over_the_arguments() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(add, [(1, 2), (3, 4)]).unwrap(), [3, 7]);
    assert_eq!(pool.map_async(add, [(1, 2), (3, 4)]).unwrap().get().unwrap(), [3, 7]);
    let zipped = (0..5).zip([10, 20, 30]);
    assert_eq!(pool.map(add, zipped).unwrap(), [10, 21, 32]);
}

#[test]
fn a_map_over_nothing_is_nothing() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let nothing: [u64; 0] = [];
    assert_eq!(pool.map(square, nothing).unwrap(), nothing);
    assert_eq!(pool.map_async(square, nothing).unwrap().get().unwrap(), nothing);
    let singly = pool.job(square).chunk_size(1);
    assert_eq!(singly.map_async(nothing).unwrap().get().unwrap(), nothing);
    assert_eq!(pool.imap(square, nothing).count(), 0);
    assert_eq!(pool.imap_unordered(square, nothing).count(), 0);
    assert_eq!(square.pmap(nothing, 2).unwrap(), nothing);
}

#[test]
fn a_pmap_takes_a_number_of_workers_or_a_pool() {
    let _clean = clean();
    let expected: Vec<u64> = (0..10).map(*square).collect();
    assert_eq!(square.pmap(0..10, 3).unwrap(), expected);
    assert_eq!(square.pmap(0..10, 100).unwrap(), expected, "more workers than items");
    let pool = Pool::new(1).unwrap();
    assert_eq!(square.pmap(0..10, &pool).unwrap(), expected);
    assert_eq!(square.pmap((0..10).filter(|n| n % 2 == 0), &pool).unwrap(), [0, 4, 16, 36, 64]);
}

#[test]
fn items_need_be_neither_send_nor_static() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let numbers = std::rc::Rc::new(std::cell::RefCell::new(vec![1, 2, 3]));
    let items = std::iter::from_fn(|| numbers.borrow_mut().pop());
    assert_eq!(pool.map(square, items).unwrap(), [9, 4, 1]);
    let own = [4, 5];
    let items = own.iter().copied();
    assert_eq!(pool.imap(square, items).map(Result::unwrap).collect::<Vec<_>>(), [16, 25]);
}

#[test]
fn the_first_failure_ends_a_map_and_names_its_item() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let error = pool.map(even_only, [0, 2, 4, 5, 6]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked);
    assert_eq!(error.item(), Some(3));
    assert_eq!(error.panic_message(), Some("5 is odd"));
    // An endless input ends too.
    // Which of the odd ones is reported first is up to the two workers.
    let error = even_only.pmap(0.., &pool).unwrap_err();
    assert_eq!(error.item().unwrap() % 2, 1);
    let error = pool.map_async(even_only, [0, 2, 9]).unwrap().get().unwrap_err();
    assert_eq!(error.item(), Some(2));
    assert_eq!(pool.map(even_only, [8]).unwrap(), [8]);
}

#[test]
fn a_panic_of_the_iterator_is_the_callers_and_the_pool_is_usable() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for bad in [0, 1, 4] {
        let items = (0..10).inspect(move |n| assert!(*n != bad, "the iterator panics at {bad}"));
        let panic = catch_unwind(AssertUnwindSafe(|| pool.map(square, items))).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert_eq!(message, &format!("the iterator panics at {bad}"));
        assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
    }
}

#[test]
fn an_iterator_may_lie_about_its_length() {
    struct Liar(u64, (usize, Option<usize>));
    impl Iterator for Liar {
        type Item = u64;
        fn next(&mut self) -> Option<u64> {
            self.0 = self.0.checked_sub(1)?;
            Some(self.0)
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            self.1
        }
    }
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for hint in [(0, Some(0)), (1_000_000, Some(1_000_000)), (usize::MAX, None)] {
        assert_eq!(pool.map(square, Liar(3, hint)).unwrap(), [4, 1, 0]);
        assert_eq!(square.pmap(Liar(3, hint), 2).unwrap(), [4, 1, 0]);
    }
}

#[test]
fn results_may_be_larger_than_any_buffer_between() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let sizes = [0, 1, 100_000, 3_000_000, 17, 1_048_576];
    let items: Vec<(u8, usize)> = sizes.iter().map(|&size| (7, size)).collect();
    let results = pool.map(repeat, items).unwrap();
    for (result, size) in results.iter().zip(sizes) {
        assert_eq!(result.len(), size);
        assert!(result.iter().all(|&byte| byte == 7));
    }
}

#[test]
fn many_threads_share_a_pool() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    std::thread::scope(|scope| {
        for start in 0..8 {
            let pool = &pool;
            scope.spawn(move || {
                let items = start * 100..start * 100 + 100;
                let expected: Vec<u64> = items.clone().map(*square).collect();
                assert_eq!(pool.map(square, items.clone()).unwrap(), expected);
                assert_eq!(pool.apply(square, start).unwrap(), start * start);
                let lazily: Vec<u64> = pool.imap(square, items).map(Result::unwrap).collect();
                assert_eq!(lazily, expected);
            });
        }
    });
}

#[test]
fn counts_are_exact_after_twenty_thousand_items() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let mapped = pool.job(square).chunk_size(13).map(0..20_018).unwrap();
    assert_eq!(mapped.len(), 20_018);
    assert_eq!(mapped[20_017], 20_017 * 20_017);
}
