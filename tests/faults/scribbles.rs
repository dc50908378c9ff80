//! Tasks that write over the memory that their worker shares with the program, as
//! broken C code might.
//!
//! What can be promised? Not that such a worker does anything sensible: what it
//! says of its own items may be wrong, and it may fall silent. It has no result to
//! ring for if it was made to believe that it has rung, or if the last frame claims to
//! be longer than it is: then it looks to the program like a worker with a long item,
//! of which nobody can tell when it ends, and a kill is what ends it. Here the test
//! kills, as a user would.
//!
//! But the program neither panics nor hangs by itself nor believes a length; items
//! that other workers have run are right, and have run once; an error names its
//! item; and once the worker is gone, all is as it was.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pool_runtime::{Error, ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::mapping::{AREA, STRIDE, WORD_COUNT, WORDS, overwrite, word};
use pool_tests::pools::{idle, pids};
use pool_tests::rng::{Rng, seed};
use pool_tests::temp::TempDir;
use pool_tests::{mapping, runs, wait};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// The word in which a worker counts the chunks that it has begun.
const CLAIMS: usize = 11;

/// Where the tasks note what they run. Not among the arguments, since those may
/// be written over.
const DIR: &str = "POOL_TESTS_SCRIBBLES";

const ITEMS: usize = 12;

/// The item that does it.
const BAD: usize = 4;

/// A worker that says nothing for so long is taken to be silent for good.
const SILENT: Duration = Duration::from_millis(200);

/// What is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Scribble {
    Nothing,
    /// Bytes at a place.
    Bytes(usize, Vec<u8>),
    /// A control word, so much more than it was.
    Add(usize, u64),
}

/// Three times the item.
#[pool_task]
fn scribble(item: u64, what: Scribble) -> u64 {
    runs::note(Path::new(&std::env::var_os(DIR).unwrap()), item);
    match what {
        Scribble::Nothing => std::thread::sleep(Duration::from_micros(100)),
        Scribble::Bytes(at, bytes) => overwrite(at, &bytes),
        Scribble::Add(number, more) => {
            let bytes = word(number).wrapping_add(more).to_ne_bytes();
            overwrite(number * STRIDE, &bytes);
        }
    }
    item.wrapping_mul(3)
}

/// A pool, and where its tasks note what they run.
struct Scene {
    pool: Pool,
    dir: TempDir,
    rng: Rng,
}

impl Scene {
    fn new() -> Scene {
        let dir = TempDir::new();
        let pool = Pool::builder().workers(2).env(DIR, dir.path()).build().unwrap();
        Scene { pool, dir, rng: Rng::new(seed()) }
    }

    /// The workers in which the bad item has begun.
    fn scribblers(&self) -> BTreeSet<u32> {
        runs::noted(self.dir.path()).remove(&(BAD as u64)).into_iter().flatten().collect()
    }

    fn kill_scribblers(&self) {
        for pid in self.scribblers().intersection(&pids(&self.pool)) {
            // It may have been found out and be gone by now.
            let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
        }
    }

    /// Runs a few items, of which one scribbles.
    fn run(&mut self, what: &Scribble) {
        let chunk = self.rng.pick(&[1, 3, ITEMS]);
        let shown = format!("seed {}, chunks of {chunk}, {}", seed(), short(what));
        let results = self.results(chunk, what);
        let scribblers = self.scribblers();
        assert!(!scribblers.is_empty(), "{shown}: item {BAD} never ran");

        let mut noted = runs::noted(self.dir.path());
        for (item, result) in results.into_iter().enumerate() {
            let result = result.unwrap_or_else(|| panic!("{shown}: nothing of item {item}"));
            if let Err(error) = &result {
                assert_expected(error, item, &shown);
            }
            // Elsewhere than in the scribbler's own head.
            let runs = noted.remove(&(item as u64)).unwrap_or_default();
            if !runs.is_empty() && runs.iter().all(|pid| !scribblers.contains(pid)) {
                assert_eq!(result.ok(), Some(item as u64 * 3), "{shown}: item {item}");
                assert_eq!(runs.len(), 1, "{shown}: item {item} ran in {runs:?}");
            }
        }

        // It may be mad still, and not know.
        self.kill_scribblers();
        wait::until("the scribbler to go", || scribblers.is_disjoint(&pids(&self.pool)));
        idle(&self.pool, 2);
        let after = self.pool.map(scribble, (0..6).map(|item| (item, Scribble::Nothing)));
        assert_eq!(after.unwrap(), [0, 3, 6, 9, 12, 15], "{shown}");
        assert!(scribblers.is_disjoint(&idle(&self.pool, 2)), "{shown}");
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }

    /// Every result. The scribbler is killed if it falls silent.
    fn results(&self, chunk: usize, what: &Scribble) -> Vec<Option<Result<u64, Error>>> {
        let items = (0..ITEMS).map(|item| {
            let what = if item == BAD { what.clone() } else { Scribble::Nothing };
            (item as u64, what)
        });
        let mut results: Vec<_> = (0..ITEMS).map(|_| None).collect();
        let (came, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut last, mut since) = (0, Instant::now());
                while !over.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(1));
                    if came.load(Ordering::Relaxed) != last {
                        (last, since) = (came.load(Ordering::Relaxed), Instant::now());
                    }
                    if since.elapsed() > SILENT {
                        self.kill_scribblers();
                        since = Instant::now();
                    }
                }
            });
            for (item, result) in self.pool.job(scribble).chunk_size(chunk).imap_unordered(items) {
                came.fetch_add(1, Ordering::Relaxed);
                assert!(results[item].replace(result).is_none(), "item {item} came twice");
            }
            over.store(true, Ordering::Relaxed);
        });
        results
    }
}

fn short(what: &impl Debug) -> String {
    format!("{what:?}").chars().take(200).collect()
}

/// What may be said of an item whose worker is out of its mind.
fn assert_expected(error: &Error, item: usize, shown: &str) {
    const TASK: &str = "faults::scribbles::scribble";
    let text = error.to_string();
    let expected = match error.kind() {
        ErrorKind::Died => {
            let ends = [
                "sent what is no message and was killed",
                "took nothing that it was sent and was killed",
                "exited with code",
                "was killed by",
            ];
            ends.iter().any(|end| text.contains(end))
                && text.contains(&format!(" while running {TASK} on item {item}"))
        }
        // Its arguments, or a report, were written over.
        ErrorKind::Decode | ErrorKind::Encode => {
            text.contains(TASK) && text.contains(&format!(" on item {item}: "))
        }
        ErrorKind::Panicked => text.starts_with(&format!("task {TASK} panicked")),
        ErrorKind::InvalidArgument => text.contains("has no task"),
        _ => false,
    };
    assert!(expected && error.item() == Some(item), "{shown}: item {item}: {error}");
}

#[test]
fn a_task_that_writes_over_a_control_word_harms_its_own_worker_only() {
    let _clean = clean();
    let mut scene = Scene::new();
    for number in 0..WORD_COUNT {
        let bytes = |value: u64| Scribble::Bytes(number * STRIDE, value.to_ne_bytes().to_vec());
        let random = scene.rng.any();
        let values = [0, 1, 8, AREA as u64, 1 << 63, u64::MAX, random, random & 0xff_ffff];
        for what in values.map(bytes) {
            scene.run(&what);
        }
        for more in [1, 8, 64, 1 << 40, 8_u64.wrapping_neg()] {
            scene.run(&Scribble::Add(number, more));
        }
    }
    // All of them at once.
    for byte in [0, 1, 0xff] {
        scene.run(&Scribble::Bytes(0, vec![byte; WORDS]));
    }
}

#[test]
fn a_task_that_writes_over_messages_harms_its_own_worker_only() {
    let _clean = clean();
    let mut scene = Scene::new();
    for _ in 0..120 {
        let rng = &mut scene.rng;
        let area = rng.pick(&[WORDS, WORDS + 2 * AREA]);
        // Where rings are empty again and again, all happens near the start.
        let room = rng.pick(&[64, 256, 1 << 10, 4 << 10, 64 << 10, AREA]);
        let at = area + rng.below(room);
        let length = 1 + rng.pick(&[1, 8, 16, 64, 256, 4 << 10, 1 << 20]);
        let length = rng.below(length) + 1;
        let bytes = match rng.below(5) {
            0 => vec![0; length],
            1 => vec![0xff; length],
            2 => (0..length).map(|_| rng.any() as u8).collect(),
            3 => b"this goes to the wrong place\n".iter().copied().cycle().take(length).collect(),
            _ => {
                // What could be the head of a frame, in all of it.
                let (tag, said) = (1 + rng.any() % 5, rng.pick(&[0, 4, 8, 24, 1 << 20, 1 << 32]));
                (tag << 56 | said).to_ne_bytes().into_iter().cycle().take(length).collect()
            }
        };
        let at = if rng.below(2) == 0 { at } else { at.next_multiple_of(8) };
        scene.run(&Scribble::Bytes(at, bytes));
    }
}

/// Changes how many chunks its worker says to have begun, and stays.
#[pool_task]
fn deny_and_stay(dir: &Path, item: u64, more: u64) -> u64 {
    runs::note(dir, item);
    if more != 0 {
        let begun = word(CLAIMS).wrapping_add(more);
        overwrite(CLAIMS * STRIDE, &begun.to_ne_bytes());
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    item
}

#[test]
fn an_item_whose_worker_denies_having_begun_it_is_not_run_again() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for more in [-1_i64, -2, -3, 2, 1 << 30] {
        let dir = TempDir::new();
        let run = |bad: i64, items| {
            let items = (0..items).map(move |item| (item, if item == 0 { bad as u64 } else { 0 }));
            let items = items.map(|(item, more)| (dir.path(), item, more));
            pool.job(deny_and_stay).chunk_size(1).window(100).imap_unordered(items)
        };
        // So that every worker has begun a few.
        let warm: Vec<_> = run(0, 100).map(|(_, result)| result.unwrap()).collect();
        assert_eq!(warm.len(), 100);
        for item in 0..100 {
            std::fs::remove_file(dir.path().join(item.to_string())).unwrap();
        }
        // When the other worker has nothing left it is to have what waits behind this.
        let mut rest = run(more, 100).filter(|(item, _)| *item != 0);
        for _ in 1..100 {
            rest.next().unwrap().1.unwrap();
        }
        // Its worker need not have come to it yet.
        wait::until("the bad item to begin", || {
            runs::noted(dir.path()).get(&0).is_some_and(|runs| !runs.is_empty())
        });
        let runs = runs::noted(dir.path());
        assert!(runs.values().all(|runs| runs.len() == 1), "{more}: {runs:?}");
        // Whether it was found out or is at work still.
        drop(rest);
        idle(&pool, 2);
        assert_eq!(runs::noted(dir.path())[&0].len(), 1, "{more}");
    }
}

#[test]
fn a_task_that_writes_over_everything_ends_its_worker() {
    let _clean = clean();
    let mut scene = Scene::new();
    for byte in [0, 1, 0x7f, 0xff] {
        scene.run(&Scribble::Bytes(0, vec![byte; mapping::WORDS + 4 * AREA]));
    }
}
