//! Callers whose own code fails while a pool runs it: iterators, and
//! serializers of arguments.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use pool_runtime::{Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::pools::idle;
use pool_tests::tasks::square;
use serde::{Deserialize, Serialize, Serializer};

/// Numbers that panic at some of them, without a word on standard error.
fn panicking(at: &[u64]) -> impl Iterator<Item = u64> {
    (0..40).inspect(move |n| {
        if at.contains(n) {
            resume_unwind(Box::new(*n));
        }
    })
}

fn thrown<R>(call: impl FnOnce() -> R) -> u64 {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(_) => panic!("the panic was swallowed"),
        Err(payload) => *payload.downcast().expect("the caller's own payload"),
    }
}

#[test]
fn a_panic_of_the_iterator_is_the_callers_in_every_kind_of_map() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for at in [0, 1, 3, 20, 39] {
        for chunk in [1, 4, 100] {
            let job = || pool.job(square).chunk_size(chunk);
            assert_eq!(thrown(|| job().map(panicking(&[at]))), at);
            assert_eq!(thrown(|| job().imap(panicking(&[at])).count()), at);
            assert_eq!(thrown(|| job().imap_unordered(panicking(&[at])).count()), at);
            assert_eq!(thrown(|| job().map_async(panicking(&[at]))), at);
            assert_eq!(thrown(|| square.pmap(panicking(&[at]), 2)), at);
            assert_eq!(pool.map(square, 0..5).unwrap(), [0, 1, 4, 9, 16]);
        }
    }
    idle(&pool, 2);
}

#[test]
fn an_iterator_that_panics_in_between_can_be_asked_on() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for (chunk, window) in [(1, 1), (1, 2), (4, 8), (4, 40), (100, 100)] {
        let at = [0, 5, 6, 7, 8, 9, 10, 11, 12, 30];
        let mut results = pool.job(square).chunk_size(chunk).window(window).imap(panicking(&at));
        let mut squares = Vec::new();
        let mut panics = Vec::new();
        loop {
            match catch_unwind(AssertUnwindSafe(|| results.next())) {
                Ok(None) => break,
                Ok(Some(result)) => squares.push(result.unwrap()),
                Err(payload) => panics.push(*payload.downcast::<u64>().unwrap()),
            }
        }
        let expected: Vec<u64> = (0..40).filter(|n| !at.contains(n)).map(*square).collect();
        assert_eq!(squares, expected, "chunk {chunk}, window {window}");
        assert_eq!(panics, at, "chunk {chunk}, window {window}");
    }
}

/// An argument that panics while it is encoded, in the caller, after a part of
/// it was written.
#[derive(Debug, Deserialize)]
struct Touchy(u64);

impl Serialize for Touchy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Half(u64);
        impl Serialize for Half {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                resume_unwind(Box::new(self.0))
            }
        }
        if self.0.is_multiple_of(3) {
            return (self.0, self.0, Half(self.0)).serialize(serializer);
        }
        self.0.serialize(serializer)
    }
}

#[pool_task]
fn square_touchy(n: Touchy) -> u64 {
    n.0 * n.0
}

#[test]
fn an_argument_that_panics_while_it_is_encoded_leaves_no_trace() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    assert_eq!(thrown(|| pool.apply(square_touchy, Touchy(3))), 3);
    assert_eq!(thrown(|| pool.map(square_touchy, (1..9).map(Touchy))), 3);
    for (chunk, window) in [(1, 1), (1, 4), (5, 10), (100, 100)] {
        let job = pool.job(square_touchy).chunk_size(chunk).window(window);
        let mut results = job.imap((0..40).map(Touchy));
        let mut squares = Vec::new();
        let mut panics = 0;
        loop {
            match catch_unwind(AssertUnwindSafe(|| results.next())) {
                Ok(None) => break,
                Ok(Some(result)) => squares.push(result.unwrap()),
                Err(_) => panics += 1,
            }
        }
        let expected: Vec<u64> = (0..40).filter(|n| n % 3 != 0).map(|n| n * n).collect();
        assert_eq!(squares, expected, "chunk {chunk}, window {window}");
        assert_eq!(panics, 14, "chunk {chunk}, window {window}");
    }
    assert_eq!(pool.apply(square_touchy, Touchy(4)).unwrap(), 16);
    idle(&pool, 2);
}

/// Says that it has `says` items, and has `has`.
#[derive(Clone)]
struct Liar {
    says: (usize, Option<usize>),
    has: u64,
    given: u64,
}

impl Iterator for Liar {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.given == self.has {
            return None;
        }
        self.given += 1;
        Some(self.given - 1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.says
    }
}

#[test]
fn an_iterator_that_lies_about_its_length_is_not_believed() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let hints = [
        (0, Some(0)),
        (1, Some(1)),
        (1000, Some(1000)),
        (usize::MAX, Some(usize::MAX)),
        (usize::MAX, None),
        (9, Some(3)),
    ];
    for says in hints {
        for has in [0, 1, 37] {
            let liar = Liar { says, has, given: 0 };
            let expected: Vec<u64> = (0..has).map(*square).collect();
            assert_eq!(pool.map(square, liar.clone()).unwrap(), expected, "{says:?}, {has}");
            let lazily: Result<Vec<u64>, _> = pool.imap(square, liar.clone()).collect();
            assert_eq!(lazily.unwrap(), expected, "{says:?}, {has}");
            assert_eq!(pool.imap_unordered(square, liar.clone()).count(), expected.len());
            let later = pool.map_async(square, liar.clone()).unwrap();
            assert_eq!(later.get().unwrap(), expected, "{says:?}, {has}");
            assert_eq!(square.pmap(liar, 2).unwrap(), expected, "{says:?}, {has}");
        }
    }
}
