//! Work that can be ended, tried again, taken back, and workers that are replaced.

#![allow(unsafe_code)]

mod breaker;
mod cancelling;
mod deadlines;
mod forking;
mod recycling;
mod retries;
mod scribbles;
mod timeouts;

use std::path::Path;
use std::time::Duration;

use pool_runtime::pool_task;
use pool_tests::fault::{Fault, kill_this_process};
use pool_tests::runs;
use serde::{Deserialize, Serialize};

/// What an item does, having noted that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Act {
    Return,
    /// Milliseconds.
    Sleep(u64),
    /// Until it is killed.
    Hang,
    /// The same, whoever asks it to end.
    HangStubbornly,
    Panic,
    Die,
    /// Dies in its first so many runs.
    DieTimes(usize),
    /// The same, and hangs in the next.
    DieTimesAndHang(usize),
    /// Hangs in its first so many runs.
    HangTimes(usize),
    /// Waits for a file of this name in its directory.
    WaitForFile,
}

#[pool_task]
fn act(dir: &str, item: u64, act: Act) -> u64 {
    let dir = Path::new(dir);
    runs::note(dir, item);
    let earlier = || runs::noted(dir)[&item].len() - 1;
    match act {
        Act::Return => {}
        Act::Sleep(millis) => std::thread::sleep(Duration::from_millis(millis)),
        Act::Hang => hang(),
        Act::HangStubbornly => {
            // SAFETY: ignoring a signal runs nothing.
            unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
            hang();
        }
        Act::Panic => panic!("as it was told"),
        Act::Die => kill_this_process(),
        Act::DieTimes(times) | Act::DieTimesAndHang(times) if earlier() < times => {
            kill_this_process();
        }
        Act::DieTimesAndHang(_) => hang(),
        Act::HangTimes(times) if earlier() < times => hang(),
        Act::DieTimes(_) | Act::HangTimes(_) => {}
        Act::WaitForFile => {
            while !dir.with_extension("go").exists() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    item
}

fn hang() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Abandons a worker's memory: a leak of so many bytes that are used.
#[pool_task]
fn leak(bytes: usize) -> u32 {
    std::hint::black_box(vec![1_u8; bytes].leak());
    std::process::id()
}

#[pool_task]
fn whoami() -> u32 {
    std::process::id()
}

#[pool_task]
fn whoami_at(_item: u64) -> u32 {
    std::process::id()
}

#[pool_task]
fn fail(fault: Fault) {
    let _ = fault.commit();
}

/// The items of a map of `act`.
fn items<'a>(dir: &'a str, acts: &'a [Act]) -> impl Iterator<Item = (&'a str, u64, Act)> {
    acts.iter().enumerate().map(move |(item, &does)| (dir, item as u64, does))
}
