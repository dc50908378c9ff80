//! Taking work back.

use std::path::Path;
use std::time::Duration;

use pool_runtime::{AsyncResult, CancelToken, ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::send;
use pool_tests::pools::{idle, pids};
use pool_tests::temp::TempDir;
use pool_tests::{runs, wait};
use rustix::process::Signal;

use crate::tasks::{forever, note_and_wait, own_pid, square};

/// Notes that it has begun and, when the file is there, that it goes on.
#[pool_task]
fn begin_and_go_on(dir: &Path, file: &str) {
    runs::note(dir, 0);
    wait::until("the file", || Path::new(file).exists());
    runs::note(dir, 1);
}

/// Ignores what can be ignored.
#[pool_task]
fn ignore_signals(dir: &Path) {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: ignoring is a valid disposition for these.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    runs::note(dir, 0);
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Waits until an item has begun; gives in which process.
fn begun(dir: &TempDir, item: u64) -> u32 {
    let mut pid = None;
    wait::until("the item to begin", || {
        pid = runs::noted(dir.path()).get(&item).and_then(|pids| pids.first().copied());
        pid.is_some()
    });
    pid.unwrap()
}

fn assert_cancelled<T: std::fmt::Debug>(result: AsyncResult<T>) {
    assert_eq!(result.get().unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn r054_after_a_cancelled_task_the_pid_is_another_and_the_next_task_is_fine() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let before = pool.apply(own_pid, ()).unwrap();
    let notes = TempDir::new();
    let running = pool.apply_async(begin_and_go_on, (notes.path(), "/no/such/file")).unwrap();
    assert_eq!(begun(&notes, 0), before);
    running.cancel();
    assert_cancelled(running);
    assert_ne!(pool.apply(own_pid, ()).unwrap(), before);
    assert!(!wait::is_running(before));
}

#[test]
fn r055_a_task_that_ignores_signals_is_killed_all_the_same() {
    let _clean = clean();
    let run = |pool: &Pool| {
        let notes = TempDir::new();
        let running = pool.apply_async(ignore_signals, notes.path()).unwrap();
        (begun(&notes, 0), running)
    };
    let pool = Pool::new(1).unwrap();
    let (cancelled, running) = run(&pool);
    running.cancel();
    assert_cancelled(running);
    let (terminated, running) = run(&pool);
    pool.terminate();
    pool.join().unwrap();
    assert_eq!(running.get().unwrap_err().kind(), ErrorKind::Terminated);
    let pool = Pool::new(1).unwrap();
    let (dropped, running) = run(&pool);
    drop(pool);
    assert_eq!(running.get().unwrap_err().kind(), ErrorKind::Terminated);
    let pool = Pool::builder().workers(1).kill_grace(Duration::from_millis(100)).build().unwrap();
    let notes = TempDir::new();
    let late = pool.job(ignore_signals).timeout(Duration::from_secs(1)).apply(notes.path());
    assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(pool.apply(square, 2).unwrap(), 4);
    let overdue = begun(&notes, 0);
    for pid in [cancelled, terminated, dropped, overdue] {
        assert!(!wait::is_running(pid));
    }
}

#[test]
fn r056_cancelled_after_the_first_result_the_remaining_items_never_run() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let (dir, notes) = (TempDir::new(), TempDir::new());
    let never = dir.file("never");
    let items = (0..20).map(|item| (notes.path(), item, if item == 0 { "/" } else { &*never }));
    let mut results = pool.job(note_and_wait).chunk_size(1).window(20).imap(items.clone());
    assert_eq!(results.next().unwrap().unwrap(), 0);
    begun(&notes, 1);
    drop(results);
    assert_eq!(pool.apply(square, 2).unwrap(), 4);
    assert_eq!(runs::noted(notes.path()).into_keys().collect::<Vec<_>>(), [0, 1]);

    let notes = TempDir::new();
    let all_items = items.clone().map(|(_, item, file)| (notes.path(), item, file));
    let all = pool.job(note_and_wait).chunk_size(1).map_async(all_items).unwrap();
    begun(&notes, 1);
    all.cancel();
    assert_cancelled(all);
    assert_eq!(pool.apply(square, 2).unwrap(), 4);
    assert_eq!(runs::noted(notes.path()).into_keys().collect::<Vec<_>>(), [0, 1]);

    // By a token, one by one: whoever asks for the rest is told so.
    let notes = TempDir::new();
    let items = items.map(|(_, item, file)| (notes.path(), item, file));
    let token = CancelToken::new();
    let job = pool.job(note_and_wait).chunk_size(1).window(20).cancel_token(&token);
    let mut results = job.imap(items);
    assert_eq!(results.next().unwrap().unwrap(), 0);
    begun(&notes, 1);
    token.cancel();
    assert_eq!(results.next().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(pool.apply(square, 2).unwrap(), 4);
    assert_eq!(runs::noted(notes.path()).into_keys().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn r060_a_cancelled_queued_task_never_runs_and_the_next_one_does() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let (dir, notes) = (TempDir::new(), TempDir::new());
    let go = dir.file("go");
    let call = |item| pool.apply_async(note_and_wait, (notes.path(), item, &*go)).unwrap();
    let (running, queued, next) = (call(0), call(1), call(2));
    let pid = begun(&notes, 0);
    queued.cancel();
    assert_cancelled(queued);
    std::fs::write(&go, "").unwrap();
    assert_eq!((running.get().unwrap(), next.get().unwrap()), (0, 2));
    assert_eq!(runs::noted(notes.path()).into_keys().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(pool.apply(own_pid, ()).unwrap(), pid, "a worker was lost for it");
}

#[test]
fn r063_a_cancelled_tasks_side_effect_never_happens_and_no_worker_is_lost() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for _ in 0..25 {
        let (dir, notes) = (TempDir::new(), TempDir::new());
        let go = dir.file("go");
        let running = pool.apply_async(begin_and_go_on, (notes.path(), &*go)).unwrap();
        let pid = begun(&notes, 0);
        running.cancel();
        // It would go on now.
        std::fs::write(go, "").unwrap();
        assert_cancelled(running);
        wait::until("it to end", || !wait::is_running(pid));
        assert_eq!(runs::noted(notes.path()).into_keys().collect::<Vec<_>>(), [0]);
    }
    assert_eq!(pool.map(square, 0..4).unwrap(), [0, 1, 4, 9]);
    idle(&pool, 2);
}

#[test]
fn r064_terminating_workers_that_are_dead_or_not_yet_started_is_fine() {
    let _clean = clean();
    for _ in 0..20 {
        let pool = Pool::new(2).unwrap();
        let before = pids(&pool);
        for &pid in &before {
            send(pid, Signal::KILL);
        }
        // Dead, or being replaced.
        pool.terminate();
        pool.join().unwrap();
        assert!(pool.workers().is_empty());
        assert!(before.into_iter().all(|pid| !wait::is_running(pid)));
    }
    let process = forever.spawn(()).unwrap();
    send(process.pid(), Signal::KILL);
    wait::until("it to end", || !process.is_alive());
    process.terminate().unwrap();
    process.kill().unwrap();
}
