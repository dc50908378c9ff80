//! Settings and arguments that make no sense: each is an error that names the
//! value, no panic, and leaves nothing behind.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use pool_runtime::{Error, ErrorKind, Pool, Process, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::tasks::double;
use pool_tests::temp::TempDir;

#[pool_task]
fn nothing() {}

#[pool_task]
fn directory() -> Result<String, String> {
    let directory = std::env::current_dir().map_err(|error| error.to_string())?;
    Ok(directory.display().to_string())
}

#[pool_task]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn refused<T>(result: Result<T, Error>, kind: ErrorKind, says: &[&str]) {
    let error = result.map(|_| ()).expect_err("it makes no sense");
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(says.iter().all(|part| text.contains(part)), "{says:?} in {text}");
    assert!(text.starts_with(char::is_lowercase) && !text.ends_with('.'), "{text}");
}

#[test]
fn zero_workers_are_refused() {
    let _clean = clean();
    let says = ["0 workers", "at least one"];
    refused(Pool::new(0), ErrorKind::InvalidArgument, &says);
    refused(Pool::builder().workers(0).build(), ErrorKind::InvalidArgument, &says);
    refused(double.pmap(0..3, 0), ErrorKind::InvalidArgument, &says);
    refused(double.pmap([0; 0], 0), ErrorKind::InvalidArgument, &says);
    refused(double.pmap((0..3).filter(|n| n % 2 == 0), 0), ErrorKind::InvalidArgument, &says);
}

#[test]
fn too_many_workers_are_refused() {
    let _clean = clean();
    for workers in [4097, 1_000_000, usize::MAX] {
        let says = [&workers.to_string(), "4096"];
        refused(Pool::new(workers), ErrorKind::InvalidArgument, &says);
        let endless = std::iter::repeat(1_u64);
        refused(double.pmap(endless, workers), ErrorKind::InvalidArgument, &says);
    }
    // No more are started than there are items, so this is fine.
    assert_eq!(double.pmap(0..3, usize::MAX).unwrap(), [0, 2, 4]);
}

#[test]
fn a_chunk_or_a_window_of_zero_is_refused_by_every_kind_of_call() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    for (chunk, window, says) in [(0, 5, "chunk size of 0"), (5, 0, "window of 0")] {
        let job = || pool.job(double).chunk_size(chunk).window(window);
        let invalid = ErrorKind::InvalidArgument;
        refused(job().map(0..3), invalid, &[says]);
        refused(job().map([0; 0]), invalid, &[says]);
        refused(job().map_async(0..3).map(|_| ()), invalid, &[says]);
        refused(job().apply(1), invalid, &[says]);
        refused(job().apply_async(1).map(|_| ()), invalid, &[says]);
        let mut lazy = job().imap(0..3);
        refused(lazy.next().unwrap(), invalid, &[says]);
        assert!(lazy.next().is_none());
        let mut unordered = job().imap_unordered(0..3);
        let (index, result) = unordered.next().unwrap();
        assert_eq!(index, 0);
        refused(result, invalid, &[says]);
        assert!(unordered.next().is_none());
    }
    assert_eq!(pool.map(double, 0..3).unwrap(), [0, 2, 4]);
}

#[test]
fn a_time_limit_of_zero_is_refused_by_every_kind_of_call() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let job = || pool.job(double);
    for (job, says) in [
        (job().timeout(Duration::ZERO), "timeout of 0"),
        (job().deadline(Duration::ZERO), "deadline of 0"),
    ] {
        let invalid = ErrorKind::InvalidArgument;
        refused(job.map(0..3), invalid, &[says]);
        refused(job.map_async(0..3).map(|_| ()), invalid, &[says]);
        refused(job.apply(1), invalid, &[says]);
        refused(job.apply_async(1).map(|_| ()), invalid, &[says]);
        refused(job.imap(0..3).next().unwrap(), invalid, &[says]);
        refused(job.imap_unordered(0..3).next().unwrap().1, invalid, &[says]);
    }
    assert_eq!(pool.map(double, 0..3).unwrap(), [0, 2, 4]);
}

#[test]
fn a_start_timeout_of_zero_is_refused() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).start_timeout(Duration::ZERO).build();
    refused(pool, ErrorKind::InvalidArgument, &["start_timeout of 0"]);
}

#[test]
fn the_largest_chunks_and_windows_are_fine() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let job = || pool.job(double).chunk_size(usize::MAX).window(usize::MAX);
    assert_eq!(job().map(0..3).unwrap(), [0, 2, 4]);
    assert_eq!(job().imap(0..3).map(Result::unwrap).collect::<Vec<_>>(), [0, 2, 4]);
    assert_eq!(job().map_async(0..3).unwrap().get().unwrap(), [0, 2, 4]);
    // A chunk that is larger than the window goes when the window is full.
    let job = pool.job(double).chunk_size(usize::MAX).window(2);
    assert_eq!(job.imap(0..9).count(), 9);
    assert_eq!(pool.job(double).chunk_size(usize::MAX).imap(0..9).count(), 9);
}

#[test]
fn a_variable_that_cannot_be_is_refused() {
    let _clean = clean();
    let cases = [("", "x"), ("A=B", "x"), ("A\0B", "x"), ("A", "x\0y")];
    for (name, value) in cases {
        let shown = if value == "x" { name.escape_debug().to_string() } else { "A=x\\0y".into() };
        let pool = Pool::builder().workers(1).env(name, value).build();
        refused(pool, ErrorKind::InvalidArgument, &["an environment variable", &shown]);
        let process = Process::builder().env(name, value).spawn(nothing, ());
        refused(process, ErrorKind::InvalidArgument, &["variable"]);
    }
}

#[test]
fn a_name_that_cannot_be_is_refused() {
    let _clean = clean();
    let says = ["the name of a process contains a NUL byte", "a\\0b"];
    let pool = Pool::builder().workers(1).worker_name("a\0b").build();
    refused(pool, ErrorKind::InvalidArgument, &says);
    let process = Process::builder().name("a\0b").spawn(nothing, ());
    refused(process, ErrorKind::InvalidArgument, &says);
}

#[test]
fn odd_variables_arrive() {
    let _clean = clean();
    let long = "v".repeat(100_000);
    let pool = Pool::builder()
        .workers(1)
        .env("POOL_TESTS_EMPTY", "")
        .env("POOL_TESTS_TWICE", "first")
        .env("POOL_TESTS_TWICE", "second")
        .env("POOL_TESTS_LONG", &long)
        .env("POOL_TESTS_ODD", "a=b\n\u{e9}")
        .env("POOL_TESTS_NOT_UTF8", OsString::from_vec(vec![0xff]))
        .build()
        .unwrap();
    let get = |name: &str| pool.apply(variable, name).unwrap();
    assert_eq!(get("POOL_TESTS_EMPTY").as_deref(), Some(""));
    assert_eq!(get("POOL_TESTS_TWICE").as_deref(), Some("second"));
    assert_eq!(get("POOL_TESTS_LONG"), Some(long));
    assert_eq!(get("POOL_TESTS_ODD").as_deref(), Some("a=b\n\u{e9}"));
    assert_eq!(get("POOL_TESTS_NOT_UTF8"), None);
    // One argument or variable may take no more than 128 KiB on Linux.
    let too_long = Pool::builder().workers(1).env("A", "v".repeat(1 << 20)).build();
    refused(too_long, ErrorKind::Spawn, &["worker 0", "execute the worker program", "too long"]);
}

#[test]
fn a_worker_may_have_any_name_without_a_nul_byte() {
    let _clean = clean();
    for name in ["", "/", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", &"n".repeat(1 << 20)]
    {
        let shown: String = name.chars().take(9).collect();
        let pool = Pool::builder().workers(1).worker_name(name).build();
        let pool = pool.unwrap_or_else(|error| panic!("{shown:?}: {error}"));
        assert_eq!(pool.apply(double, 1).unwrap(), 2);
        let process = Process::builder().name(name).spawn(double, 1);
        let mut process = process.unwrap_or_else(|error| panic!("{shown:?}: {error}"));
        assert_eq!(process.name(), name);
        assert_eq!(process.join().unwrap(), 2);
    }
}

#[test]
fn a_directory_that_cannot_be_entered_is_named() {
    let _clean = clean();
    let temp = TempDir::new();
    let file = temp.file("file");
    std::fs::write(&file, "").unwrap();
    for (path, why) in [
        (temp.file("missing"), "No such file or directory"),
        (file, "Not a directory"),
        (String::new(), "No such file or directory"),
        ("with\0nul".into(), "with\\0nul"),
    ] {
        let pool = Pool::builder().workers(2).current_dir(&path).build();
        let shown = path.escape_debug().to_string();
        let error = pool.map(|_| ()).expect_err("no such directory");
        let text = error.to_string();
        assert!(text.contains(&shown) && text.contains("working directory"), "{text}");
        assert!(text.contains(why), "{text}");
        assert!(matches!(error.kind(), ErrorKind::Spawn | ErrorKind::InvalidArgument), "{text}");
    }
}

#[test]
fn a_directory_that_is_deleted_later_stays_the_workers() {
    let _clean = clean();
    let temp = TempDir::new();
    let pool = Pool::builder().workers(1).current_dir(temp.path()).build().unwrap();
    let before = pool.apply(directory, ()).unwrap().unwrap();
    assert_eq!(before, temp.path().canonicalize().unwrap().display().to_string());
    drop(temp);
    // The replacement enters it all the same.
    let dead = pool.workers()[0].pid;
    pool_tests::fault::send(dead, rustix::process::Signal::KILL);
    let after = pool.map(double, 0..3).unwrap();
    assert_eq!(after, [0, 2, 4]);
    assert!(pool.apply(directory, ()).unwrap().is_err());
}

#[test]
fn a_program_whose_directory_was_deleted_has_pools() {
    alone("a_program_whose_directory_was_deleted_has_pools", || {
        let temp = TempDir::new();
        std::env::set_current_dir(temp.path()).unwrap();
        drop(temp);
        assert!(std::env::current_dir().is_err());
        assert_eq!(double.pmap(0..3, 2).unwrap(), [0, 2, 4]);
        assert!(Pool::new(1).unwrap().apply(directory, ()).unwrap().is_err());
        assert_eq!(double.spawn(4).unwrap().join().unwrap(), 8);
        let elsewhere = Pool::builder().workers(1).current_dir("/").build().unwrap();
        assert_eq!(elsewhere.apply(directory, ()).unwrap().as_deref(), Ok("/"));
    });
}

#[test]
fn a_stack_that_cannot_be_had_is_refused() {
    alone("a_stack_that_cannot_be_had_is_refused", || {
        // The hard limit too, which a program as root could exceed otherwise.
        let limit = rustix::process::Rlimit { current: Some(1 << 20), maximum: Some(8 << 20) };
        rustix::process::setrlimit(rustix::process::Resource::Stack, limit).unwrap();
        let builder = || Pool::builder().workers(2);
        builder().stack_size(8 << 20).build().unwrap();
        let result = builder().stack_size(9 << 20).build();
        refused(result, ErrorKind::Spawn, &["worker 0", "stack limit", "ulimit -Hs"]);
        for bytes in [0, 1, (64 << 10) - 1] {
            let result = builder().stack_size(bytes).build();
            let says = format!("a stack_size of {bytes} bytes: the least is 65536");
            refused(result, ErrorKind::InvalidArgument, &[&says]);
        }
        // Too small for the environment, which may take a quarter of it.
        let too_small = builder().env("POOL_TESTS_LONG", "v".repeat(100_000));
        let result = too_small.stack_size(64 << 10).build();
        refused(result, ErrorKind::Spawn, &["worker 0"]);
        assert_eq!(double.pmap(0..3, 2).unwrap(), [0, 2, 4]);
    });
}

#[test]
fn a_time_limit_may_be_for_ever() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).start_timeout(Duration::MAX).build().unwrap();
    assert_eq!(pool.apply(double, 2).unwrap(), 4);
    let mut call = pool.apply_async(double, 3).unwrap();
    assert_eq!(call.get_timeout(Duration::MAX).unwrap(), 6);
}
