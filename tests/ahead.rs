//! Chunks are sent ahead to workers that are still busy. That must cost nobody
//! anything: not an idle worker, not another job, not the items of the dead.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pool_runtime::{ErrorKind, Pool, WorkerState, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::{kill_this_process, send};
use pool_tests::pools::{idle, pids};
use pool_tests::rng::{Rng, seed};
use pool_tests::temp::TempDir;
use pool_tests::{runs, wait};
use rustix::process::Signal;

/// Notes its run, and waits until the file is there.
#[pool_task]
fn note_and_wait(dir: &Path, item: u64, file: &str) -> u64 {
    runs::note(dir, item);
    wait::until("the file", || Path::new(file).exists());
    item * 2
}

/// Notes its run, and takes a while.
#[pool_task]
fn note_and_nap(dir: &Path, item: u64, microseconds: u64) -> u64 {
    runs::note(dir, item);
    std::thread::sleep(Duration::from_micros(microseconds));
    item * 2
}

#[pool_task]
fn note_and_die(dir: &Path, item: u64, dies: bool) -> u64 {
    runs::note(dir, item);
    if dies {
        kill_this_process();
    }
    item * 2
}

fn noted(dir: &TempDir) -> BTreeMap<u64, Vec<u32>> {
    runs::noted(dir.path())
}

fn ran_once_each(dir: &TempDir, items: impl Iterator<Item = u64>) {
    let noted = noted(dir);
    for item in items {
        assert_eq!(noted.get(&item).map_or(0, Vec::len), 1, "runs of item {item}: {noted:?}");
    }
}

/// Two items each never end until they are let. What was sent behind them must get
/// to the worker that has nothing, and then to the one that is left.
#[test]
fn a_slow_item_does_not_keep_those_that_were_sent_behind_it() {
    let _clean = clean();
    for workers in [2, 3] {
        let pool = Pool::new(workers).unwrap();
        let (dir, files) = (TempDir::new(), TempDir::new());
        let file = files.file("go");
        let slow = workers as u64 - 1;
        let items = (0..200).map(|item| (dir.path(), item, if item < slow { &*file } else { "/" }));
        let results = pool.job(note_and_wait).chunk_size(1).window(1000);
        let mut results = results.imap_unordered(items);
        for _ in slow..200 {
            let (item, result) = results.next().unwrap();
            assert!(item as u64 >= slow, "the slow item {item} cannot be done yet");
            assert_eq!(result.unwrap(), item as u64 * 2);
        }
        std::fs::write(&file, "").unwrap();
        let last: Vec<u64> = results.map(|(_, result)| result.unwrap()).collect();
        assert_eq!(last.len() as u64, slow);
        ran_once_each(&dir, 0..200);
    }
}

#[test]
fn a_worker_that_is_killed_with_others_queued_behind_its_item_costs_that_item() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for chunk in [1, 4, 50] {
        let (dir, files) = (TempDir::new(), TempDir::new());
        let never = files.file("never");
        let items = (0..100).map(|item| (dir.path(), item, if item == 7 { &*never } else { "/" }));
        let mut dead = None;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // The file is there before the pid is in it.
                let begun = || noted(&dir).get(&7).is_some_and(|pids| !pids.is_empty());
                wait::until("the item to begin", begun);
                send(noted(&dir)[&7][0], Signal::KILL);
            });
            let results = pool.job(note_and_wait).chunk_size(chunk).window(1000).imap(items);
            for (item, result) in results.enumerate() {
                if item != 7 {
                    assert_eq!(result.unwrap(), item as u64 * 2);
                    continue;
                }
                let error = result.unwrap_err();
                assert_eq!((error.kind(), error.item()), (ErrorKind::Died, Some(7)), "{error}");
                assert_eq!(error.signal(), Some(libc::SIGKILL), "{error}");
                dead = error.pid();
            }
        });
        ran_once_each(&dir, 0..100);
        assert_eq!(Some(noted(&dir)[&7][0]), dead);
        assert!(!idle(&pool, 2).contains(&dead.unwrap()));
    }
}

#[test]
fn every_worker_that_kills_itself_costs_one_item_however_much_is_queued() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for chunk in [1, 3, 64] {
        let dir = TempDir::new();
        let dies = |item: u64| item % 10 == 3;
        let items = (0..200).map(|item| (dir.path(), item, dies(item)));
        let results = pool.job(note_and_die).chunk_size(chunk).window(1000).imap(items);
        let mut dead = BTreeSet::new();
        for (item, result) in (0..).zip(results) {
            match result {
                Ok(double) => assert_eq!((double, dies(item)), (item * 2, false)),
                Err(error) => {
                    assert!(dies(item), "item {item}: {error}");
                    assert_eq!(error.kind(), ErrorKind::Died, "{error}");
                    dead.insert(error.pid().unwrap());
                }
            }
        }
        assert_eq!(dead.len(), 20, "one for each of them");
        ran_once_each(&dir, 0..200);
    }
}

/// One worker, which is at an item of the first job, and has been sent items of two
/// others, in turns.
#[test]
fn a_job_that_is_dropped_does_not_disturb_others_in_the_same_queue() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let before = idle(&pool, 1);
    let files = TempDir::new();
    let file = files.file("go");
    let (first, second, third) = (TempDir::new(), TempDir::new(), TempDir::new());
    let begin = |dir: &TempDir, count| {
        let items: Vec<_> =
            (0..count).map(|item| (dir.path().to_owned(), item, file.clone())).collect();
        pool.job(note_and_wait).chunk_size(1).map_async(items).unwrap()
    };
    let at_work = begin(&first, 1);
    wait::until("the first job to begin", || noted(&first).len() == 1);
    let (dropped, kept) = (begin(&second, 20), begin(&third, 20));
    dropped.cancel();
    assert_eq!(dropped.get().unwrap_err().kind(), ErrorKind::Cancelled);
    std::fs::write(&file, "").unwrap();
    assert_eq!(kept.get().unwrap(), (0..20).map(|item| item * 2).collect::<Vec<_>>());
    assert_eq!(at_work.get().unwrap(), [0]);
    assert_eq!(idle(&pool, 1), before, "the worker had not begun what was dropped");
    ran_once_each(&first, 0..1);
    ran_once_each(&third, 0..20);
    assert!(noted(&second).is_empty(), "what was dropped ran");

    // Now the job that the worker is at is the one that goes, and the worker with it.
    std::fs::remove_file(&file).unwrap();
    let (first, third) = (TempDir::new(), TempDir::new());
    let at_work = begin(&first, 1);
    wait::until("the first job to begin", || noted(&first).len() == 1);
    let kept = begin(&third, 20);
    at_work.cancel();
    std::fs::write(&file, "").unwrap();
    assert_eq!(kept.get().unwrap(), (0..20).map(|item| item * 2).collect::<Vec<_>>());
    assert_eq!(at_work.get().unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(idle(&pool, 1).is_disjoint(&before));
    ran_once_each(&first, 0..1);
    ran_once_each(&third, 0..20);
}

/// Kills busy workers again and again, until it is told to stop; gives whom. `settled`
/// counts the results that have come.
fn torment(pool: &Pool, mut rng: Rng, settled: &AtomicUsize, stop: &AtomicBool) -> BTreeSet<u32> {
    let (mut killed, mut before) = (BTreeSet::new(), None);
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_micros(rng.below(20_000) as u64));
        // Where no item begins between the kills, as on a machine that takes longer to start
        // workers than to kill them, the pool would give up.
        let now = Some(settled.load(Ordering::Relaxed));
        if now == before {
            continue;
        }
        let mut busy = pool.workers();
        busy.retain(|worker| worker.state == WorkerState::Busy);
        if !busy.is_empty() {
            let pid = busy[rng.below(busy.len())].pid;
            let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
            // It may be gone, or as good as gone.
            if rustix::process::kill_process(pid, Signal::KILL).is_ok() {
                before = now;
                killed.insert(pid.as_raw_nonzero().get().unsigned_abs());
            }
        }
    }
    killed
}

#[test]
fn kills_at_random_cost_one_item_each_at_most_and_no_item_runs_twice() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    let (begun, mut rng) = (Instant::now(), Rng::new(seed()));
    let (mut deaths, mut kills) = (0, 0);
    // For longer where all this takes longer.
    while begun.elapsed() < Duration::from_secs(12) || deaths == 0 || kills <= 20 {
        let dir = TempDir::new();
        let (chunk, count) = (rng.pick(&[1, 2, 7, 40]), 300);
        let naps = rng.pick(&[1, 200, 2000]);
        let items: Vec<_> =
            (0..count).map(|item| (dir.path(), item, rng.below(naps) as u64)).collect();
        let (settled, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let torment_rng = Rng::new(rng.any());
        let (results, killed) = std::thread::scope(|scope| {
            let tormentor = scope.spawn(|| torment(&pool, torment_rng, &settled, &stop));
            let results = pool.job(note_and_nap).chunk_size(chunk).window(1000).imap(items);
            let counted = |_: &_| _ = settled.fetch_add(1, Ordering::Relaxed);
            let results: Vec<_> = results.inspect(counted).collect();
            stop.store(true, Ordering::Relaxed);
            (results, tormentor.join().unwrap())
        });
        let shown = format!("seed {}, chunks of {chunk}, naps below {naps} µs", seed());
        assert_eq!(results.len() as u64, count, "{shown}");
        let noted = noted(&dir);
        let mut dead = BTreeSet::new();
        for (item, result) in (0..).zip(results) {
            let runs = noted.get(&item).map_or(&[][..], Vec::as_slice);
            match result {
                Ok(double) => {
                    assert_eq!(double, item * 2, "{shown}");
                    assert_eq!(runs.len(), 1, "{shown}: item {item} ran in {runs:?}");
                }
                Err(error) => {
                    let named = (error.kind(), error.item(), error.signal());
                    let killed_on = (ErrorKind::Died, Some(item as usize), Some(libc::SIGKILL));
                    assert_eq!(named, killed_on, "{shown}: {error}");
                    let pid = error.pid().unwrap();
                    assert!(killed.contains(&pid), "{shown}: {error}");
                    assert!(dead.insert(pid), "{shown}: a second item of that worker: {error}");
                    // It may have died before it could note the run.
                    assert!(runs.is_empty() || runs == [pid], "{shown}: {error}, ran in {runs:?}");
                }
            }
        }
        deaths += dead.len();
        kills += killed.len();
        wait::until("the killed to go", || killed.is_disjoint(&pids(&pool)));
    }
}

/// Appends a letter to a file, takes a while, and goes on when the other file is there.
#[pool_task]
fn sign(file: &Path, letter: char, go: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(letter.to_string().as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(1));
    wait::until("all items to be given", || go.exists());
}

#[test]
fn two_jobs_of_two_threads_take_turns() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let dir = TempDir::new();
    let (file, go) = (dir.path().join("signed"), dir.path().join("go"));
    // Tells when the items have all been asked for.
    let run = |letter, count, given: &dyn Fn()| {
        let item = |n| {
            (n < count).then(|| (&*file, letter, &*go)).or_else(|| {
                given();
                None
            })
        };
        pool.job(sign).chunk_size(1).window(1000).map((0..).map_while(item)).unwrap();
    };
    let all_given = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let long = scope.spawn(|| run('a', 600, &|| all_given.store(true, Ordering::Relaxed)));
        wait::until("the long job to run", || file.exists() && all_given.load(Ordering::Relaxed));
        run('b', 100, &|| std::fs::write(&go, "").unwrap());
        assert!(!long.is_finished(), "the short job was over after the long one");
    });
    let signed = std::fs::read_to_string(&file).unwrap();
    assert_eq!(signed.len(), 700);
    // From when the short job came until it was done, one of each in turn, but for
    // what the worker had been sent before that, and what the callers had not yet
    // queued.
    let span = &signed[..=signed.rfind('b').unwrap()];
    let longest = span.split('b').map(str::len).max().unwrap();
    assert!(longest <= 2 * 64, "{longest} of the long job in a row: {signed}");
    let between = span.trim_start_matches('a').matches('a').count();
    assert!((30..=300).contains(&between), "{between} of the long job in between: {signed}");
}
