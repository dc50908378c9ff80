//! An input that fails: its iterator panics, or an item cannot be encoded. What was pulled
//! before is delivered first, to whoever takes outcomes one by one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::temp::TempDir;
use pool_tests::wait;
use serde::{Deserialize, Serialize, Serializer};

/// What becomes of an item when it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Input {
    Good(u64),
    Fails,
    Panics,
}

impl Serialize for Input {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Input::Good(n) => serializer.serialize_newtype_variant("Input", 0, "Good", n),
            Input::Fails => Err(serde::ser::Error::custom("no form for it")),
            Input::Panics => panic!("say when"),
        }
    }
}

#[pool_task]
fn square(input: Input) -> u64 {
    match input {
        Input::Good(n) => n * n,
        other => unreachable!("{other:?} cannot be sent"),
    }
}

/// As `square`, once the file is there.
#[pool_task]
fn square_after(path: &Path, n: u64) -> u64 {
    wait::until("the file", || path.exists());
    n * n
}

/// What came of a loop over results: their items and values, and what it ended by.
fn taken<T>(results: impl Iterator<Item = T>) -> (Vec<T>, Option<String>) {
    let mut taken = Vec::new();
    let ended = catch_unwind(AssertUnwindSafe(|| results.for_each(|result| taken.push(result))));
    let panic = ended.err().map(|panic| panic.downcast_ref::<&str>().unwrap().to_string());
    (taken, panic)
}

/// Each of the ways to pull: chunks of so many, and a pause before each item.
fn ways() -> impl Iterator<Item = (Option<usize>, Duration)> {
    let chunks = [None, Some(1), Some(2), Some(4), Some(100)];
    chunks.into_iter().flat_map(|chunk| [0, 3].map(|pause| (chunk, Duration::from_millis(pause))))
}

const SAYS: Option<&str> = Some("say when");

/// Items up to one that fails, and others after it.
fn inputs(at: u64, fails: Input) -> impl Iterator<Item = Input> {
    (0..2 * at + 2).map(move |n| if n == at { fails } else { Input::Good(n) })
}

#[test]
fn what_precedes_a_panic_comes_first_in_order() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for (chunk, pause) in ways() {
        let job = || chunk.map_or(pool.job(square), |chunk| pool.job(square).chunk_size(chunk));
        for at in [0, 1, 3, 9] {
            for of_the_iterator in [true, false] {
                let items = inputs(at, Input::Panics).inspect(|item| {
                    std::thread::sleep(pause);
                    assert!(!of_the_iterator || *item != Input::Panics, "say when");
                });
                let mut results = job().imap(items);
                let (values, panic) = taken(results.by_ref().map(Result::unwrap));
                let what = format!("chunk {chunk:?}, {pause:?}, panic at {at}, {of_the_iterator}");
                assert_eq!(values, (0..at).map(|n| n * n).collect::<Vec<_>>(), "{what}");
                assert_eq!(panic.as_deref(), SAYS, "{what}");
                let others: Vec<_> = results.by_ref().map(Result::unwrap).collect();
                assert_eq!(others, (at + 1..2 * at + 2).map(|n| n * n).collect::<Vec<_>>());
                assert!(results.next().is_none(), "{what}");
            }
        }
    }
}

#[test]
fn what_precedes_a_panic_comes_first_in_order_of_completion() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for (chunk, pause) in ways() {
        let job = || chunk.map_or(pool.job(square), |chunk| pool.job(square).chunk_size(chunk));
        for at in [0, 1, 3, 9] {
            let items = inputs(at, Input::Panics).inspect(|_| std::thread::sleep(pause));
            let mut results = job().imap_unordered(items);
            let (mut values, panic) = taken(results.by_ref().map(|(n, value)| (n, value.unwrap())));
            values.sort_unstable();
            let expected: Vec<_> = (0..at).map(|n| (n as usize, n * n)).collect();
            assert_eq!(values, expected, "chunk {chunk:?}, {pause:?}, panic at {at}");
            assert_eq!(panic.as_deref(), SAYS);
            // It may be asked on.
            assert_eq!(results.by_ref().filter(|(_, value)| value.is_ok()).count() as u64, at + 1);
            assert!(results.next().is_none());
        }
    }
}

#[test]
fn what_precedes_an_item_that_cannot_be_encoded_comes_first() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for (chunk, pause) in ways() {
        let job = || chunk.map_or(pool.job(square), |chunk| pool.job(square).chunk_size(chunk));
        for at in [0, 1, 3, 9] {
            let items = || inputs(at, Input::Fails).inspect(|_| std::thread::sleep(pause));
            let what = format!("chunk {chunk:?}, {pause:?}, failure at {at}");
            let mut seen = Vec::new();
            for (item, result) in job().imap_unordered(items()) {
                if item as u64 == at {
                    let error = result.unwrap_err();
                    assert_eq!((error.kind(), error.item()), (ErrorKind::Encode, Some(item)));
                    assert!((0..item).all(|before| seen.contains(&before)), "{what}: {seen:?}");
                } else {
                    assert_eq!(result.unwrap(), (item * item) as u64);
                }
                seen.push(item);
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..2 * at as usize + 2).collect::<Vec<_>>(), "{what}");
            for (n, result) in job().imap(items()).enumerate() {
                assert_eq!(result.is_err(), n as u64 == at, "{what}");
            }
        }
    }
    // Many of them, side by side and not.
    let fails = |n: u64| if n.is_multiple_of(3) { Input::Good(n) } else { Input::Fails };
    let mut left: Vec<usize> = (0..300).collect();
    for (item, result) in pool.job(square).chunk_size(4).imap_unordered((0..300).map(fails)) {
        if result.is_err() {
            assert_eq!(left[0], item, "what fails at the input is in order");
        }
        left.retain(|&other| other != item);
    }
    assert!(left.is_empty());
}

#[test]
fn an_item_that_runs_is_waited_for_before_the_panic() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let dir = TempDir::new();
    let gate = dir.path().join("gate");
    // Not before the iterator has panicked.
    let items = (0..3_u64).map(|n| {
        if n == 2 {
            std::fs::write(&gate, "").unwrap();
            panic!("say when");
        }
        (&*gate, n)
    });
    let (values, panic) =
        taken(pool.job(square_after).chunk_size(1).imap(items).map(Result::unwrap));
    assert_eq!((values, panic.as_deref()), (vec![0, 1], SAYS));
}

#[test]
fn a_map_is_ended_by_a_panic_at_once() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let dir = TempDir::new();
    let never = dir.path().join("never");
    let items = || (0..10_u64).inspect(|&n| assert!(n != 3, "say when")).map(|n| (&*never, n));
    let job = || pool.job(square_after).chunk_size(1);
    // What runs would never end by itself.
    let (values, panic) = taken(std::iter::once_with(|| job().map(items())));
    assert_eq!((values.len(), panic.as_deref()), (0, SAYS));
    let (values, panic) = taken(std::iter::once_with(|| job().map_async(items()).map(drop)));
    assert_eq!((values.len(), panic.as_deref()), (0, SAYS));
    let (values, panic) = taken(std::iter::once_with(|| square_after.pmap(items(), &pool)));
    assert_eq!((values.len(), panic.as_deref()), (0, SAYS));
    // Nor would it before an item that cannot be encoded.
    let error = pool.map(square, inputs(3, Input::Fails)).unwrap_err();
    assert_eq!((error.kind(), error.item()), (ErrorKind::Encode, Some(3)));
    let error = pool.map_async(square, inputs(3, Input::Fails)).map(drop).unwrap_err();
    assert_eq!((error.kind(), error.item()), (ErrorKind::Encode, Some(3)));
    assert_eq!(pool.map(square, [Input::Good(3)]).unwrap(), [9]);
}

/// An iterator that panics when it is asked for its length, after so many items.
struct Shy(u64);

impl Iterator for Shy {
    type Item = Input;

    fn next(&mut self) -> Option<Input> {
        self.0 += 1;
        (self.0 <= 20).then_some(Input::Good(self.0 - 1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        assert!(self.0 < 5, "say when");
        (0, None)
    }
}

#[test]
fn a_length_that_panics_is_a_panic_of_the_iterator() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for chunk in [1, 2, 4] {
        let mut results = pool.job(square).chunk_size(chunk).imap(Shy(0));
        let (values, panic) = taken(results.by_ref().map(Result::unwrap));
        assert!(values.len() >= 5 && values.iter().zip(0..).all(|(&n, at)| n == at * at));
        assert_eq!(panic.as_deref(), SAYS);
        let mut count = values.len();
        loop {
            match catch_unwind(AssertUnwindSafe(|| results.next())) {
                Ok(None) => break,
                Ok(Some(result)) => count += usize::from(result.is_ok()),
                Err(_) => {}
            }
        }
        assert_eq!(count, 20, "it can be asked on");
    }
    assert_eq!(taken(std::iter::once_with(|| pool.map(square, Shy(0)))).1.as_deref(), SAYS);
    // And at a deadline, when it is asked whether there would have been more.
    let limit = Duration::from_millis(1);
    let late = (0..).map(|n| (Path::new("/"), n)).inspect(|_| std::thread::sleep(2 * limit));
    struct At<I>(I);
    impl<I: Iterator> Iterator for At<I> {
        type Item = I::Item;
        fn next(&mut self) -> Option<I::Item> {
            self.0.next()
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            panic!("say when")
        }
    }
    let mut results = pool.job(square_after).deadline(limit).imap(At(late));
    let (_, panic) = taken(results.by_ref());
    assert_eq!(panic.as_deref(), SAYS);
    assert!(taken(results.by_ref()).0.iter().all(Result::is_err), "nothing is done any more");
}

#[test]
fn a_panic_that_nobody_comes_to_harms_nobody() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let items = (0..10).map(|n| if n == 3 { panic!("say when") } else { Input::Good(n) });
    let mut results = pool.job(square).chunk_size(1).imap(items);
    assert_eq!(results.next().unwrap().unwrap(), 0);
    drop(results);
    // It goes before the end of the pool, which comes later.
    let items = (0..10).map(|n| if n == 3 { panic!("say when") } else { Input::Good(n) });
    let mut results = pool.job(square).chunk_size(1).imap(items);
    assert_eq!(results.next().unwrap().unwrap(), 0);
    pool.terminate();
    pool.join().unwrap();
    let (taken, panic) = taken(results.by_ref());
    assert!(taken.iter().all(|result| result.as_ref().is_ok_and(|&n| n <= 4) || result.is_err()));
    assert!(panic.as_deref() == SAYS || taken.last().is_some_and(Result::is_err));
    assert!(results.all(|result| result.is_err()), "it goes on after its end");
}

#[test]
fn an_iterator_may_still_be_shared_and_sent() {
    fn both<T: Send + Sync>(_: &T) {}
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    both(&pool.imap(square, [Input::Good(1)]));
    both(&pool.imap_unordered(square, [Input::Good(1)]));
}
