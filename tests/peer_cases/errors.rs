//! Errors across the boundary.

use std::error::Error as _;
use std::fmt;

use pool_runtime::{Error, ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::Fault;
use pool_tests::orders::{Answer, Order, Phase};
use pool_tests::pools::{idle, pids};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::tasks::{even_only, exit_with, forever, square};

/// Cannot be encoded if it is 0, nor decoded if it is 1.
#[derive(Debug, PartialEq)]
struct Touchy(u8);

impl Serialize for Touchy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => Err(S::Error::custom("a 0 is not to be encoded")),
            n => n.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Touchy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            1 => Err(D::Error::custom("a 1 is not to be decoded")),
            n => Ok(Touchy(n)),
        }
    }
}

#[pool_task]
fn take(touchy: Touchy) -> u8 {
    touchy.0
}

#[pool_task]
fn give(n: u8) -> Touchy {
    Touchy(n)
}

#[pool_task]
fn obey(order: Order) -> Answer {
    order.answer()
}

/// An error that can be made of another one and a number only, and is encoded in
/// another form than it has.
#[derive(Debug)]
struct Odd {
    cause: std::num::ParseIntError,
    column: usize,
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no number in column {}", self.column)
    }
}

impl std::error::Error for Odd {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl Serialize for Odd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.column.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Odd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let column = Deserialize::deserialize(deserializer)?;
        Ok(Odd { cause: "x".parse::<u8>().unwrap_err(), column })
    }
}

#[pool_task]
fn read(column: usize, text: &str) -> Result<u8, Odd> {
    text.parse().map_err(|cause| Odd { cause, column })
}

/// Has a worker of its own, which exits.
#[pool_task]
fn delegate(code: i32) {
    let inner = Pool::new(1).unwrap();
    if let Err(error) = inner.apply(exit_with, code) {
        panic!("the inner call failed: {error}");
    }
}

#[test]
fn r031_a_remote_panic_has_its_message_and_place_and_a_local_error_has_none() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).env("RUST_LIB_BACKTRACE", "1").build().unwrap();
    let remote = pool.apply(even_only, 3).unwrap_err();
    assert_eq!(remote.panic_message(), Some("3 is odd"));
    assert!(remote.panic_location().unwrap().contains("tasks.rs:"), "{remote}");
    assert!(remote.backtrace().unwrap().contains("even_only"), "{remote:?}");
    assert!(remote.to_string().contains("3 is odd") && remote.to_string().contains("tasks.rs:"));

    let unencodable = pool.apply(take, Touchy(0)).unwrap_err();
    let undecodable = pool.apply(give, 1).unwrap_err();
    pool.close();
    let closed = pool.apply(square, 1).unwrap_err();
    for (local, kind) in [
        (unencodable, ErrorKind::Encode),
        (undecodable, ErrorKind::Decode),
        (closed, ErrorKind::Closed),
    ] {
        assert_eq!(local.kind(), kind, "{local}");
        let remote = (local.panic_message(), local.panic_location(), local.backtrace());
        assert_eq!(remote, (None, None, None), "{local}");
    }
}

#[test]
fn r032_an_argument_that_cannot_be_encoded_is_an_error_and_no_hang() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let items = || [Touchy(5), Touchy(0), Touchy(6)];
    let says = |error: Error, item: Option<usize>| {
        assert_eq!((error.kind(), error.item()), (ErrorKind::Encode, item), "{error}");
        assert!(error.to_string().contains("a 0 is not to be encoded"), "{error}");
    };
    says(pool.apply(take, Touchy(0)).unwrap_err(), None);
    says(pool.apply_async(take, Touchy(0)).unwrap_err(), None);
    says(pool.map(take, items()).unwrap_err(), Some(1));
    says(pool.map_async(take, items()).unwrap_err(), Some(1));
    // A map that has failed may have cost the worker that ran its first item.
    let before = idle(&pool, 2);
    let mut results = pool.imap(take, items());
    assert_eq!(results.next().unwrap().unwrap(), 5);
    says(results.next().unwrap().unwrap_err(), Some(1));
    assert_eq!(results.next().unwrap().unwrap(), 6);
    assert!(results.next().is_none());
    assert_eq!(idle(&pool, 2), before);
}

#[test]
fn r033_twenty_results_that_cannot_be_encoded_lose_no_worker() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let before = pids(&pool);
    let errors: Vec<Error> = pool.imap(give, [0; 20]).map(Result::unwrap_err).collect();
    assert_eq!(errors.len(), 20);
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Encode, "{error}");
        assert!(error.to_string().contains("a 0 is not to be encoded"), "{error}");
        assert!(before.contains(&error.pid().unwrap()), "{error}");
    }
    assert_eq!(pool.apply(give, 9).unwrap(), Touchy(9));
    assert_eq!(idle(&pool, 2), before);
}

#[test]
fn r034_every_way_to_fail_at_every_moment_is_a_specified_error() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    // In the program itself: there, a fatal one would be the program's own end.
    assert_eq!(pool.apply(take, Touchy(0)).unwrap_err().kind(), ErrorKind::Encode);
    assert_eq!(pool.apply(give, 1).unwrap_err().kind(), ErrorKind::Decode);
    for phase in [Phase::Decode, Phase::Body, Phase::Encode] {
        for fault in [Fault::Err, Fault::Panic, Fault::Exit0, Fault::Exit7, Fault::Segv] {
            let kind = match (fault, phase) {
                (Fault::Err, Phase::Decode) => ErrorKind::Decode,
                (Fault::Err, Phase::Encode) => ErrorKind::Encode,
                // The body has no error of this kind: what it returns is its result.
                (Fault::Err, Phase::Body) => continue,
                (Fault::Panic, _) => ErrorKind::Panicked,
                _ => ErrorKind::Died,
            };
            let order = Order { number: 3, trouble: Some((phase, fault)) };
            let error = pool.apply(obey, order).unwrap_err();
            let shown = format!("{phase:?} {fault:?}: {error}");
            assert_eq!(error.kind(), kind, "{shown}");
            assert_eq!(error.exit_code(), fault.exit_code(), "{shown}");
            assert_eq!(error.signal(), fault.signal(), "{shown}");
            assert!(error.to_string().contains(fault.described()), "{shown}");
            let order = Order { number: 3, trouble: None };
            assert_eq!(pool.apply(obey, order).unwrap().squared, 9, "{shown}");
        }
    }
}

#[test]
fn r035_returning_an_error_value_is_not_failing() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let result = pool.apply_async(read, (4, "x")).unwrap();
    result.wait();
    assert_eq!(result.successful(), Some(true));
    assert!(result.get().unwrap().is_err());
    let results = pool.map(read, [(0, "1"), (1, "x"), (2, "3")]).unwrap();
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn r036_an_error_type_of_odd_construction_arrives() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let odd = pool.apply(read, (4, "x")).unwrap().unwrap_err();
    assert_eq!(odd.to_string(), "no number in column 4");
    assert_eq!(odd.source().unwrap().to_string(), "invalid digit found in string");
}

#[test]
fn r037_an_error_names_its_process_and_cause_and_nested_ones_print() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let pid = *pids(&pool).first().unwrap();
    let error = pool.apply(delegate, 23).unwrap_err();
    assert_eq!(error.pid(), Some(pid), "{error}");
    let inner = error.panic_message().unwrap();
    assert!(inner.starts_with("the inner call failed: worker 0 (pid "), "{inner}");
    assert!(inner.contains("exited with code 23"), "{inner}");
    assert!(!inner.contains(&format!("(pid {pid})")), "{inner}");
    assert!(error.to_string().contains(inner), "{error}");

    let missing = Pool::builder().workers(1).worker_program("/no/such/program").build();
    let error = missing.map(drop).unwrap_err();
    let cause = error.source().unwrap().downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(cause.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().contains(&cause.to_string()), "{error}");
}

// r038 does not apply: a job has one error, the first; those of a lazy map come one
// by one, and are for the caller to collect.

#[test]
fn r039_each_handle_has_an_error_of_its_own() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let first = pool.apply_async(forever, ()).unwrap();
    let second = pool.apply_async(square, 1).unwrap();
    let third = pool.map_async(even_only, [2]).unwrap();
    pool.terminate();
    let tasks: Vec<String> = [first.get().err(), second.get().err(), third.get().err()]
        .into_iter()
        .map(|error| error.unwrap().task().unwrap().to_owned())
        .collect();
    let expected =
        ["pool_tests::tasks::forever", "pool_tests::tasks::square", "peer_cases::tasks::even_only"];
    assert_eq!(tasks, expected);
}

#[test]
fn r040_a_failure_gives_its_input_back() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let items = [4, 7, 6, 1, 2];
    let failed = pool.imap(even_only, items).filter_map(Result::err);
    let inputs: Vec<u64> = failed.map(|error| items[error.item().unwrap()]).collect();
    assert_eq!(inputs, [7, 1]);
}
