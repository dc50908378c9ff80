//! Submitting and waiting.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use pool_runtime::{AsyncResult, Error, ErrorKind, Pool, WorkerState, pool_task};
use pool_tests::clean::clean;
use pool_tests::futures::{block_on, block_on_for};
use pool_tests::temp::TempDir;
use pool_tests::wait;

use crate::tasks::{forever, square};

#[pool_task]
fn odd_names(self_: u8, f: u8, pool: u8, args: u8, task: u8, items: u8, input: u8) -> [u8; 7] {
    [self_, f, pool, args, task, items, input]
}

/// Ends when the file is there, in a panic if so it says.
#[pool_task]
fn gate(file: &Path) -> u64 {
    let mut word = String::new();
    wait::until("the gate to open", || {
        word = std::fs::read_to_string(file).unwrap_or_default();
        !word.is_empty()
    });
    assert_ne!(word, "fail");
    word.parse().unwrap()
}

/// Several handles of which some are done.
struct Several {
    waiting: Vec<(usize, AsyncResult<u64>)>,
    done: Vec<(usize, Result<u64, Error>)>,
}

impl Several {
    fn new(handles: impl IntoIterator<Item = AsyncResult<u64>>) -> Several {
        Several { waiting: handles.into_iter().enumerate().collect(), done: Vec::new() }
    }

    /// Waits until `enough` is true of what is done; `None` if it is not in time.
    fn wait(&mut self, limit: Duration, enough: impl Fn(&Several) -> bool) -> Option<()> {
        let all = poll_fn(|context| {
            self.waiting.retain_mut(|(which, handle)| {
                match Pin::new(handle).poll(context) {
                    Poll::Ready(result) => self.done.push((*which, result)),
                    Poll::Pending => return true,
                }
                false
            });
            if enough(self) { Poll::Ready(()) } else { Poll::Pending }
        });
        block_on_for(limit, all)
    }

    fn done(&self) -> BTreeSet<usize> {
        self.done.iter().map(|&(which, _)| which).collect()
    }
}

/// Calls of `gate`, each with a worker for itself.
struct Gates {
    dir: TempDir,
    pool: Pool,
}

impl Gates {
    fn new(count: usize) -> Gates {
        Gates { dir: TempDir::new(), pool: Pool::new(count).unwrap() }
    }

    fn several(&self, count: usize) -> Several {
        let call =
            |which| self.pool.apply_async(gate, self.dir.path().join(format!("{which}"))).unwrap();
        Several::new((0..count).map(call))
    }

    fn open(&self, which: usize, word: &str) {
        // In one step, so that nobody reads half of it.
        std::fs::write(self.dir.file("new"), word).unwrap();
        std::fs::rename(self.dir.file("new"), self.dir.file(&which.to_string())).unwrap();
    }
}

#[test]
fn r024_arguments_of_odd_names_arrive() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let args = (1, 2, 3, 4, 5, 6, 7);
    assert_eq!(pool.apply(odd_names, args).unwrap(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(odd_names.spawn(args).unwrap().join().unwrap(), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn r025_a_timed_get_ends_in_time_and_the_pool_can_be_terminated() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let mut result = pool.apply_async(forever, ()).unwrap();
    let limit = Duration::from_millis(50);
    let start = Instant::now();
    let error = result.get_timeout(limit).unwrap_err();
    let took = start.elapsed();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!((limit..limit + Duration::from_secs(20)).contains(&took), "{took:?}");
    pool.terminate();
    pool.join().unwrap();
    assert_eq!(result.get().unwrap_err().kind(), ErrorKind::Terminated);
}

#[test]
fn r026_waiting_for_the_first_the_first_failure_or_all_gives_exact_sets() {
    let _clean = clean();
    let gates = Gates::new(4);
    let mut several = gates.several(4);
    assert_eq!(several.wait(Duration::from_millis(20), |s| !s.done.is_empty()), None);
    assert_eq!(several.done(), BTreeSet::new());

    gates.open(2, "22");
    several.wait(Duration::MAX, |s| !s.done.is_empty()).unwrap();
    assert_eq!(several.done(), BTreeSet::from([2]));

    gates.open(1, "fail");
    let any_failed = |s: &Several| s.done.iter().any(|(_, result)| result.is_err());
    several.wait(Duration::MAX, any_failed).unwrap();
    assert_eq!(several.done(), BTreeSet::from([1, 2]));

    let all = |s: &Several| s.waiting.is_empty();
    assert_eq!(several.wait(Duration::from_millis(20), all), None);
    assert_eq!(several.done(), BTreeSet::from([1, 2]));
    gates.open(0, "20");
    gates.open(3, "23");
    several.wait(Duration::MAX, all).unwrap();
    assert_eq!(several.done(), BTreeSet::from([0, 1, 2, 3]));
    for (which, result) in several.done {
        assert_eq!(result.ok(), (which != 1).then_some(20 + which as u64));
    }
}

#[test]
fn r027_handles_are_polled_to_completion_in_its_order_and_yield_once() {
    let _clean = clean();
    let gates = Gates::new(3);
    let mut several = gates.several(3);
    for (done, which) in [2, 0, 1].into_iter().enumerate() {
        gates.open(which, "5");
        several.wait(Duration::MAX, |s| s.done.len() > done).unwrap();
    }
    let order: Vec<usize> = several.done.iter().map(|&(which, _)| which).collect();
    assert_eq!(order, [2, 0, 1]);

    let mut handle = gates.pool.apply_async(square, 3).unwrap();
    assert_eq!(block_on(&mut handle).unwrap(), 9);
    let error = block_on(&mut handle).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "the result was had before");
}

#[test]
fn r028_chains_of_a_hundred_submissions() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let chain = async |start: u64| {
        let mut n = start;
        for _ in 0..100 {
            n = pool.apply_async(square, n % 1_000 + 1)?.await?;
        }
        Ok::<u64, Error>(n)
    };
    let expected = |start: u64| (0..100).fold(start, |n, _| (n % 1_000 + 1).pow(2));
    std::thread::scope(|scope| {
        for start in [1, 7, 500] {
            let chain = &chain;
            scope.spawn(move || assert_eq!(block_on(chain(start)).unwrap(), expected(start)));
        }
    });
}

#[test]
fn r029_a_pool_is_made_and_used_off_the_main_thread() {
    let _clean = clean();
    let thread = std::thread::spawn(|| {
        let pool = Pool::new(2).unwrap();
        let results = pool.map(square, 0..10).unwrap();
        pool.close();
        pool.join().unwrap();
        results
    });
    assert_eq!(thread.join().unwrap()[9], 81);
}

#[test]
fn r030_the_first_of_several_handles_to_resolve_is_found_and_of_none_none() {
    let _clean = clean();
    let first = |s: &Several| s.waiting.is_empty() || !s.done.is_empty();
    let mut none = Several::new([]);
    none.wait(Duration::MAX, first).unwrap();
    assert!(none.done.is_empty());

    let gates = Gates::new(2);
    let mut two = gates.several(2);
    let busy = |worker: &pool_runtime::WorkerInfo| worker.state == WorkerState::Busy;
    wait::until("both to run", || gates.pool.workers().iter().all(busy));
    gates.open(1, "8");
    two.wait(Duration::MAX, first).unwrap();
    assert_eq!(two.done(), BTreeSet::from([1]));
}
