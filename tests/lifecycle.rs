//! From `new` to the last trace: close, join, terminate, drop.

use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, WorkerState, pool_task};
use pool_tests::clean::{clean, descriptors};
use pool_tests::tasks::{forever, nap, square};
use pool_tests::wait;

#[pool_task]
fn process_name() -> String {
    std::fs::read_to_string("/proc/self/comm").unwrap().trim_end().to_owned()
}

#[pool_task]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[pool_task]
fn directory() -> String {
    std::env::current_dir().unwrap().to_str().unwrap().to_owned()
}

/// Uses about this much of the stack.
#[pool_task]
fn use_stack(kibibytes: usize) -> usize {
    let frame = std::hint::black_box([0_u8; 1024]);
    match kibibytes {
        0 => usize::from(frame[0]),
        _ => 1 + use_stack(kibibytes - 1),
    }
}

#[test]
fn a_pool_starts_exactly_its_workers_and_leaves_nothing() {
    let _clean = clean();
    for workers in [1, 2, 5] {
        let pool = Pool::new(workers).unwrap();
        let seen = pool.workers();
        assert_eq!(seen.len(), workers);
        for (slot, worker) in seen.iter().enumerate() {
            assert_eq!((worker.slot, worker.state), (slot, WorkerState::Idle));
            assert!(wait::is_running(worker.pid));
        }
        drop(pool);
        assert!(seen.iter().all(|worker| !wait::is_running(worker.pid)));
    }
}

#[test]
fn the_default_is_a_worker_for_each_core() {
    let _clean = clean();
    let pool = Pool::builder().build().unwrap();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(pool.workers().len(), cores);
}

#[test]
fn a_closed_pool_finishes_what_it_accepted_and_takes_nothing_new() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let results: Vec<_> = (0..20).map(|_| pool.apply_async(nap, 1).unwrap()).collect();
    let map = pool.map_async(square, 0..100).unwrap();
    pool.close();
    assert_eq!(pool.apply(square, 1).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(pool.apply_async(square, 1).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(pool.map(square, [1]).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(pool.map_async(square, [1]).unwrap_err().kind(), ErrorKind::Closed);
    let error = pool.imap(square, [1]).next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    let (_, error) = pool.imap_unordered(square, [1]).next().unwrap();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Closed);
    pool.join().unwrap();
    assert!(pool.workers().is_empty());
    for result in results {
        assert_eq!(result.get().unwrap(), 1);
    }
    assert_eq!(map.get().unwrap()[99], 99 * 99);
    pool.join().unwrap();
    pool.close();
}

#[test]
fn a_closed_pool_gives_its_descriptors_back_before_it_is_dropped() {
    let _clean = clean();
    let before = descriptors();
    let pool = Pool::new(2).unwrap();
    let result = pool.apply_async(square, 3).unwrap();
    pool.close();
    pool.join().unwrap();
    // The idle zygote's are not the pool's.
    pool_runtime::shutdown();
    assert_eq!(descriptors(), before);
    assert_eq!(result.get().unwrap(), 9);
}

#[test]
fn joining_an_open_pool_is_an_error() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.join().unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(pool.apply(square, 2).unwrap(), 4);
}

#[test]
fn terminate_stops_running_work() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let running: Vec<_> = (0..2).map(|_| pool.apply_async(forever, ()).unwrap()).collect();
    let queued = pool.map_async(square, 0..10_000).unwrap();
    pool.terminate();
    for result in running {
        let error = result.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Terminated);
        assert_eq!(error.task(), Some("pool_tests::tasks::forever"));
    }
    assert_eq!(queued.get().unwrap_err().kind(), ErrorKind::Terminated);
    pool.join().unwrap();
    assert_eq!(pool.apply(square, 1).unwrap_err().kind(), ErrorKind::Closed);
    pool.terminate();
}

#[test]
fn dropping_a_busy_pool_kills_its_workers() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let results: Vec<_> = (0..2).map(|_| pool.apply_async(forever, ()).unwrap()).collect();
    let pids: Vec<u32> = pool.workers().iter().map(|worker| worker.pid).collect();
    drop(pool);
    assert!(pids.iter().all(|&pid| !wait::is_running(pid)));
    for result in results {
        assert_eq!(result.get().unwrap_err().kind(), ErrorKind::Terminated);
    }
}

#[test]
fn a_pool_can_be_made_used_and_dropped_on_different_threads() {
    let _clean = clean();
    let pool = std::thread::spawn(|| Pool::new(2).unwrap()).join().unwrap();
    // The thread that started the workers is gone; they are not.
    let pool = std::thread::spawn(move || {
        assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
        pool
    });
    let pool = pool.join().unwrap();
    assert_eq!(pool.apply(square, 7).unwrap(), 49);
    std::thread::spawn(move || drop(pool)).join().unwrap();
}

#[test]
fn the_builder_sets_up_the_workers() {
    let _clean = clean();
    let pool = Pool::builder()
        .workers(1)
        .worker_name("renderer")
        .env("POOL_TESTS_COLOUR", "red")
        .env("POOL_TESTS_COLOUR", "blue")
        .current_dir("/")
        .stack_size(64 << 20)
        .start_timeout(Duration::MAX)
        .build()
        .unwrap();
    assert_eq!(pool.apply(process_name, ()).unwrap(), "renderer-0");
    assert_eq!(pool.apply(variable, "POOL_TESTS_COLOUR").unwrap().unwrap(), "blue");
    assert_eq!(pool.apply(variable, "POOL_RUNTIME_WORKER").unwrap(), None);
    assert_eq!(pool.apply(directory, ()).unwrap(), "/");
    // More than the 8 MiB that a program has as a rule.
    assert_eq!(pool.apply(use_stack, 10 << 10).unwrap(), 10 << 10);
}

#[test]
fn pools_can_be_made_and_dropped_at_a_high_rate() {
    let _clean = clean();
    for n in 0..40 {
        assert_eq!(square.pmap([n, n + 1], 2).unwrap(), [n * n, (n + 1) * (n + 1)]);
    }
}
