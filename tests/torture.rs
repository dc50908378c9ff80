//! Everything at once: several callers, payloads of all sizes, chunks of all sizes,
//! and workers that are killed all the time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pool_runtime::{Error, ErrorKind, Pool, WorkerState, pool_task};
use pool_tests::alone::alone;
use pool_tests::bytes::{check, payload};
use pool_tests::pools::pids;
use pool_tests::rng::{Rng, seed};
use pool_tests::wait;
use rustix::process::{Pid, Signal, kill_process};

const LONG: Duration = Duration::from_secs(12);
const WORKERS: usize = 3;
const CALLERS: u64 = 3;

/// The largest payload: longer than the ring.
const LARGEST: usize = 12 << 20;

/// Bytes that the program may have in memory. In flight are at most `WINDOW` items of
/// each caller, of which few are large; the rings are touched in part.
const MOST: usize = 768 << 20;
const WINDOW: usize = 12;

/// Most are small, some are large, and each power of two is as likely as another.
fn length(rng: &mut Rng) -> usize {
    match rng.below(40) {
        0 => rng.below(LARGEST),
        1..=3 => 0,
        _ => {
            let bits = rng.below(17);
            rng.below(2 << bits)
        }
    }
}

/// The bytes again, and what they and the item come to.
#[pool_task]
fn echo(item: u64, data: Vec<u8>) -> (u64, Vec<u8>) {
    (item ^ check(&data), data)
}

/// The same with an argument that is lent.
#[pool_task]
fn echo_lent(item: u64, data: &[u8]) -> (u64, Vec<u8>) {
    (item ^ check(data), data.to_vec())
}

fn assert_killed(error: &Error, item: Option<usize>, shown: &str) {
    let named = (error.kind(), error.signal());
    assert_eq!(named, (ErrorKind::Died, Some(libc::SIGKILL)), "{shown}: {error}");
    assert!(error.item().is_some() && (item.is_none() || item == error.item()), "{shown}: {error}");
    let says = "was killed by SIGKILL while running torture::echo";
    assert!(error.to_string().contains(says), "{shown}: {error}");
}

/// One map of one caller; gives how many items were right, and how many died.
fn call(pool: &Pool, rng: &mut Rng, score: &Score) -> (usize, usize) {
    let (count, chunk) = (1 + rng.below(60), rng.pick(&[1, 2, 5, 60]));
    let first = rng.any();
    let lengths: Vec<usize> = (0..count).map(|_| length(rng)).collect();
    let shown = format!("{count} items, chunks of {chunk}, first {first}");
    let item = |number: usize| first.wrapping_add(number as u64);
    let items =
        || lengths.iter().enumerate().map(|(n, length)| (item(n), payload(*length, item(n))));
    let assert_right = |number: usize, (sum, data): (u64, Vec<u8>)| {
        let sent = payload(lengths[number], item(number));
        assert!(data == sent, "{shown}: item {number} of {} bytes", sent.len());
        assert_eq!(sum, item(number) ^ check(&sent), "{shown}: item {number}");
    };
    let (mut right, mut died) = (0, 0);
    let mut settle = |number: usize, result: Result<(u64, Vec<u8>), Error>| {
        score.settled.fetch_add(1, Ordering::Relaxed);
        match result {
            Ok(result) => {
                assert_right(number, result);
                right += 1;
            }
            Err(error) => {
                assert_killed(&error, Some(number), &shown);
                died += 1;
            }
        }
    };
    match rng.below(4) {
        0 => {
            let results = pool.job(echo).chunk_size(chunk).window(WINDOW).imap(items());
            results.enumerate().for_each(|(number, result)| settle(number, result));
        }
        1 => {
            let results = pool.job(echo_lent).window(WINDOW).imap_unordered(items());
            results.for_each(|(number, result)| settle(number, result));
        }
        2 => match pool.job(echo_lent).chunk_size(chunk).window(WINDOW).map(items()) {
            Ok(results) => results.into_iter().enumerate().for_each(|(n, it)| settle(n, Ok(it))),
            Err(error) => assert_killed(&error, None, &shown),
        },
        _ => {
            // Dropped on the way.
            let results = pool.job(echo).chunk_size(chunk).window(WINDOW).imap(items());
            let some = rng.below(count);
            results.enumerate().take(some).for_each(|(number, result)| settle(number, result));
        }
    }
    assert!(right + died <= count, "{shown}: {right} right and {died} died");
    (right, died)
}

/// What has happened so far.
#[derive(Debug, Default)]
struct Score {
    /// Items whose result or error has come.
    settled: AtomicUsize,
    right: AtomicUsize,
    died: AtomicUsize,
    kills: AtomicUsize,
}

impl Score {
    fn of(count: &AtomicUsize) -> usize {
        count.load(Ordering::Relaxed)
    }

    fn is_enough(&self) -> bool {
        Score::of(&self.right) > 100 && Score::of(&self.kills) > 20
    }
}

/// Kills workers at work again and again, until it is told to stop; gives whom.
fn torment(pool: &Pool, mut rng: Rng, score: &Score, stop: &AtomicBool) -> BTreeSet<u32> {
    let (mut killed, mut before) = (BTreeSet::new(), None);
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_micros(rng.below(60_000) as u64));
        // Where no item begins between the kills, as on a machine that takes longer to start
        // workers than to kill them, the pool would give up.
        let now = Some(Score::of(&score.settled));
        if now == before {
            continue;
        }
        let mut busy = pool.workers();
        busy.retain(|worker| worker.state == WorkerState::Busy);
        if !busy.is_empty() {
            let pid = busy[rng.below(busy.len())].pid;
            // It may be gone by now.
            if kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).is_ok() {
                before = now;
                killed.insert(pid);
                score.kills.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    killed
}

/// A number of kibibytes that the kernel keeps of this process, in bytes.
fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// Channels that this process has mapped, each as one piece or a few.
fn mapped_channels() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let channels = maps.lines().filter(|line| line.contains("memfd:pool-channel"));
    // The control words are at the beginning of the file, once.
    channels.filter(|line| line.split_whitespace().nth(2) == Some("00000000")).count()
}

#[test]
fn results_are_right_whatever_is_sent_and_whoever_is_killed() {
    alone("results_are_right_whatever_is_sent_and_whoever_is_killed", || {
        let seed = seed();
        println!("seed {seed}");
        let pool = Pool::new(WORKERS).unwrap();
        let (stop, start) = (AtomicBool::new(false), Instant::now());
        let score = Score::default();
        let killed = std::thread::scope(|scope| {
            let tormentor = scope.spawn(|| torment(&pool, Rng::new(seed), &score, &stop));
            let callers: Vec<_> = (1..=CALLERS)
                .map(|caller| {
                    let mut rng = Rng::new(seed ^ caller << 32);
                    let (pool, score) = (&pool, &score);
                    scope.spawn(move || {
                        // For longer where all this takes longer.
                        while start.elapsed() < LONG || !score.is_enough() {
                            let (some, others) = call(pool, &mut rng, score);
                            score.right.fetch_add(some, Ordering::Relaxed);
                            score.died.fetch_add(others, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            let over = callers.into_iter().map(std::thread::ScopedJoinHandle::join);
            // All of them, before anything is said of one.
            let over: Vec<_> = over.collect();
            stop.store(true, Ordering::Relaxed);
            over.into_iter().for_each(|over| over.unwrap());
            tormentor.join().unwrap()
        });
        let (right, died) = (Score::of(&score.right), Score::of(&score.died));
        assert!(died <= killed.len(), "{died} items died of {} kills", killed.len());
        wait::until("the killed to go", || killed.is_disjoint(&pids(&pool)));
        assert!(mapped_channels() <= WORKERS, "channels of the dead are mapped");
        assert_eq!(pool.map(echo, [(1, vec![])]).unwrap(), [(1 ^ check(&[]), vec![])]);
        drop(pool);
        assert_eq!(mapped_channels(), 0);
        let peak = memory("VmHWM");
        assert!(peak < MOST, "{} MiB at the peak", peak >> 20);
        println!("{right} right, {died} died of {} kills, {} MiB", killed.len(), peak >> 20);
    });
}
