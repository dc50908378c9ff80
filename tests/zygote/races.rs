//! Everything at once.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pool_runtime::{Pool, shutdown};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::fork::in_a_copy;
use pool_tests::wait;
use rustix::process::{Pid, Signal, kill_process};

use crate::helpers::{assert_forked, children_of, forks, square, unhurried, zygote, zygotes_of};

/// Tells the other threads of a test that it is over, also when it has failed.
struct TellsTheEnd<'a>(&'a AtomicBool);

impl Drop for TellsTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn killed_at_any_moment_it_leaves_nothing_and_every_pool_works() {
    let _clean = clean();
    let (done, kills) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut moment = 0u32;
            while !done.load(Ordering::Relaxed) {
                for zygote in zygotes_of(std::process::id()) {
                    // Anywhere within what a start takes.
                    moment = moment.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    for _ in 0..moment >> 16 {
                        std::hint::spin_loop();
                    }
                    let pid = Pid::from_raw(zygote.cast_signed()).unwrap();
                    let is_killed = kill_process(pid, Signal::KILL).is_ok();
                    kills.fetch_add(is_killed.into(), Ordering::Relaxed);
                }
            }
        });
        let over = TellsTheEnd(&done);
        // For longer where all this takes longer.
        let (begun, mut round) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(8) || kills.load(Ordering::Relaxed) <= 20 {
            let pool = unhurried(3);
            assert_eq!(pool.map(square, 0..4).unwrap(), [0, 1, 4, 9], "round {round}");
            assert_eq!(square.spawn(3).unwrap().join().unwrap(), 9, "round {round}");
            if round % 4 == 0 {
                // Forgets that one did not come up.
                shutdown();
            }
            round += 1;
        }
        drop(over);
        killer.join().unwrap();
    });
    shutdown();
    assert!(children_of(std::process::id()).is_empty());
}

#[test]
fn pools_started_at_once_share_it() {
    let _clean = clean();
    let mut rounds_with_one = 0;
    for _ in 0..20 {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let pool = unhurried(2);
                    assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
                });
            }
        });
        let zygotes = zygotes_of(std::process::id());
        assert!(zygotes.len() <= 1, "{zygotes:?}");
        // On a slow machine that is busy it may be late, and then there is none.
        rounds_with_one += zygotes.len();
        shutdown();
    }
    assert!(rounds_with_one > 0);
}

#[test]
fn shutdown_at_any_moment_harms_nobody() {
    let _clean = clean();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let ends = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                shutdown();
            }
        });
        let over = TellsTheEnd(&done);
        for _ in 0..50 {
            assert_eq!(unhurried(2).map(square, 0..4).unwrap(), [0, 1, 4, 9]);
        }
        drop(over);
        ends.join().unwrap();
    });
}

#[test]
fn a_copy_that_the_program_forks_has_its_own() {
    alone("races::a_copy_that_the_program_forks_has_its_own", || {
        let _pool = forks(1);
        let original = zygote();
        let status = in_a_copy(|| {
            // Neither ended by the copy nor used by it.
            shutdown();
            let pool = forks(1);
            assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
            assert_ne!(zygote(), original);
            drop(pool);
            shutdown();
            assert!(children_of(std::process::id()).is_empty());
        });
        assert_eq!(status, 0);
        assert!(wait::is_running(original));
        assert_eq!(assert_forked(&Pool::new(1).unwrap()), original);
    });
}

#[test]
fn a_program_that_ignores_the_end_of_children_has_one_too() {
    alone("races::a_program_that_ignores_the_end_of_children_has_one_too", || {
        // SAFETY: a valid disposition; no handler is installed.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        for _ in 0..20 {
            let pool = forks(2);
            assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
            let pid = Pid::from_raw(zygote().cast_signed()).unwrap();
            kill_process(pid, Signal::KILL).unwrap();
        }
        // SAFETY: as above.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    });
}
