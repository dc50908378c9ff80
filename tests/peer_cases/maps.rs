//! Maps: what comes out, for every kind of what goes in.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::pools::pids;

use crate::tasks::{even_only, square};

#[pool_task]
fn power(base: u64, exponent: u32) -> u64 {
    base.pow(exponent)
}

#[pool_task]
fn upper(letter: char) -> String {
    letter.to_uppercase().collect()
}

#[pool_task]
fn trace(matrix: Vec<Vec<f64>>) -> f64 {
    matrix.iter().enumerate().map(|(at, row)| row[at]).sum()
}

#[pool_task]
fn volume(width: f64, (height, depth): (f64, f64)) -> f64 {
    width * height * depth
}

#[pool_task]
fn pid_after_a_nap(_item: u32) -> u32 {
    std::thread::sleep(Duration::from_millis(2));
    std::process::id()
}

fn squares(count: u64) -> Vec<u64> {
    (0..count).map(*square).collect()
}

#[test]
fn r001_a_map_is_the_serial_map_at_several_chunk_sizes() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    let expected = squares(10_000);
    for chunk in [7, 100, 2_500, 10_000, 30_000] {
        let mapped = pool.job(square).chunk_size(chunk).map(0..10_000).unwrap();
        assert_eq!(mapped, expected, "chunk size {chunk}");
    }
    assert_eq!(pool.map(square, 0..10_000).unwrap(), expected);
}

#[test]
fn r002_tuples_are_spread_over_the_arguments_now_and_later() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let tuples: Vec<(u64, u32)> = (1..30).map(|n| (n, (n % 7) as u32)).collect();
    let expected: Vec<u64> = tuples.iter().map(|&(base, exponent)| base.pow(exponent)).collect();
    assert_eq!(pool.map(power, tuples.clone()).unwrap(), expected);
    assert_eq!(pool.map_async(power, tuples).unwrap().get().unwrap(), expected);
}

#[test]
fn r003_a_lazy_map_is_ordered_item_by_item_and_ends() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    let mut results = pool.job(square).chunk_size(100).imap(0..1_000);
    for n in 0..1_000 {
        assert_eq!(results.next().unwrap().unwrap(), n * n);
    }
    assert!(results.next().is_none() && results.next().is_none());
}

#[test]
fn r004_an_unordered_map_gives_the_same_results() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    let job = pool.job(square);
    for job in [job.clone(), job.clone().chunk_size(1), job.chunk_size(53)] {
        let mut results: Vec<u64> =
            job.imap_unordered(0..1_000).map(|(_, result)| result.unwrap()).collect();
        results.sort_unstable();
        assert_eq!(results, squares(1_000));
    }
}

#[test]
fn r005_every_kind_of_map_over_nothing_is_nothing_and_does_not_stall() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(square, 0..0).unwrap(), []);
    assert_eq!(square.pmap(0..0, 2).unwrap(), []);
    assert_eq!(pool.map_async(square, 0..0).unwrap().get().unwrap(), []);
    assert!(pool.imap(square, 0..0).next().is_none());
    assert!(pool.imap_unordered(square, 0..0).next().is_none());
}

#[test]
fn r006_an_asynchronous_map_over_nothing_in_chunks_of_one_does_not_stall() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let result = pool.job(square).chunk_size(1).map_async(0..0).unwrap();
    result.wait();
    assert_eq!(result.successful(), Some(true));
    assert_eq!(result.get().unwrap(), []);
}

#[test]
fn r007_a_panic_of_the_input_is_the_callers_and_the_pool_is_usable() {
    /// Says that it is longer than it is.
    struct Liar(u64);
    impl Iterator for Liar {
        type Item = u64;
        fn next(&mut self) -> Option<u64> {
            self.0 += 1;
            assert!(self.0 < 4, "the input panics");
            Some(self.0)
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (1_000_000, Some(1_000_000))
        }
    }
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let check = |call: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(call)).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"the input panics"));
        assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
    };
    for bad in [0, 3] {
        let items = || (0..9).inspect(move |n| assert!(*n != bad, "the input panics"));
        check(&|| drop(pool.map(square, items())));
        check(&|| drop(pool.map_async(square, items())));
        check(&|| assert_eq!(pool.imap(square, items()).count(), 0));
        check(&|| assert_eq!(pool.imap_unordered(square, items()).count(), 0));
    }
    check(&|| drop(pool.map(square, Liar(0))));
    check(&|| assert_eq!(pool.imap(square, Liar(0)).count(), 0));
}

#[test]
fn r008_forty_items_in_chunks_of_any_size() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let expected: Vec<u64> = (0..40).map(|base| base * base * base).collect();
    for chunk in [3, 6, 40, 50] {
        let mapped = pool.job(power).chunk_size(chunk).map((0..40).map(|n| (n, 3))).unwrap();
        assert_eq!(mapped, expected, "chunk size {chunk}");
    }
}

#[test]
fn r009_two_results_and_then_the_error_of_the_third() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let mut results = pool.imap(even_only, [0, 2, 5, 6]);
    assert_eq!(results.next().unwrap().unwrap(), 0);
    assert_eq!(results.next().unwrap().unwrap(), 2);
    let error = results.next().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.panic_message()), (ErrorKind::Panicked, Some("5 is odd")));
}

#[test]
fn r012_strings_matrices_generators_and_zipped_collections_map_as_serially() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(upper, "straße".chars()).unwrap().concat(), "STRASSE");
    let matrix = |n: u32| vec![vec![f64::from(n), 1.0], vec![2.0, 0.5]];
    assert_eq!(pool.map(trace, (0..3).map(matrix)).unwrap(), [0.5, 1.5, 2.5]);
    let mut last = 1;
    let generator = std::iter::from_fn(|| {
        last *= 2;
        (last < 40).then_some(last)
    });
    assert_eq!(pool.map(square, generator).unwrap(), [4, 16, 64, 256, 1024]);
    let zipped = [1.0, 2.0].into_iter().zip([3.0, 4.0].into_iter().zip([5.0, 6.0]));
    assert_eq!(pool.map(volume, zipped).unwrap(), [15.0, 48.0]);
}

#[test]
fn r013_a_hundred_short_tasks_touch_every_worker() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    let ran: BTreeSet<u32> = pool.map(pid_after_a_nap, 0..100).unwrap().into_iter().collect();
    assert_eq!(ran, pids(&pool));
}

#[test]
fn r014_chunks_cover_the_range_exactly() {
    let _clean = clean();
    let pool = Pool::new(5).unwrap();
    // Fewer items than workers among them, and none.
    for count in [0, 1, 2, 4, 5, 6, 11, 97] {
        assert_eq!(pool.map(square, 0..count).unwrap(), squares(count), "{count} items");
        for chunk in [1, 2, 5, 96, 97, 98] {
            let mapped = pool.job(square).chunk_size(chunk).map(0..count).unwrap();
            assert_eq!(mapped, squares(count), "{count} items in chunks of {chunk}");
        }
    }
}

#[test]
fn r015_unequal_iterators_stop_at_the_shortest_and_no_chunk_is_empty() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(power, (2..).zip([1, 2, 3])).unwrap(), [2, 9, 64]);
    let error = pool.job(square).chunk_size(0).map(0..3).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("chunk"), "{error}");
}

#[test]
fn r016_iteration_goes_on_past_a_failed_item() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for chunk in [1, 2, 6] {
        let results = pool.job(even_only).chunk_size(chunk).imap([0, 1, 2, 3, 4, 6]);
        let good: Vec<Option<u64>> = results.map(Result::ok).collect();
        assert_eq!(good, [Some(0), None, Some(2), None, Some(4), Some(6)], "chunk {chunk}");
    }
}
