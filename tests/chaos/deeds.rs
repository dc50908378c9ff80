//! What items do in their workers, and what comes of them.

use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pool_runtime::pool_task;
use pool_tests::bytes::{check, payload};
use pool_tests::fault::Fault;
use pool_tests::rng::Rng;
use serde::{Deserialize, Serialize};

use crate::conditions::Conditions;
use crate::notes::{note, note_end};
use crate::offences::Offence;
use crate::report::Report;

/// What an item does in its worker before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Deed {
    /// Nothing.
    Quick,
    /// Sleeps for so many microseconds.
    Naps(u64),
    /// Keeps a core busy for so many microseconds.
    Spins(u64),
    /// Prints so many lines.
    Prints(usize),
    /// Tells of the worker that it is in.
    Reports,
    /// Goes wrong, by its input.
    Errs(Fault),
    /// Does what its worker is not allowed.
    Offends(Offence),
    /// Leaves a program running in the worker's process group.
    LeavesAProgram,
    /// Leaves a fork of the worker, which holds all that the worker holds.
    LeavesACopy,
    /// Never answers. Its caller must take it back.
    Stays,
}

/// Which deeds a call draws its items from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    /// Short ones only, as of a map of very many items.
    Brisk,
    /// Nothing that fails by itself.
    Tame,
    /// Anything that ends.
    Wild,
}

/// What goes wrong by an input. A stack overflow is like a bad pointer, but talks.
const ERRS: [Fault; 6] =
    [Fault::Panic, Fault::Exit0, Fault::Exit7, Fault::Abort, Fault::Kill, Fault::Segv];

impl Mood {
    /// For a worker under these conditions.
    pub(crate) fn draw(self, rng: &mut Rng, conditions: &Conditions) -> Deed {
        let one_in = |rng: &mut Rng, n| rng.below(n) == 0;
        match self {
            Mood::Brisk if one_in(rng, 200) => Deed::Naps(rng.below(2000) as u64),
            Mood::Brisk => Deed::Quick,
            Mood::Wild if one_in(rng, 12) => match conditions.offences() {
                offences if one_in(rng, 2) && !offences.is_empty() => {
                    Deed::Offends(rng.pick(&offences))
                }
                _ => Deed::Errs(rng.pick(&ERRS)),
            },
            Mood::Tame | Mood::Wild => match rng.below(40) {
                0..4 => Deed::Naps(rng.below(20_000) as u64),
                4..8 => Deed::Spins(rng.below(2_000) as u64),
                8..10 => Deed::Prints(rng.below(400)),
                10 => Deed::LeavesAProgram,
                11 => Deed::LeavesACopy,
                12..15 => Deed::Reports,
                _ => Deed::Quick,
            },
        }
    }
}

/// What is printed, a line at a time, each with the item's id after it.
pub(crate) const LINE: &str =
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// An item, with the bytes that it comes with and the length of what it answers.
pub(crate) type Order = (u64, Deed, String, usize, Vec<u8>);

/// What is right for an item that was sent so many bytes and asked for so many, and what
/// it reports if that is what it does.
pub(crate) type Answer = (u64, Vec<u8>, Option<Report>);

/// The order of an item with so many bytes.
pub(crate) fn order(id: u64, deed: Deed, dir: &str, bytes: usize, reply: usize) -> Order {
    (id, deed, dir.to_owned(), reply, payload(bytes, id))
}

/// Whether an answer is that of this order.
pub(crate) fn is_right(answer: &Answer, id: u64, bytes: usize, reply: usize) -> bool {
    let sum = check(&payload(bytes, id));
    answer.0 == id ^ sum && answer.1 == payload(reply, sum)
}

/// Notes the item, does the deed, and answers.
#[pool_task]
pub(crate) fn perform(id: u64, deed: Deed, dir: String, reply: usize, bytes: Vec<u8>) -> Answer {
    answer(id, deed, &dir, reply, &bytes)
}

/// The same with arguments that are lent.
#[pool_task]
pub(crate) fn perform_lent(id: u64, deed: Deed, dir: &str, reply: usize, bytes: &[u8]) -> Answer {
    answer(id, deed, dir, reply, bytes)
}

fn answer(id: u64, deed: Deed, dir: &str, reply: usize, bytes: &[u8]) -> Answer {
    note(dir, id);
    let mut report = None;
    match deed {
        Deed::Quick => {}
        Deed::Naps(micros) => std::thread::sleep(Duration::from_micros(micros)),
        Deed::Spins(micros) => {
            let (start, long) = (Instant::now(), Duration::from_micros(micros));
            while start.elapsed() < long {
                std::hint::spin_loop();
            }
        }
        Deed::Prints(lines) => {
            for _ in 0..lines {
                println!("{LINE} {id:x}");
            }
        }
        Deed::Reports => report = Some(Report::new()),
        Deed::Errs(fault) => {
            if fault.is_fatal() {
                note_end(dir, fault.signal(), fault.exit_code());
            }
            let _ = fault.commit();
            unreachable!("{fault:?} does not return");
        }
        Deed::Offends(offence) => {
            note_end(dir, Some(offence.signal()), None);
            offence.commit();
            unreachable!("{offence:?} is allowed");
        }
        Deed::LeavesAProgram => leave(program),
        Deed::LeavesACopy => leave(copy),
        Deed::Stays => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
    }
    let sum = check(bytes);
    (id ^ sum, payload(reply, sum), report)
}

/// Leaves a process behind, in the place of the one that this worker left before:
/// there are as many of them at a time as there are workers.
fn leave(make: fn() -> i32) {
    static LEFT: Mutex<Option<i32>> = Mutex::new(None);
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pid) = left.take() {
        let mut status = 0;
        // SAFETY: integers, and one that the call writes. It is a child of this
        // process that nobody else waits for.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, &raw mut status, 0);
        }
    }
    *left = Some(make());
}

#[allow(clippy::zombie_processes)]
fn program() -> i32 {
    let mut command = Command::new("sleep");
    // It keeps the standard output, by which it is seen that it is gone in the end.
    command.arg("1000000").stdin(Stdio::null());
    command.spawn().unwrap().id().cast_signed()
}

fn copy() -> i32 {
    // SAFETY: a worker has one thread, and the copy does nothing but wait.
    let forked = unsafe { libc::fork() };
    assert_ne!(forked, -1, "fork");
    if forked == 0 {
        loop {
            // SAFETY: it takes nothing and waits for a signal.
            unsafe { libc::pause() };
        }
    }
    forked
}
