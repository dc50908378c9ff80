//! What a join waits for, and for whom it does not: an iterator that is not at its end may be
//! anywhere, and nobody can tell whether it will be asked again.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use pool_runtime::{ErrorKind, Imap, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::tasks::square;
use pool_tests::temp::TempDir;
use pool_tests::wait;

/// Ends when the file is there.
#[pool_task]
fn wait_for_file(path: &Path) {
    wait::until("the file", || path.exists());
}

fn squares(n: u64) -> Vec<u64> {
    (0..n).map(|n| n * n).collect()
}

/// Closes and joins the pool, of which an iterator is not at its end.
fn close_and_join(pool: &Pool) {
    pool.close();
    pool.join().unwrap();
    assert!(pool.workers().is_empty());
}

/// Workers leave without being told, when the last iterator is at its end.
fn all_leave(pool: &Pool) {
    wait::until("all workers to leave", || pool.workers().is_empty());
    pool.join().unwrap();
}

#[test]
fn an_iterator_that_the_same_thread_holds() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for taken in [0, 1, 50] {
        let pool = if taken == 0 { &Pool::new(2).unwrap() } else { &pool };
        let pool = if taken == 50 { &Pool::new(1).unwrap() } else { pool };
        let mut results = pool.imap(square, 0..100);
        let mut all: Vec<u64> = results.by_ref().take(taken).map(Result::unwrap).collect();
        close_and_join(pool);
        pool.join().unwrap();
        assert_eq!(pool.imap(square, [1]).next().unwrap().unwrap_err().kind(), ErrorKind::Closed);
        all.extend(results.map(Result::unwrap));
        assert_eq!(all, squares(100), "an accepted job finishes");
        all_leave(pool);
    }
}

#[test]
fn an_iterator_in_order_of_completion() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let mut results = pool.job(square).chunk_size(3).imap_unordered(0..100);
    let first = results.next().unwrap();
    close_and_join(&pool);
    let mut all: Vec<_> = results.chain([first]).map(|(item, n)| (item, n.unwrap())).collect();
    all.sort_unstable();
    assert_eq!(all, squares(100).into_iter().enumerate().collect::<Vec<_>>());
    all_leave(&pool);
}

#[test]
fn an_iterator_that_another_thread_takes() {
    let _clean = clean();
    for begun in [false, true] {
        let pool = Pool::new(2).unwrap();
        let mut results = pool.imap(square, 0..30_000);
        let first = begun.then(|| results.next().unwrap().unwrap());
        std::thread::scope(|scope| {
            let taker = scope.spawn(move || {
                first.into_iter().chain(results.map(Result::unwrap)).collect::<Vec<u64>>()
            });
            pool.close();
            pool.join().unwrap();
            assert_eq!(taker.join().unwrap(), squares(30_000));
        });
        all_leave(&pool);
    }
}

#[test]
fn an_iterator_that_another_thread_takes_slowly() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    std::thread::scope(|scope| {
        let ((begins, has_begun), (goes_on, may_go_on)) = (mpsc::channel(), mpsc::channel());
        let mut results = pool.imap(square, 0..1000);
        let taker = scope.spawn(move || {
            let first = results.next().unwrap().unwrap();
            begins.send(()).unwrap();
            // Between two calls, while the other thread joins.
            may_go_on.recv().unwrap();
            [first].into_iter().chain(results.map(Result::unwrap)).collect::<Vec<u64>>()
        });
        has_begun.recv().unwrap();
        close_and_join(&pool);
        goes_on.send(()).unwrap();
        assert_eq!(taker.join().unwrap(), squares(1000));
    });
    all_leave(&pool);
}

#[test]
fn an_iterator_that_another_thread_has_begun() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let begin = || {
        let mut results = pool.imap(square, 0..1000);
        assert_eq!(results.next().unwrap().unwrap(), 0);
        results
    };
    let results = std::thread::scope(|scope| scope.spawn(begin).join().unwrap());
    close_and_join(&pool);
    assert_eq!(results.map(Result::unwrap).collect::<Vec<u64>>(), squares(1000)[1..]);
    all_leave(&pool);
}

#[test]
fn an_iterator_that_was_forgotten() {
    let _clean = clean();
    for begun in [0, 2] {
        let forget = |pool: &Pool| {
            let mut results = pool.imap(square, 0..1000);
            assert_eq!(results.by_ref().take(begun).count(), begun);
            std::mem::forget(results);
        };
        let pool = Pool::new(2).unwrap();
        forget(&pool);
        close_and_join(&pool);
        let pool = Pool::new(2).unwrap();
        std::thread::scope(|scope| scope.spawn(|| forget(&pool)).join().unwrap());
        close_and_join(&pool);
        pool.join().unwrap();
        // The pool goes with what nobody has let go of.
        drop(pool);
    }
}

#[test]
fn an_iterator_that_another_thread_drops_later() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let mut results = pool.imap(square, 0..1000);
    results.next().unwrap().unwrap();
    std::thread::scope(|scope| {
        let (lets_go, may_drop) = mpsc::channel::<()>();
        let dropper = scope.spawn(move || {
            may_drop.recv().unwrap();
            drop(results);
        });
        close_and_join(&pool);
        lets_go.send(()).unwrap();
        dropper.join().unwrap();
        pool.join().unwrap();
    });
}

#[test]
fn an_iterator_in_a_structure_beside_one_at_its_end() {
    struct Holder<'pool, I: Iterator<Item = u64>> {
        results: Option<Imap<'pool, square, I>>,
    }
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let mut done = pool.imap(square, 0..10);
    assert_eq!(done.by_ref().count(), 10);
    let mut results = pool.imap(square, 0..100);
    results.next().unwrap().unwrap();
    let mut holder = Holder { results: Some(results) };
    close_and_join(&pool);
    assert!(done.next().is_none());
    assert_eq!(holder.results.take().unwrap().count(), 99);
    all_leave(&pool);
}

#[test]
fn an_iterator_at_its_end_and_none_at_all() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let mut results = pool.imap(square, 0..10);
    assert_eq!(results.by_ref().count(), 10);
    close_and_join(&pool);
    assert!(results.next().is_none());
    close_and_join(&Pool::new(2).unwrap());
}

#[test]
fn what_was_pulled_is_waited_for() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let dir = TempDir::new();
    let gate = dir.path().join("gate");
    let mut results = pool.job(wait_for_file).chunk_size(1).imap([Path::new("/"), &gate, &gate]);
    results.next().unwrap().unwrap();
    pool.close();
    std::thread::scope(|scope| {
        let joiner = scope.spawn(|| {
            pool.join().unwrap();
            assert!(gate.exists(), "it has not waited for the item that runs");
        });
        // One that does not wait is given the time to show it.
        (0..1000).for_each(|_| std::thread::yield_now());
        std::fs::write(&gate, "").unwrap();
        joiner.join().unwrap();
    });
    assert_eq!(results.map(Result::unwrap).count(), 2);
}

#[test]
fn a_map_that_another_thread_is_inside_of_is_waited_for() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let (asks, asked) = mpsc::channel();
    let (gives, given) = mpsc::channel::<u64>();
    let at_its_end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (pool, at_its_end) = (&pool, &at_its_end);
        let map = scope.spawn(move || {
            // Workers have nothing to do while this waits.
            let input = std::iter::from_fn(move || {
                asks.send(()).unwrap();
                let next = given.recv().ok();
                at_its_end.store(next.is_none(), Ordering::SeqCst);
                next
            });
            pool.job(square).chunk_size(1).map(input)
        });
        asked.recv().unwrap();
        pool.close();
        let joiner = scope.spawn(move || {
            pool.join().unwrap();
            assert!(at_its_end.load(Ordering::SeqCst), "the map was not at its end");
        });
        for n in 0..3 {
            gives.send(n).unwrap();
            asked.recv().unwrap();
        }
        drop(gives);
        assert_eq!(map.join().unwrap().unwrap(), [0, 1, 4]);
        joiner.join().unwrap();
    });
    assert!(pool.workers().is_empty());
}

#[test]
fn an_input_that_joins() {
    let _clean = clean();
    // A map would wait for itself.
    for is_async in [false, true] {
        let pool = Pool::new(1).unwrap();
        let input = (0..3).inspect(|_| {
            pool.close();
            assert_eq!(pool.join().unwrap_err().kind(), ErrorKind::InvalidArgument);
        });
        let results = match is_async {
            false => pool.map(square, input),
            true => pool.map_async(square, input).unwrap().get(),
        };
        assert_eq!(results.unwrap(), [0, 1, 4]);
        pool.join().unwrap();
    }
    // What a lazy map has pulled is done without it.
    let pool = Pool::new(1).unwrap();
    let input = (0..3).inspect(|_| close_and_join(&pool));
    let results = pool.job(square).chunk_size(1).imap(input);
    assert_eq!(results.map(Result::unwrap).collect::<Vec<u64>>(), [0, 1, 4]);
    all_leave(&pool);
}

#[test]
fn many_that_take_and_many_that_join() {
    let _clean = clean();
    for round in 0..10 {
        let pool = Pool::builder().workers(3).kill_grace(Duration::ZERO).build().unwrap();
        let iterators: Vec<_> = (0..4).map(|_| pool.imap(square, 0..500)).collect();
        pool.close();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| pool.join().unwrap());
            }
            for (number, results) in iterators.into_iter().enumerate() {
                scope.spawn(move || {
                    // One of them is dropped early.
                    let count = if number == 0 { 10 * round } else { 500 };
                    let taken: Vec<u64> = results.take(count).map(Result::unwrap).collect();
                    assert_eq!(taken, squares(count as u64));
                });
            }
        });
        all_leave(&pool);
    }
}

#[test]
fn termination_of_a_pool_that_was_joined_ends_what_could_go_on() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let mut results = pool.job(square).window(4).chunk_size(1).imap(0..1000);
    results.next().unwrap().unwrap();
    close_and_join(&pool);
    pool.terminate();
    pool.join().unwrap();
    let last = results.by_ref().find_map(Result::err).unwrap();
    assert_eq!((last.kind(), last.item()), (ErrorKind::Terminated, None));
    assert!(results.next().is_none());
}
