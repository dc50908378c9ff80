//! `apply`, `apply_async` and what an `AsyncResult` can do.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use pool_runtime::{AsyncResult, Error, ErrorKind, Pool, WorkerState, pool_task};
use pool_tests::clean::clean;
use pool_tests::futures::block_on;
use pool_tests::tasks::{forever, square};
use pool_tests::wait;

#[pool_task]
fn fail(message: &str) -> u8 {
    panic!("{message}")
}

#[pool_task]
fn touch(path: &str) {
    std::fs::write(path, "").unwrap();
}

#[pool_task]
fn touch_and_stay(path: &str) {
    let () = touch(path);
    let () = forever();
}

#[pool_task]
fn checked_div(a: i32, b: i32) -> Result<i32, String> {
    a.checked_div(b).ok_or_else(|| "division by zero".to_owned())
}

#[test]
fn a_call_gives_its_result() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.apply(square, 12).unwrap(), 144);
    let result = pool.apply_async(square, 12).unwrap();
    assert_eq!(result.get().unwrap(), 144);
    let results: Vec<_> = (0..100).map(|n| pool.apply_async(square, n).unwrap()).collect();
    for (n, result) in (0..).zip(results) {
        assert_eq!(result.get().unwrap(), n * n);
    }
}

#[test]
fn an_err_that_a_task_returns_is_a_result() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.apply(checked_div, (6, 3)).unwrap(), Ok(2));
    assert_eq!(pool.apply(checked_div, (6, 0)).unwrap(), Err("division by zero".to_owned()));
    let result = pool.apply_async(checked_div, (6, 0)).unwrap();
    result.wait();
    assert_eq!(result.successful(), Some(true));
}

#[test]
fn a_failed_call_names_the_task_and_no_item() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).env("RUST_LIB_BACKTRACE", "1").build().unwrap();
    let pid = pool.workers()[0].pid;
    let error = pool.apply(fail, "oh no").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked);
    assert_eq!(error.task(), Some("submit::fail"));
    assert_eq!((error.item(), error.pid()), (None, Some(pid)));
    assert_eq!(error.panic_message(), Some("oh no"));
    assert!(error.panic_location().unwrap().contains("submit.rs:"), "{error}");
    assert!(error.backtrace().unwrap().contains("fail"), "{:?}", error.backtrace());
    assert!(error.to_string().starts_with("task submit::fail panicked at "), "{error}");
    assert_eq!(pool.workers()[0].pid, pid, "a panic does not cost the worker");
    let result = pool.apply_async(fail, "again").unwrap();
    result.wait();
    assert_eq!((result.ready(), result.successful()), (true, Some(false)));
}

#[test]
fn a_wait_with_a_limit_ends_in_time_and_the_call_goes_on() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let file = std::env::temp_dir().join(format!("pool-tests-submit-{}", std::process::id()));
    let mut result = pool.apply_async(wait_for_file, file.to_str().unwrap()).unwrap();
    let start = Instant::now();
    let error = result.get_timeout(Duration::from_millis(30)).unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(!result.wait_timeout(Duration::ZERO));
    assert_eq!((result.ready(), result.successful()), (false, None));
    std::fs::write(&file, "").unwrap();
    assert!(result.wait_timeout(Duration::MAX));
    assert_eq!(result.get_timeout(Duration::ZERO).unwrap(), 7);
    let error = result.get_timeout(Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "a result can be taken once");
    std::fs::remove_file(&file).unwrap();
}

#[pool_task]
fn wait_for_file(path: &str) -> u8 {
    wait::until("the file", || std::path::Path::new(path).exists());
    7
}

#[test]
fn a_result_is_a_future() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let both = async {
        let first: AsyncResult<u64> = pool.apply_async(square, 3)?;
        let second = pool.map_async(square, [1, 2])?;
        Ok::<_, Error>((first.await?, second.await?))
    };
    assert_eq!(block_on(both).unwrap(), (9, vec![1, 4]));
    let error = block_on(pool.apply_async(fail, "async").unwrap()).unwrap_err();
    assert_eq!(error.panic_message(), Some("async"));
}

#[test]
fn a_future_wakes_when_the_pool_is_terminated() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let result = pool.apply_async(forever, ()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            wait::until("the call to run", || pool.workers()[0].state == WorkerState::Busy);
            pool.terminate();
        });
        assert_eq!(block_on(result).unwrap_err().kind(), ErrorKind::Terminated);
    });
}

#[test]
fn a_waker_may_use_the_pool_and_let_go_of_its_handles() {
    struct Busy(Arc<Pool>, std::sync::Mutex<Option<AsyncResult<u64>>>, AtomicBool);
    impl Wake for Busy {
        fn wake(self: Arc<Self>) {
            assert_eq!(self.0.workers().len(), 1);
            drop(self.1.lock().unwrap().take());
            drop(self.0.apply_async(square, 1));
            self.2.store(true, Ordering::SeqCst);
        }
    }
    let _clean = clean();
    let pool = Arc::new(Pool::new(1).unwrap());
    let other = pool.apply_async(square, 2).unwrap();
    let busy = Arc::new(Busy(Arc::clone(&pool), Some(other).into(), AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&busy));
    let mut result = pool.apply_async(square, 3).unwrap();
    let mut context = Context::from_waker(&waker);
    if std::pin::Pin::new(&mut result).poll(&mut context).is_pending() {
        wait::until("the wake", || busy.2.load(Ordering::SeqCst));
        assert_eq!(result.get().unwrap(), 9);
    }
    drop(busy);
}

#[test]
fn a_cancelled_call_never_runs_or_is_killed() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let file = std::env::temp_dir().join(format!("pool-tests-cancel-{}", std::process::id()));
    let begun = file.with_extension("begun");
    let running = pool.apply_async(touch_and_stay, begun.to_str().unwrap()).unwrap();
    let queued = pool.apply_async(touch, file.to_str().unwrap()).unwrap();
    let pid = pool.workers()[0].pid;
    wait::until("the first call to begin", || begun.exists());
    std::fs::remove_file(&begun).unwrap();
    queued.cancel();
    assert_eq!(queued.get().unwrap_err().kind(), ErrorKind::Cancelled);
    running.cancel();
    assert_eq!(running.get().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(pool.apply(square, 2).unwrap(), 4);
    assert!(!wait::is_running(pid));
    assert!(!file.exists(), "a cancelled call ran");
    let done = pool.apply_async(square, 5).unwrap();
    done.wait();
    done.cancel();
    assert_eq!(done.get().unwrap(), 25, "cancelling what is done changes nothing");
}

#[test]
fn a_dropped_result_lets_the_call_run_to_its_end() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let file = std::env::temp_dir().join(format!("pool-tests-detach-{}", std::process::id()));
    drop(pool.apply_async(touch, file.to_str().unwrap()).unwrap());
    pool.close();
    pool.join().unwrap();
    std::fs::remove_file(&file).expect("the call ran");
}

#[test]
fn calls_can_follow_from_one_another() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let mut n = 1;
    for _ in 0..100 {
        n = pool.apply_async(square, n % 1_000 + 1).unwrap().get().unwrap();
    }
    assert!(n > 0);
}

#[test]
fn a_handle_outlives_its_pool() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let done = pool.apply_async(square, 4).unwrap();
    done.wait();
    let pending = pool.apply_async(forever, ()).unwrap();
    drop(pool);
    assert_eq!(done.get().unwrap(), 16);
    assert_eq!(pending.get().unwrap_err().kind(), ErrorKind::Terminated);
}
