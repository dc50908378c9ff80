//! The error of an item has the end of what the item wrote.

use std::time::Duration;

use pool_runtime::{Error, ErrorKind, Output, Pool, PoolBuilder, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::fault::{Fault, send};
use pool_tests::left::leave_behind;
use pool_tests::runs::{note, noted};
use pool_tests::temp::TempDir;
use pool_tests::wait;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

/// The bytes of each stream that an error has.
const KEPT: usize = 8 << 10;

pub(super) fn capturing(workers: usize) -> PoolBuilder {
    Pool::builder().workers(workers).output(Output::Capture)
}

fn written(error: &Error) -> (Option<&str>, Option<&str>) {
    (error.stdout(), error.stderr())
}

/// As a library in C meets its end.
#[pool_task]
fn assert_in_c(ready: bool) {
    // SAFETY: C strings, one without directives, and one with its length.
    unsafe {
        libc::puts(c"a line of its own".as_ptr());
        libc::write(2, c"render.c:17: Assertion `ready'".as_ptr().cast(), 30);
        if !ready {
            Fault::Abort.commit().unwrap();
        }
    }
}

#[test]
fn the_dying_words_of_a_library_in_c_are_in_the_error() {
    let _clean = clean();
    let pool = capturing(2).build().unwrap();
    pool.map(assert_in_c, [true, true]).unwrap();
    let error = pool.map(assert_in_c, [true, false]).unwrap_err();
    assert_eq!((error.kind(), error.item()), (ErrorKind::Died, Some(1)), "{error}");
    let words = "render.c:17: Assertion `ready'";
    assert_eq!(written(&error), (Some("a line of its own\n"), Some(words)));
    let says = format!("; the last line on its stderr: {words:?}");
    assert!(error.to_string().ends_with(&says), "{error}");
    assert!(format!("{error:?}").contains("a line of its own"), "{error:?}");
    // The same in a single call.
    let error = pool.apply(assert_in_c, false).unwrap_err();
    assert_eq!((written(&error).1, error.item()), (Some(words), None));
}

#[pool_task]
fn print_and(item: u64, fault: Option<Fault>) {
    // Kept back by Rust, and by C, until the item ends.
    eprint!("error of {item}");
    print!("output of {item}");
    if let Some(fault) = fault {
        if fault != Fault::Panic {
            use std::io::Write;
            std::io::stdout().flush().unwrap();
        }
        fault.commit().unwrap();
    }
}

#[test]
fn whatever_an_item_ends_by_its_error_has_what_it_wrote_and_nothing_else() {
    let _clean = clean();
    let pool = capturing(2).build().unwrap();
    // Every third goes wrong, in another way than the one before.
    let fault = |item: u64| match item % 3 {
        0 => Some(Fault::ANYWHERE[(item / 3) as usize % Fault::ANYWHERE.len()]),
        _ => None,
    };
    for chunk in [1, 2, 50] {
        let items = (0..90).map(|item| (item, fault(item)));
        let results = pool.job(print_and).chunk_size(chunk).imap(items);
        for (item, result) in (0..).zip(results) {
            let Some(fault) = fault(item) else {
                result.unwrap();
                continue;
            };
            let error = result.unwrap_err();
            let (stdout, stderr) = written(&error);
            assert_eq!(error.item(), Some(item as usize));
            assert_eq!(stdout, Some(&*format!("output of {item}")), "{fault:?}, chunks of {chunk}");
            assert_eq!(stderr, Some(&*format!("error of {item}")), "{fault:?}, chunks of {chunk}");
        }
    }
}

#[pool_task]
fn half_a_line_in_c(item: u64) {
    // SAFETY: a C string without directives.
    unsafe { libc::printf(c"half a line".as_ptr()) };
    assert!(item.is_multiple_of(2));
}

#[test]
fn what_the_c_library_keeps_back_is_its_items() {
    let _clean = clean();
    let pool = capturing(1).build().unwrap();
    let results = pool.job(half_a_line_in_c).chunk_size(10).imap(0..20);
    for error in results.filter_map(Result::err) {
        assert_eq!(error.stdout(), Some("half a line"), "{error}");
    }
}

#[test]
fn many_failures_of_one_worker_each_have_their_own() {
    let _clean = clean();
    let pool = capturing(1).build().unwrap();
    // Whether the caller takes errors as they come, or all in the end.
    let mut results = pool
        .job(print_and)
        .chunk_size(500)
        .imap((0..1000).map(|item| (item, (item % 10 != 0).then_some(Fault::Panic))));
    for item in 0..1000 {
        let result = results.next().unwrap();
        if item % 10 != 0 {
            let stderr = format!("error of {item}");
            assert_eq!(result.unwrap_err().stderr(), Some(&*stderr));
        }
    }
}

#[pool_task]
fn flood(bytes: usize, fault: Option<Fault>) -> usize {
    let text = numbered(bytes);
    eprint!("{text}");
    print!("{text}");
    fault.map(Fault::commit);
    bytes
}

/// Text of which any part is known from any other.
fn numbered(bytes: usize) -> String {
    let mut text: String = (0..bytes / 8 + 1).map(|number| format!("{number:07},")).collect();
    text.truncate(bytes);
    text
}

#[test]
fn the_end_is_kept_to_the_byte() {
    let _clean = clean();
    let pool = capturing(1).build().unwrap();
    for bytes in [1, KEPT - 1, KEPT, KEPT + 1, 3 * KEPT + 7] {
        for fault in [Fault::Panic, Fault::Exit7] {
            let error = pool.apply(flood, (bytes, Some(fault))).unwrap_err();
            let text = numbered(bytes);
            let end = &text[text.len().saturating_sub(KEPT)..];
            assert!(
                written(&error) == (Some(end), Some(end)),
                "{bytes} bytes, {fault:?}: {error:?}"
            );
        }
    }
}

#[test]
fn more_than_pipes_hold_hangs_nobody_and_loses_no_end() {
    let _clean = clean();
    let pool = capturing(3).build().unwrap();
    let bytes = 3 << 20;
    assert_eq!(pool.map(flood, vec![(bytes, None); 9]).unwrap(), [bytes; 9]);
    let text = numbered(bytes);
    let end = Some(&text[bytes - KEPT..]);
    for fault in [Fault::Panic, Fault::Abort, Fault::Kill] {
        let error = pool.map(flood, [(bytes, None), (bytes, Some(fault))]).unwrap_err();
        assert!(error.item() == Some(1) && written(&error) == (end, end), "{error:?}");
    }
}

#[pool_task]
fn hang(dir: &str) {
    eprint!("about to hang");
    note(dir.as_ref(), 0);
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn one_that_hangs_and_is_killed_has_said_something() {
    let _clean = clean();
    let temp = TempDir::new();
    let pool = capturing(1).build().unwrap();
    let call = pool.apply_async(hang, temp.file("")).unwrap();
    wait::until("it to hang", || noted(temp.path()).get(&0).is_some_and(|pids| !pids.is_empty()));
    send(pool.workers()[0].pid, Signal::KILL);
    let error = call.get().unwrap_err();
    assert_eq!((error.signal(), error.stderr()), (Some(9), Some("about to hang")), "{error}");
}

#[test]
fn one_that_takes_too_long_has_said_something() {
    let _clean = clean();
    let temp = TempDir::new();
    let pool = capturing(1).build().unwrap();
    let job = pool.job(hang).timeout(Duration::from_secs(1));
    let error = job.apply(temp.file("")).unwrap_err();
    assert_eq!((error.kind(), error.stderr()), (ErrorKind::TimedOut, Some("about to hang")));
}

/// Prints while it is encoded or decoded, and goes wrong then.
#[derive(Debug)]
struct Awkward;

impl Serialize for Awkward {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        eprint!("encoding");
        Err(serde::ser::Error::custom("no"))
    }
}

impl<'de> Deserialize<'de> for Awkward {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        eprint!("decoding");
        Err(serde::de::Error::custom("no"))
    }
}

/// Is encoded as nothing, and decoded as what is above.
#[derive(Debug)]
struct Given;

impl Serialize for Given {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Awkward::deserialize(deserializer).map(|_| Given)
    }
}

#[pool_task]
fn give() -> Awkward {
    Awkward
}

#[pool_task]
fn take(_: Given) {}

#[test]
fn what_is_printed_while_values_are_decoded_and_encoded_is_the_items_too() {
    let _clean = clean();
    let pool = capturing(1).build().unwrap();
    let error = pool.apply(give, ()).unwrap_err();
    assert_eq!((error.kind(), error.stderr()), (ErrorKind::Encode, Some("encoding")), "{error}");
    let error = pool.apply(take, Given).unwrap_err();
    assert_eq!((error.kind(), error.stderr()), (ErrorKind::Decode, Some("decoding")), "{error}");
}

#[test]
fn a_worker_that_cannot_start_says_why() {
    use std::os::unix::fs::PermissionsExt;
    let _clean = clean();
    let temp = TempDir::new();
    let program = |lines: &str| {
        let path = temp.file("program");
        std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    };
    let missing = program("echo out; echo cannot find libfoo.so >&2; exit 3");
    let error = capturing(2).worker_program(missing).build().unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Spawn, Some(3)), "{error}");
    assert_eq!(written(&error), (Some("out\n"), Some("cannot find libfoo.so\n")));
    assert!(error.to_string().ends_with(r#"its stderr: "cannot find libfoo.so""#), "{error}");

    let slow = program("echo waiting for the licence server >&2; exec sleep 1000000");
    let builder = capturing(1).worker_program(slow).start_timeout(Duration::from_secs(1));
    let error = builder.build().unwrap_err();
    assert!(error.to_string().contains("did not report in"), "{error}");
    assert_eq!(error.stderr(), Some("waiting for the licence server\n"));
}

#[pool_task]
fn leave_somebody(dir: &str) {
    std::fs::write(format!("{dir}/{}", leave_behind()), "").unwrap();
    eprint!("last words");
    Fault::Abort.commit().unwrap();
}

#[test]
fn a_process_that_holds_the_pipe_keeps_nobody_waiting() {
    let _clean = clean();
    let temp = TempDir::new();
    let pool = capturing(1).build().unwrap();
    let error = pool.apply(leave_somebody, temp.file("")).unwrap_err();
    assert_eq!((error.signal(), error.stderr()), (Some(6), Some("last words")), "{error}");
    drop(pool);
    let left = std::fs::read_dir(temp.path()).unwrap().next().unwrap().unwrap().file_name();
    let left: u32 = left.to_str().unwrap().parse().unwrap();
    assert!(wait::is_running(left), "the process outlives the pool");
    send(left, Signal::KILL);
}

#[test]
fn what_nobody_captures_is_in_no_error_and_what_goes_nowhere_is_not_printed() {
    let test = "captured::what_nobody_captures_is_in_no_error_and_what_goes_nowhere_is_not_printed";
    let output = alone(test, || {
        for (output, item) in [(Output::Inherit, 1), (Output::Null, 2), (Output::Capture, 3)] {
            let pool = Pool::builder().workers(1).output(output).build().unwrap();
            for fault in [Fault::Panic, Fault::Exit7] {
                let error = pool.apply(print_and, (item, Some(fault))).unwrap_err();
                let stderr = (output == Output::Capture).then_some("error of 3");
                assert_eq!(error.stderr(), stderr, "{output:?}, {fault:?}");
            }
        }
    });
    if let Some(output) = output {
        for (stream, what) in [(output.stdout, "output of"), (output.stderr, "error of")] {
            let text = String::from_utf8(stream).unwrap();
            for (item, times) in [(1, 2), (2, 0), (3, 0)] {
                assert_eq!(text.matches(&format!("{what} {item}")).count(), times, "{text}");
            }
        }
    }
}
