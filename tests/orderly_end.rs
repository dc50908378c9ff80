//! The end of a pool, whoever brings it about and whatever else happens meanwhile.

#![allow(unsafe_code)]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::Barrier;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pool_runtime::{Error, ErrorKind, Job, Pool, Process, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::fork::in_a_copy;
use pool_tests::parent::Parent;
use pool_tests::pools::{idle, pids};
use pool_tests::tasks::{forever, nap, square};
use pool_tests::temp::TempDir;
use pool_tests::wait;

/// Generous, for machines that are busy: whoever waits for items waits longer.
const PROMPT: Duration = Duration::from_secs(60);

#[pool_task]
fn wait_for(file: &Path) -> u32 {
    wait::until("the file", || file.exists());
    std::process::id()
}

/// How far ahead the inputs are pulled that block.
const WINDOW: usize = 4;

fn assert_terminated<T>(result: Result<T, Error>) {
    assert_eq!(result.map(drop).unwrap_err().kind(), ErrorKind::Terminated);
}

/// The kind of submission whose items are pulled as its results are asked for.
const LAZY: usize = 4;

/// One submission of one kind; gives whether it was accepted, in which case its
/// results are right.
fn submit(pool: &Pool, kind: usize, n: u64) -> bool {
    let items = n..n + 10;
    let squares: Vec<u64> = items.clone().map(*square).collect();
    let result = match kind {
        0 => pool.apply(square, n).map(|result| assert_eq!(result, n * n)),
        1 => pool.apply_async(square, n).map(|call| assert_eq!(call.get().unwrap(), n * n)),
        2 => pool.map(square, items).map(|results| assert_eq!(results, squares)),
        3 => pool.map_async(square, items).map(|call| assert_eq!(call.get().unwrap(), squares)),
        LAZY.. => {
            let mut results = pool.imap(square, items);
            results.next().unwrap().map(|first| {
                assert_eq!(first, squares[0]);
                let rest: Vec<u64> = results.map(Result::unwrap).collect();
                assert_eq!(rest, squares[1..]);
            })
        }
    };
    result.map_err(|error| assert_eq!(error.kind(), ErrorKind::Closed, "{error}")).is_ok()
}

#[test]
fn every_submission_to_a_pool_that_is_closed_meanwhile_is_done_or_refused() {
    let _clean = clean();
    for round in 0..30 {
        // A join does not wait for a lazy iterator, which may have workers started anew.
        let kinds = if round % 2 == 0 { 0..4 } else { 0..5 };
        let pool = Pool::new(2).unwrap();
        let barrier = Barrier::new(kinds.len() + 1);
        thread::scope(|scope| {
            for kind in kinds.clone() {
                let (pool, barrier) = (&pool, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    (0..).take_while(|&n| submit(pool, kind, n)).for_each(drop);
                });
            }
            barrier.wait();
            // In the middle of it, and in some rounds at its very beginning.
            for _ in 0..round / 2 {
                pool.apply(square, 1).unwrap();
            }
            pool.close();
            pool.join().unwrap();
            assert!(kinds.contains(&LAZY) || pool.workers().is_empty());
        });
        pool.join().unwrap();
        assert!(pool.workers().is_empty());
        assert!(!submit(&pool, 0, 1));
    }
}

#[test]
fn terminate_returns_at_once_with_a_hundred_thousand_items_queued() {
    let _clean = clean();
    for jobs in [1, 100_000] {
        let pool = Pool::new(2).unwrap();
        let running: Vec<_> = (0..2).map(|_| pool.apply_async(forever, ()).unwrap()).collect();
        let queued: Vec<_> = (0..jobs)
            .map(|_| pool.map_async(nap, std::iter::repeat_n(1_000, 100_000 / jobs)).unwrap())
            .collect();
        let start = Instant::now();
        pool.terminate();
        let took = start.elapsed();
        assert!(took < PROMPT, "{took:?} with {jobs} jobs queued");
        pool.join().unwrap();
        running.into_iter().for_each(|call| assert_terminated(call.get()));
        queued.into_iter().for_each(|call| assert_terminated(call.get()));
    }
}

#[test]
fn terminate_ends_a_map_of_a_hundred_thousand_items_that_somebody_waits_for() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    thread::scope(|scope| {
        let job = pool.job(nap).window(200_000).chunk_size(1);
        let (all_pulled, pulled) = mpsc::channel();
        let items = (0..100_000).map(move |item| {
            if item == 99_999 {
                all_pulled.send(()).unwrap();
            }
            1_000
        });
        let waiting = scope.spawn(move || job.map(items));
        pulled.recv().unwrap();
        let start = Instant::now();
        pool.terminate();
        assert_terminated(waiting.join().unwrap());
        assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
    });
}

/// Terminates a pool while the input of a map blocks that `map` runs on another
/// thread, and asserts that nothing waits for the input; gives what the map gives
/// once the input goes on, and how many items were pulled for it.
fn terminate_while_the_input_blocks<R: Send>(
    map: impl FnOnce(Job<'_, square>, &mut dyn Iterator<Item = u64>) -> R + Send,
) -> (R, usize) {
    let pool = Pool::new(2).unwrap();
    let job = pool.job(square).window(WINDOW);
    let (blocks, blocked) = mpsc::channel();
    let (goes_on, go_on) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let mapping = scope.spawn(move || {
            let mut pulled = 0;
            let mut items = (0..1_000).inspect(|&item| {
                if item == 20 {
                    blocks.send(()).unwrap();
                    go_on.recv().unwrap();
                }
                pulled += 1;
            });
            let result = map(job, &mut items);
            (result, pulled)
        });
        blocked.recv().unwrap();
        let start = Instant::now();
        pool.terminate();
        pool.join().unwrap();
        assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
        assert!(pool.workers().is_empty() && !mapping.is_finished());
        goes_on.send(()).unwrap();
        mapping.join().unwrap()
    })
}

#[test]
fn terminate_does_not_wait_for_an_input_that_blocks() {
    let _clean = clean();
    let (result, pulled) = terminate_while_the_input_blocks(|job, items| job.map(items));
    assert_terminated(result);
    assert!(pulled <= 21 + WINDOW, "{pulled} items were pulled");

    let (results, pulled) =
        terminate_while_the_input_blocks(|job, items| job.imap(items).collect::<Vec<_>>());
    assert!(pulled <= 21 + WINDOW, "{pulled} items were pulled");
    assert_ends_terminated(results);

    let (results, pulled) = terminate_while_the_input_blocks(|job, items| {
        job.imap_unordered(items).map(|(_, result)| result).collect::<Vec<_>>()
    });
    assert!(pulled <= 21 + WINDOW, "{pulled} items were pulled");
    assert_ends_terminated(results);

    // This one pulls all there is before it returns.
    let (result, pulled) = terminate_while_the_input_blocks(|job, items| job.map_async(items));
    assert_terminated(result.unwrap().get());
    assert_eq!(pulled, 1_000);
}

/// Asserts that results end with an error of the job, and that none before it is one.
fn assert_ends_terminated(mut results: Vec<Result<u64, Error>>) {
    assert_terminated(results.pop().unwrap());
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[test]
fn an_idle_pool_in_a_static_ends_with_the_program() {
    let _clean = clean();
    let mut program = Parent::start(env!("CARGO_BIN_EXE_parent"), "idle, then return");
    // The workers and the one that they were forked from.
    let processes = program.processes(7);
    let status = program.child.wait().unwrap();
    let since = Instant::now();
    assert_eq!(program.end(&processes, since), status);
    assert_eq!((status.code(), status.signal()), (Some(0), None));
}

#[test]
fn a_pool_moves_across_threads_with_work_under_way() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let first = pool.map_async(nap, vec![1; 50]).unwrap();
    let (pool, second) = thread::spawn(move || {
        let second = pool.map_async(nap, vec![1; 50]).unwrap();
        (pool, second)
    })
    .join()
    .unwrap();
    // Each handle is waited for on a thread that has nothing else of the pool.
    let waits = [first, second].map(|call| thread::spawn(move || call.get()));
    let closes = thread::spawn(move || {
        pool.close();
        pool.join().unwrap();
        pool
    });
    for wait in waits {
        assert_eq!(wait.join().unwrap().unwrap(), [1; 50]);
    }
    drop(closes.join().unwrap());

    let pool = Pool::new(2).unwrap();
    let before = pids(&pool);
    let call = pool.apply_async(forever, ()).unwrap();
    let wait = thread::spawn(move || call.get());
    thread::spawn(move || drop(pool)).join().unwrap();
    assert_terminated(wait.join().unwrap());
    assert!(before.into_iter().all(|pid| !wait::is_running(pid)));
}

fn is_refused<T>(result: Result<T, Error>) -> bool {
    result.map(drop).is_err_and(|error| {
        error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("forked copy")
    })
}

#[test]
fn a_forked_copy_of_the_program_ends_nothing_of_the_programs() {
    alone("a_forked_copy_of_the_program_ends_nothing_of_the_programs", || {
        let pool = Pool::new(2).unwrap();
        let before = idle(&pool, 2);
        let dir = TempDir::new();
        let go = dir.path().join("go");
        let mut process = wait_for.spawn(&go).unwrap();
        let call = pool.apply_async(wait_for, &go).unwrap();
        type End = fn(Pool, Process<u32>);
        let ends: [(&str, End); 5] = [
            ("drops", |pool, process| drop((pool, process))),
            ("terminates", |pool, process| {
                pool.terminate();
                pool.join().unwrap();
                assert!(is_refused(process.terminate()) && is_refused(process.kill()));
                std::mem::forget((pool, process));
            }),
            ("closes", |pool, process| {
                pool.close();
                pool.join().unwrap();
                std::mem::forget((pool, process));
            }),
            ("exits", |pool, process| {
                std::mem::forget((pool, process));
                std::process::exit(0);
            }),
            ("shuts down", |pool, process| {
                pool_runtime::shutdown();
                std::mem::forget((pool, process));
            }),
        ];
        for (how, end) in ends {
            let status = in_a_copy(|| {
                assert!(is_refused(pool.apply(square, 1)));
                assert!(is_refused(pool.apply_async(square, 1)));
                assert!(is_refused(pool.map(square, [1])));
                assert!(is_refused(pool.map_async(square, [1])));
                assert!(is_refused(pool.imap(square, [1]).next().unwrap()));
                assert!(is_refused(pool.imap_unordered(square, [1]).next().unwrap().1));
                assert!(pool.workers().is_empty());
                // SAFETY: this copy ends before it would use or drop them otherwise.
                let (pool, process) = unsafe {
                    (std::ptr::read(&raw const pool), std::ptr::read(&raw const process))
                };
                end(pool, process);
            });
            assert_eq!(status, 0, "the copy that {how} was let in, or died");
            assert_eq!(pids(&pool), before, "the copy that {how} ended a worker");
            assert!(process.is_alive(), "the copy that {how} ended a process");
        }
        std::fs::write(go, "").unwrap();
        assert!(before.contains(&call.get().unwrap()));
        assert_eq!(process.join().unwrap(), process.pid());
        assert_eq!(pool.map(square, 0..4).unwrap(), [0, 1, 4, 9]);
        assert_eq!(idle(&pool, 2), before);
    });
}
