//! Faults before a worker has reported in: a function of the user's own in the
//! program's initialiser array, as a static constructor in C++ is.

use std::io::Write;
use std::time::{Duration, Instant};

use pool_runtime::{ErrorKind, Pool, PoolBuilder};
use pool_tests::clean::clean;
use pool_tests::fault::Fault;
pub(crate) use pool_tests::tasks::own_pid;

/// What the constructor does: a fault's name, or `hang`; unset, nothing.
pub(crate) const TROUBLE: &str = "POOL_TESTS_BOOT_TROUBLE";

/// A file that the constructor counts starts in, one byte each.
pub(crate) const COUNT: &str = "POOL_TESTS_BOOT_COUNT";

/// How many starts go well before the trouble begins.
pub(crate) const GOOD: &str = "POOL_TESTS_BOOT_GOOD";

#[used]
// SAFETY: the section holds pointers to functions that the C runtime calls once,
// before main; it passes arguments that this one does not look at.
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = construct;

extern "C" fn construct() {
    let Ok(trouble) = std::env::var(TROUBLE) else {
        return;
    };
    if starts() < std::env::var(GOOD).map_or(0, |good| good.parse().unwrap()) {
        return;
    }
    if trouble == "hang" {
        loop {
            std::thread::park();
        }
    }
    let fault = Fault::ANYWHERE.into_iter().find(|fault| format!("{fault:?}") == trouble);
    let _ = fault.expect("the name of a fault").commit();
}

/// Counts this start; gives how many there were before it.
fn starts() -> u64 {
    let Ok(count) = std::env::var(COUNT) else {
        return 0;
    };
    let mut count = std::fs::OpenOptions::new().append(true).create(true).open(count).unwrap();
    count.write_all(b".").unwrap();
    // Where this process's own byte ended, whatever others append meanwhile.
    std::io::Seek::stream_position(&mut count).unwrap() - 1
}

/// A pool of this many workers in each of which the constructor runs: executed one
/// by one, and not forked from a zygote in which it has run.
pub(crate) fn executed(workers: usize) -> PoolBuilder {
    Pool::builder().workers(workers).worker_program(std::env::current_exe().unwrap())
}

#[test]
fn a_worker_that_dies_before_it_reports_in_is_an_error_of_the_pool() {
    let _clean = clean();
    for fault in Fault::ANYWHERE {
        let pool =
            Pool::builder().workers(3).stack_size(1 << 20).env(TROUBLE, format!("{fault:?}"));
        let error = pool.build().map(|_| ()).expect_err("no worker can start");
        let text = error.to_string();

        // A panic cannot unwind out of a constructor.
        let (signal, described) = match fault {
            Fault::Panic => (Some(libc::SIGABRT), "was killed by SIGABRT"),
            // Nothing is noted before a worker can serve.
            Fault::StackOverflow => (fault.signal(), Fault::Segv.described()),
            _ => (fault.signal(), fault.described()),
        };
        assert_eq!(error.kind(), ErrorKind::Spawn, "{fault:?}: {text}");
        assert_eq!(error.signal(), signal, "{fault:?}: {text}");
        assert_eq!(error.exit_code(), fault.exit_code(), "{fault:?}: {text}");
        assert_eq!((error.task(), error.item()), (None, None), "{fault:?}: {text}");
        let pid = error.pid().expect("the worker was there for a moment");
        let says = format!("(pid {pid}) {described} before it reported in (likely cause: ");
        assert!(text.starts_with("worker ") && text.contains(&says), "{fault:?}: {text}");
    }
    assert_eq!(Pool::new(1).unwrap().map(own_pid, [(), ()]).unwrap().len(), 2);
}

#[test]
fn a_worker_that_dies_before_it_reports_in_is_an_error_of_a_process() {
    let _clean = clean();
    let builder = pool_runtime::Process::builder().env(TROUBLE, "Exit7").name("early");
    let error = builder.spawn(own_pid, ()).expect_err("it cannot start");
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Spawn, Some(7)));
    let says = format!("process early (pid {}) exited with code 7", error.pid().unwrap());
    assert!(error.to_string().starts_with(&says), "{error}");
}

#[test]
fn a_worker_that_hangs_before_it_reports_in_is_an_error_in_time() {
    let _clean = clean();
    let timeout = Duration::from_millis(300);
    let start = Instant::now();
    let builder = Pool::builder().workers(2).env(TROUBLE, "hang").start_timeout(timeout);
    let error = builder.build().map(|_| ()).expect_err("no worker can start");
    assert!(start.elapsed() >= timeout, "{:?}", start.elapsed());
    assert!(start.elapsed() < timeout + Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!((error.kind(), error.signal()), (ErrorKind::Spawn, Some(libc::SIGKILL)));
    let text = error.to_string();
    assert!(text.contains("did not report in within 300ms and was killed"), "{text}");
    assert!(text.contains("static constructor"), "{text}");
}

#[test]
fn the_fourth_worker_that_cannot_start_takes_the_first_three_with_it() {
    let _clean = clean();
    let temp = pool_tests::temp::TempDir::new();
    let count = temp.file("count");
    let builder = executed(5).env(TROUBLE, "Exit7").env(GOOD, "3").env(COUNT, &count);
    let error = builder.build().map(|_| ()).expect_err("the fourth cannot start");
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Spawn, Some(7)), "{error}");
    // Two cannot start, and each is tried three times at most.
    let starts = std::fs::read(count).unwrap().len();
    assert!((4..=3 + 2 * 3).contains(&starts), "{starts} starts");
}
