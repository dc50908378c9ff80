//! Work that is taken back.

use std::time::Duration;

use pool_runtime::{CancelToken, ErrorKind, Pool, Replacement};
use pool_tests::clean::clean;
use pool_tests::pools::pids;
use pool_tests::runs;
use pool_tests::temp::TempDir;
use pool_tests::wait;

use super::{Act, act, items, whoami, whoami_at};

#[test]
fn one_token_takes_back_all_that_have_it_and_nothing_else() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(2).unwrap();
    let token = CancelToken::new();
    let job = pool.job(act).cancel_token(&token);
    let running = [1, 2].map(|item| job.apply_async((at, item, Act::Hang)).unwrap());
    wait::until("both to run", || runs::noted(dir.path()).len() == 2);
    let queued = job.map_async(items(at, &[Act::Return; 5])).unwrap();
    let other = pool.apply_async(act, (at, 100, Act::Return)).unwrap();
    assert!(!token.is_cancelled());
    token.clone().cancel();
    assert!(token.is_cancelled());
    for result in running {
        assert_eq!(result.get().unwrap_err().kind(), ErrorKind::Cancelled);
    }
    assert_eq!(queued.get().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(other.get().unwrap(), 100);
    assert_eq!(runs::noted(dir.path()).len(), 3, "what was queued never ran");
    // What begins later fails at once.
    assert_eq!(job.apply((at, 9, Act::Return)).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(job.map(items(at, &[Act::Return])).unwrap_err().kind(), ErrorKind::Cancelled);
    let mut results = job.imap(items(at, &[Act::Return]));
    assert_eq!(results.next().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(results.next().is_none());
}

#[test]
fn all_that_a_token_takes_back_goes_at_once_so_that_nothing_of_it_begins() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let workers = 8;
    let pools = [Pool::new(workers).unwrap(), Pool::new(workers).unwrap()];
    let token = CancelToken::new();
    let jobs: Vec<_> = pools.iter().map(|pool| pool.job(act).cancel_token(&token)).collect();
    // In turns, one of each pool.
    let call = |item: u64| jobs[item as usize % 2].apply_async((at, item, Act::Hang)).unwrap();
    let calls: Vec<_> = (0..2000).map(call).collect();
    let running = || runs::noted(dir.path()).len();
    wait::until("all workers to be busy", || running() == 2 * workers);
    token.cancel();
    for call in calls {
        assert_eq!(call.get().unwrap_err().kind(), ErrorKind::Cancelled);
    }
    for pool in pools {
        assert_ne!(pool.apply(whoami, ()).unwrap(), 0);
    }
    assert_eq!(running(), 2 * workers);
}

#[test]
fn a_map_on_another_thread_is_taken_back() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(2).unwrap();
    let token = CancelToken::new();
    std::thread::scope(|scope| {
        let map =
            scope.spawn(|| pool.job(act).cancel_token(&token).map(items(at, &[Act::Hang; 3])));
        let lazy = scope.spawn(|| {
            let job = pool.job(act).cancel_token(&token);
            job.imap(items(at, &[Act::Hang])).next().unwrap()
        });
        wait::until("both to be busy", || !runs::noted(dir.path()).is_empty());
        token.cancel();
        assert_eq!(map.join().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(lazy.join().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    });
}

#[test]
fn a_token_of_many_jobs_that_are_done_holds_none_of_them() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(1).unwrap();
    let token = CancelToken::new();
    let job = pool.job(act).cancel_token(&token);
    for item in 0..200 {
        assert_eq!(job.apply((at, item % 3, Act::Return)).unwrap(), item % 3);
    }
    let done = job.apply_async((at, 1, Act::Return)).unwrap();
    done.wait();
    token.cancel();
    assert_eq!(done.get().unwrap(), 1, "a call that is done stays as it is");
}

/// The worker stays, its item finishes, and nothing that came after it begins.
#[test]
fn what_runs_is_left_to_finish_where_the_call_says_so() {
    let _clean = clean();
    for chunk in [1, 4] {
        let dir = TempDir::new();
        let at = dir.path().to_str().unwrap();
        let finish = dir.path().with_extension("go");
        let pool = Pool::new(1).unwrap();
        let worker = *pids(&pool).first().unwrap();
        let job = pool.job(act).cancel_running(false).chunk_size(chunk);
        let result = job.map_async(items(at, &[Act::WaitForFile; 8])).unwrap();
        wait::until("the first to run", || !runs::noted(dir.path()).is_empty());
        result.cancel();
        assert_eq!(result.get().unwrap_err().kind(), ErrorKind::Cancelled);
        let next = pool.apply_async(act, (at, 100, Act::Return)).unwrap();
        assert!(wait::is_running(worker), "it is left to finish");
        std::fs::write(&finish, "").unwrap();
        assert_eq!(next.get().unwrap(), 100);
        std::fs::remove_file(&finish).unwrap();
        let runs = runs::noted(dir.path());
        assert_eq!(runs.keys().copied().collect::<Vec<_>>(), [0, 100], "chunks of {chunk}");
        assert_eq!(runs[&0], [worker]);
        assert_eq!(runs[&100] == [worker], chunk == 1, "who leaves a chunk leaves the pool");
    }
}

/// Whether that is at an item or between two.
#[test]
fn a_worker_that_is_to_leave_a_chunk_of_quick_items_dies_of_nothing() {
    let _clean = clean();
    let long = Duration::from_secs(3600);
    let pool = Pool::builder().workers(1).restart_limit(0, long).build().unwrap();
    let job = pool.job(whoami_at).cancel_running(false).chunk_size(10_000);
    for _ in 0..100 {
        let mut results = job.imap(0..20_000);
        results.next().unwrap().unwrap();
        drop(results);
        pool.apply(whoami, ()).unwrap();
    }
    assert!(pool.workers().iter().all(|worker| worker.replaced != Some(Replacement::Died)));
}

#[test]
fn what_runs_is_asked_to_end_and_then_killed_otherwise() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let grace = Duration::from_millis(100);
    let pool = Pool::builder().workers(1).kill_grace(grace).build().unwrap();
    let worker = *pids(&pool).first().unwrap();
    let result = pool.apply_async(act, (at, 1, Act::HangStubbornly)).unwrap();
    wait::until("it to run", || !runs::noted(dir.path()).is_empty());
    result.cancel();
    assert_eq!(result.get().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(pool.apply(act, (at, 2, Act::Return)).unwrap(), 2);
    assert!(!wait::is_running(worker));
}

#[test]
fn a_queued_call_that_is_taken_back_never_runs_round_after_round() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let worker = pids(&pool);
    for _ in 0..25 {
        let dir = TempDir::new();
        let at = dir.path().to_str().unwrap();
        let go = dir.path().with_extension("go");
        let first = pool.apply_async(act, (at, 1, Act::WaitForFile)).unwrap();
        let second = pool.apply_async(act, (at, 2, Act::Return)).unwrap();
        second.cancel();
        assert_eq!(second.get().unwrap_err().kind(), ErrorKind::Cancelled);
        std::fs::write(&go, "").unwrap();
        assert_eq!(first.get().unwrap(), 1);
        std::fs::remove_file(&go).unwrap();
        assert_eq!(pool.apply(act, (at, 3, Act::Return)).unwrap(), 3);
        assert!(!runs::noted(dir.path()).contains_key(&2));
    }
    assert_eq!(pids(&pool), worker, "no worker was lost");
}
