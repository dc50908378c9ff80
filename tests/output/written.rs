//! What items have printed is written, each once, however their worker ends, and nothing
//! waits for the locks of the streams.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use pool_runtime::{ErrorKind, Output, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::{Fault, send};
use pool_tests::temp::TempDir;
use pool_tests::wait;
use rustix::process::Signal;

/// The worker's standard output goes to a file from here on.
#[pool_task]
fn print_to(file: &Path) {
    rustix::stdio::dup2_stdout(File::create(file).unwrap()).unwrap();
}

/// Prints by Rust and by C, both without an end of the line.
#[pool_task]
fn say(n: u64, then: &str) -> u32 {
    // In one piece, so that nothing of C's comes between.
    let word = format!("rust {n};");
    print!("{word}");
    // SAFETY: a C string with one number.
    unsafe { libc::printf(c"c %lu;".as_ptr(), n) };
    match then {
        "crash" => Fault::Segv.commit().unwrap(),
        "hang" => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        "fork" => {
            // SAFETY: the worker has one thread.
            let copy = unsafe { libc::fork() };
            if copy == 0 {
                std::process::exit(0);
            }
            // SAFETY: a child of this process, whose status nobody wants.
            unsafe { libc::waitpid(copy, std::ptr::null_mut(), 0) };
        }
        "thread" => std::thread::spawn(|| ()).join().unwrap(),
        // More than the microsecond for which an unfinished line may wait.
        "slow" => std::thread::sleep(Duration::from_millis(1)),
        _ => {}
    }
    std::process::id()
}

fn calls(count: u64, last: &'static str) -> impl Iterator<Item = (u64, &'static str)> {
    (0..=count).map(move |n| (n, if n == count { last } else { "" }))
}

/// Asserts that the file has what each of so many items has printed, once.
fn assert_written(file: &str, count: u64, how: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    for n in 0..count {
        for by in ["rust", "c"] {
            let word = format!("{by} {n};");
            let found = text.split_inclusive(';').filter(|said| *said == word).count();
            assert_eq!(found, 1, "{word:?} by {how}: {text}");
        }
    }
}

#[test]
fn what_delivered_items_have_printed_is_there_however_their_worker_ends() {
    let _clean = clean();
    for how in ["drop", "terminate", "close", "crash", "hang", "fork", "thread", "cancel", "kill"] {
        let temp = TempDir::new();
        let file = temp.file("printed");
        let pool = Pool::new(1).unwrap();
        pool.apply(print_to, file.clone()).unwrap();
        let job = pool.job(say).chunk_size(5);
        match how {
            "crash" => {
                let results: Vec<_> = job.imap(calls(4, "crash")).collect();
                assert!(results[..4].iter().all(Result::is_ok));
                assert_eq!(results[4].as_ref().unwrap_err().kind(), ErrorKind::Died);
            }
            "hang" => {
                let limit = Duration::from_secs(1);
                let results: Vec<_> = job.timeout(limit).imap(calls(4, "hang")).collect();
                assert!(results[..4].iter().all(Result::is_ok));
                assert_eq!(results[4].as_ref().unwrap_err().kind(), ErrorKind::TimedOut);
            }
            "cancel" => {
                let mut results = job.imap(calls(4, "hang"));
                assert!(results.by_ref().take(4).all(|result| result.is_ok()));
            }
            "kill" => {
                let pids = job.map(calls(4, "")).unwrap();
                send(pids[0], Signal::KILL);
            }
            _ => drop(job.map(calls(4, how)).unwrap()),
        }
        match how {
            "terminate" => pool.terminate(),
            "close" => pool.close(),
            _ => {}
        }
        if matches!(how, "terminate" | "close") {
            pool.join().unwrap();
        }
        drop(pool);
        assert_written(&file, 4, how);
    }
}

#[test]
fn what_the_items_of_a_large_chunk_have_printed_is_there_when_the_pool_is_dropped() {
    let _clean = clean();
    let temp = TempDir::new();
    let file = temp.file("printed");
    let pool = Pool::new(1).unwrap();
    pool.apply(print_to, file.clone()).unwrap();
    pool.job(say).chunk_size(1000).map(calls(999, "")).unwrap();
    drop(pool);
    assert_written(&file, 1000, "a large chunk");
}

#[test]
fn what_the_items_of_a_large_chunk_have_printed_survives_one_that_hangs() {
    let _clean = clean();
    let temp = TempDir::new();
    let file = temp.file("printed");
    let pool = Pool::new(1).unwrap();
    pool.apply(print_to, file.clone()).unwrap();
    let then = |n| match n {
        998 => "slow",
        999 => "hang",
        _ => "",
    };
    let job = pool.job(say).chunk_size(1000).timeout(Duration::from_secs(1));
    let results: Vec<_> = job.imap((0..1000).map(|n| (n, then(n)))).collect();
    assert!(results[..999].iter().all(Result::is_ok));
    assert_eq!(results[999].as_ref().unwrap_err().kind(), ErrorKind::TimedOut);
    drop(pool);
    assert_written(&file, 999, "a limit");
}

#[test]
fn what_is_printed_is_written_while_the_worker_sleeps() {
    let _clean = clean();
    for first in ["", "thread"] {
        let temp = TempDir::new();
        let file = temp.file("printed");
        let pool = Pool::new(1).unwrap();
        pool.apply(print_to, file.clone()).unwrap();
        pool.apply(say, (0, first)).unwrap();
        wait::until("the words", || {
            std::fs::read_to_string(&file).unwrap().split_inclusive(';').count() == 2
        });
        assert_written(&file, 1, "sleep");
    }
}

/// Leaves a thread behind that holds the lock of standard output for ever.
#[pool_task]
fn hold(whose: &str) -> u32 {
    unsafe extern "C" {
        static stdout: *mut libc::FILE;
        fn flockfile(stream: *mut libc::FILE);
    }
    let by_c = whose == "C";
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let lock = (!by_c).then(|| std::io::stdout().lock());
        if by_c {
            // Something that is to be written, and cannot be.
            // SAFETY: a C string; the stream lives for ever.
            unsafe {
                libc::printf(c"kept back".as_ptr());
                flockfile(stdout);
            }
        }
        tell.send(()).unwrap();
        std::thread::sleep(Duration::MAX);
        drop(lock);
    });
    told.recv().unwrap();
    7
}

#[test]
fn no_result_and_no_end_waits_for_a_lock_that_a_task_has_left_behind() {
    let _clean = clean();
    for output in [Output::Inherit, Output::Null, Output::Capture, Output::Prefix] {
        for whose in ["Rust", "C"] {
            for closes in [true, false] {
                let pool = Pool::builder().workers(1).output(output).build().unwrap();
                // Longer than anything here takes that does not wait for ever.
                let limit = Duration::from_secs(60);
                let job = pool.job(hold).timeout(limit);
                let results = [job.apply(whose), pool.job(hold_nothing).timeout(limit).apply(())];
                assert_eq!(results.map(Result::unwrap), [7, 8], "{output:?}, {whose}");
                if closes {
                    pool.close();
                    pool.join().unwrap();
                }
            }
        }
    }
}

#[pool_task]
fn hold_nothing() -> u32 {
    8
}
