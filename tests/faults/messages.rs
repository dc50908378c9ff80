//! Values that do not survive the way, and large ones that must.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::fault::send;
use pool_tests::halfway;
use pool_tests::pools::{self, idle, pids};
use pool_tests::wait;
use rustix::process::Signal;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::meddling::channel_sockets;

/// Fails to be encoded where `good` is false, after a part of it was written.
#[derive(Debug, Deserialize)]
struct Picky {
    good: bool,
    pid: u32,
}

impl Serialize for Picky {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Written in part, and then not.
        struct Half;
        impl Serialize for Half {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(S::Error::custom("not this one"))
            }
        }
        match self.good {
            true => (self.good, self.pid).serialize(serializer),
            false => (0_u64, "a part", Half).serialize(serializer),
        }
    }
}

#[pool_task]
fn picky(good: bool) -> Picky {
    Picky { good, pid: std::process::id() }
}

#[test]
fn two_hundred_results_that_cannot_be_encoded_cost_no_worker() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let before = pids(&pool);
    for chunk in [1, 7, 300] {
        let items = std::iter::repeat_n(false, 200).chain(std::iter::repeat_n(true, 100));
        let results: Vec<_> = pool.job(picky).chunk_size(chunk).imap(items).collect();
        assert_eq!(results.len(), 300);
        for (item, result) in results.into_iter().enumerate() {
            if item >= 200 {
                assert!(before.contains(&result.unwrap().pid));
                continue;
            }
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.item()), (ErrorKind::Encode, Some(item)), "{error}");
            assert!(before.contains(&error.pid().unwrap()));
            assert!(error.to_string().contains("not this one"), "{error}");
        }
        assert_eq!(idle(&pool, 2), before);
    }
}

/// Encodes itself as something that it cannot be decoded from.
#[derive(Debug)]
struct Mismatch(u32);

impl Serialize for Mismatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => "longer than a number".serialize(serializer),
            1 => 1_u8.serialize(serializer),
            _ => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Mismatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Mismatch, D::Error> {
        match u32::deserialize(deserializer)? {
            2 => Err(serde::de::Error::custom("2 is not accepted here")),
            number => Ok(Mismatch(number)),
        }
    }
}

#[pool_task]
fn mismatch(n: u32) -> Mismatch {
    Mismatch(n)
}

#[test]
fn a_result_that_cannot_be_decoded_is_an_error_of_its_item() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let before = pids(&pool);
    for (item, result) in pool.imap(mismatch, 0..20).enumerate() {
        if item > 2 {
            assert_eq!(result.unwrap().0 as usize, item);
            continue;
        }
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.item()), (ErrorKind::Decode, Some(item)), "{error}");
        assert_eq!(error.task(), Some("faults::messages::mismatch"));
        let text = error.to_string();
        let says =
            format!("failed to decode the result of faults::messages::mismatch on item {item}");
        assert!(text.starts_with(&says), "{text}");
        let why = if item == 2 { "2 is not accepted here" } else { "do not match" };
        assert!(text.contains(why), "{text}");
        assert!(std::error::Error::source(&error).is_some());
    }
    assert_eq!(idle(&pool, 2), before, "no worker is to blame");
    assert_eq!(pool.map(mismatch, 0..3).unwrap_err().kind(), ErrorKind::Decode);
    assert_eq!(pool.apply(mismatch, 0).unwrap_err().kind(), ErrorKind::Decode);
    assert_eq!(pool.map(mismatch, 3..9).unwrap().len(), 6);
}

/// An argument that a worker cannot decode although it was encoded.
#[pool_task]
fn take_mismatch(value: Mismatch) -> u32 {
    value.0
}

#[test]
fn an_argument_that_cannot_be_decoded_is_an_error_of_its_item() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let before = pids(&pool);
    for (item, result) in pool.imap(take_mismatch, (0..10).map(Mismatch)).enumerate() {
        if item > 2 {
            assert_eq!(result.unwrap() as usize, item);
            continue;
        }
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.item()), (ErrorKind::Decode, Some(item)), "{error}");
        assert!(error.to_string().contains("argument `value`: "), "{error}");
        assert!(before.contains(&error.pid().unwrap()));
    }
    assert_eq!(idle(&pool, 2), before);
}

const LARGE: usize = 64 << 20;

#[pool_task]
fn shout(text: String) -> String {
    text.to_ascii_uppercase()
}

#[test]
fn sixty_four_mebibytes_go_both_ways_at_once_on_every_worker() {
    let _clean = clean();
    // Arguments are sent, or lent as far as there is room for that.
    for pool in [pools::that_sends(Pool::builder().workers(3)), Pool::new(3).unwrap()] {
        let before = pids(&pool);
        // Twice as many items as workers: an argument is on its way to each worker
        // while a result is on its way back from it.
        let letters = ["a", "b", "c", "d", "e", "f"];
        let items = letters.iter().map(|letter| letter.repeat(LARGE));
        for (letter, result) in letters.iter().zip(pool.job(shout).chunk_size(1).imap(items)) {
            let text = result.unwrap();
            assert_eq!(text.len(), LARGE);
            let expected = letter.to_uppercase().as_bytes()[0];
            assert!(text.bytes().all(|byte| byte == expected));
        }
        assert_eq!(pids(&pool), before);
    }
}

/// Returns a result much larger than the ring, and dies once part of it is out, if
/// `dies`. The program is stopped meanwhile, so that it is a part indeed.
#[pool_task]
fn die_while_sending(dies: bool) -> String {
    if dies {
        halfway::die_while_sending();
    }
    "r".repeat(LARGE)
}

#[test]
fn a_worker_that_dies_halfway_through_sending_costs_that_item() {
    alone("messages::a_worker_that_dies_halfway_through_sending_costs_that_item", || {
        let pool = Pool::new(2).unwrap();
        // One at a time: the second would be let go on by the end of the first.
        for (chunk, dying) in [(1, 1), (1, 4), (3, 1), (3, 5), (6, 0), (6, 4)] {
            let items = (0..6).map(|item| item == dying);
            let results = pool.job(die_while_sending).chunk_size(chunk).imap(items);
            let mut dead = None;
            for (item, result) in results.enumerate() {
                let length = result.map(|text| text.len());
                if item != dying {
                    assert_eq!(length.unwrap(), LARGE, "item {item}");
                    continue;
                }
                let error = length.unwrap_err();
                assert_eq!((error.kind(), error.item()), (ErrorKind::Died, Some(item)), "{error}");
                assert_eq!(error.signal(), Some(libc::SIGKILL), "{error}");
                dead = error.pid();
            }
            assert!(!idle(&pool, 2).contains(&dead.expect("one died")));
        }
    });
}

/// Dies while its next argument, a large one, is on its way to it.
#[pool_task]
fn die_while_receiving(text: String) -> usize {
    if text.len() == 1 {
        halfway::die_while_receiving();
    }
    text.len()
}

#[test]
fn a_worker_that_dies_halfway_through_receiving_costs_the_item_it_ran() {
    let _clean = clean();
    let pool = pools::that_sends(Pool::builder().workers(1));
    let items = ["x".to_owned(), "y".repeat(LARGE), "z".repeat(LARGE)];
    // Of the second, the ring holds a fraction.
    let mut results = pool.job(die_while_receiving).chunk_size(1).imap(items);
    let error = results.next().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.item()), (ErrorKind::Died, Some(0)), "{error}");
    assert_eq!(results.next().unwrap().unwrap(), LARGE);
    assert_eq!(results.next().unwrap().unwrap(), LARGE);
    assert!(results.next().is_none());
}

#[test]
fn a_worker_that_dies_halfway_through_receiving_its_first_item_costs_none() {
    let _clean = clean();
    let pool = pools::that_sends(Pool::builder().workers(1));
    let before = idle(&pool, 1);
    let pid = *before.first().unwrap();
    // It takes nothing out of the ring, so the ring is full when the call is made.
    send(pid, Signal::STOP);
    let call = pool.apply_async(die_while_receiving, "y".repeat(LARGE)).unwrap();
    send(pid, Signal::KILL);
    assert_eq!(call.get().unwrap(), LARGE);
    assert!(idle(&pool, 1).is_disjoint(&before));
}

/// Shuts its bell and its lifeline down, and goes on.
#[pool_task]
fn shut_down(and_then: &str) -> u32 {
    for socket in channel_sockets() {
        // SAFETY: the descriptor was seen open, and nobody closes it meanwhile.
        let socket = unsafe { BorrowedFd::borrow_raw(socket) };
        let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
    }
    if and_then == "stay" {
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    std::process::id()
}

#[test]
fn a_task_that_shuts_its_channel_down_costs_its_item_at_most_and_its_worker() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for and_then in ["return", "stay", "return", "stay", "return"] {
        // The result needs no socket, and may arrive before the worker is found out.
        let result = pool.apply(shut_down, and_then);
        if and_then == "stay" {
            assert!(result.is_err(), "there is no result");
        }
        let pid = result.unwrap_or_else(|error| {
            assert_eq!(error.kind(), ErrorKind::Died, "{error}");
            let says = "closed its channel and was killed while running \
                        faults::messages::shut_down (likely cause: ";
            assert!(error.to_string().contains(says), "{error}");
            error.pid().unwrap()
        });
        wait::until("the worker to go", || !pids(&pool).contains(&pid));
        idle(&pool, 2);
        assert_eq!(pool.map(shout, ["a".to_owned()]).unwrap(), ["A"]);
    }
}
