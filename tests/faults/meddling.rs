//! Tasks that meddle with what is not theirs: the worker's descriptors.

use std::fs::File;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};
use std::time::Duration;

use pool_runtime::{Error, ErrorKind, Pool, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::pools::{idle, pids};

/// The descriptors of this process above the standard ones.
fn own_descriptors() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let numbers = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    numbers.filter(|&fd| fd > 2).collect()
}

/// Those that are sockets: a worker's channel and its lifeline.
pub(crate) fn channel_sockets() -> Vec<RawFd> {
    let is_socket = |fd: &RawFd| {
        let target = std::fs::read_link(format!("/proc/self/fd/{fd}"));
        target.is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
    };
    let sockets: Vec<RawFd> = own_descriptors().into_iter().filter(is_socket).collect();
    assert!(!sockets.is_empty(), "a worker has a channel");
    sockets
}

fn forever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[pool_task]
fn close_everything(and_then: &str) -> u32 {
    if and_then != "nothing" {
        for fd in own_descriptors() {
            // SAFETY: there is none: the task does what a task must not, and what
            // is to be seen is that the program survives it.
            unsafe { libc::close(fd) };
        }
    }
    match and_then {
        "stay" => forever(),
        "open" => {
            // Takes the numbers that were the channel's.
            for _ in 0..10 {
                std::mem::forget(File::open("/dev/null"));
            }
        }
        _ => {}
    }
    std::process::id()
}

fn assert_costs_its_item(and_then: &str) -> Error {
    let pool = Pool::new(2).unwrap();
    let mut items = ["nothing"; 12];
    items[5] = and_then;
    let mut failed = None;
    for (item, result) in pool.job(close_everything).chunk_size(2).imap(items).enumerate() {
        if item == 5 {
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.item()), (ErrorKind::Died, Some(5)), "{error}");
            failed = Some(error);
        } else {
            result.unwrap_or_else(|error| panic!("item {item}: {error}"));
        }
    }
    let error = failed.expect("twelve results");
    assert!(!idle(&pool, 2).contains(&error.pid().unwrap()), "{error}");
    error
}

#[test]
fn a_task_that_closes_all_descriptors_costs_its_item() {
    let _clean = clean();
    let error = assert_costs_its_item("stay");
    let says = "closed its channel and was killed while running faults::meddling::close_everything \
                on item 5 (likely cause: the task closed descriptors that are not its own, or \
                executed another program)";
    assert!(error.to_string().contains(says), "{error}");
    assert_eq!(error.signal(), Some(libc::SIGKILL), "{error}");
    // It returns, and the worker finds its channel gone before or after the
    // program does.
    assert_costs_its_item("return");
    assert_costs_its_item("open");
}

#[test]
fn a_task_that_closes_all_descriptors_costs_its_item_when_the_program_has_none_left() {
    alone(
        "meddling::a_task_that_closes_all_descriptors_costs_its_item_when_the_program_has_none_left",
        || {
            let pool = Pool::new(1).unwrap();
            let before = pids(&pool);
            // It would go, to make room for a worker.
            pool_runtime::shutdown();
            // Every number below the limit is taken.
            pool_tests::fault::limit(rustix::process::Resource::Nofile, 64);
            let taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            assert!(!taken.is_empty());
            let call = pool.apply_async(close_everything, "stay").unwrap();
            let error = call.get().unwrap_err();
            assert_eq!((error.kind(), error.pid()), (ErrorKind::Died, before.first().copied()));
            // No other worker can be started now.
            let error = pool.apply(close_everything, "nothing").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
            assert!(error.to_string().contains("ulimit -n"), "{error}");
            drop(taken);
            pool.apply(close_everything, "nothing").unwrap();
        },
    );
}

/// Writes `garbage` where a frame should begin, and goes on as if nothing were.
#[pool_task]
fn write_garbage(garbage: Vec<u8>) -> u32 {
    if !garbage.is_empty() {
        for socket in channel_sockets() {
            // SAFETY: the descriptor is open; it is not closed here.
            let mut socket = ManuallyDrop::new(unsafe { File::from_raw_fd(socket) });
            let _ = socket.write_all(&garbage);
        }
    }
    std::process::id()
}

#[test]
fn a_task_that_writes_into_the_channel_costs_its_item() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let text = b"this goes to the wrong place\n".repeat(10_000);
    let zeros = vec![0; 64];
    let mut cases: Vec<&[u8]> = vec![&text, &zeros, &[0xff; 64]];
    // A short write leaves the frames after it shifted.
    cases.extend((1..=24).map(|length| &text[..length]));
    cases.extend([&[0][..], &[1], &[0, 0], &[9, 0, 0], &[0xff]]);
    for garbage in cases {
        let shown = &garbage[..garbage.len().min(32)];
        let mut items = vec![Vec::new(); 9];
        items[4] = garbage.to_vec();
        for (item, result) in pool.job(write_garbage).chunk_size(3).imap(items).enumerate() {
            if item != 4 {
                result.unwrap_or_else(|error| panic!("item {item} after {shown:?}: {error}"));
                continue;
            }
            let error = result.map(|_| ()).expect_err("nothing sensible can come of it");
            assert_eq!((error.kind(), error.item()), (ErrorKind::Died, Some(4)), "{error}");
            let says = "sent what is no message and was killed while running \
                        faults::meddling::write_garbage on item 4 (likely cause: ";
            assert!(error.to_string().contains(says), "{shown:?}: {error}");
            assert_eq!(error.signal(), Some(libc::SIGKILL), "{error}");
        }
        idle(&pool, 2);
    }
}

/// Prints a line of a thousand bytes, 1049 times.
#[pool_task]
fn print_a_megabyte(_item: u32) {
    let line = "x".repeat(999);
    for _ in 0..1049 {
        println!("{line}");
    }
}

#[test]
fn a_task_that_prints_a_megabyte_prints_a_megabyte() {
    let printed = alone("meddling::a_task_that_prints_a_megabyte_prints_a_megabyte", || {
        let pool = Pool::new(2).unwrap();
        let before = pids(&pool);
        pool.map(print_a_megabyte, 0..4).unwrap();
        assert_eq!(pids(&pool), before);
        pool.close();
        pool.join().unwrap();
    });
    if let Some(printed) = printed {
        let count = printed.stdout.iter().filter(|&&byte| byte == b'x').count();
        // The words around it have a few of their own.
        assert!((4 * 1049 * 999..4 * 1049 * 999 + 100).contains(&count), "{count} bytes");
        assert_eq!(String::from_utf8_lossy(&printed.stderr), "");
    }
}

#[pool_task]
fn exit_on_three(n: u32) -> u32 {
    if n == 3 {
        std::process::exit(7);
    }
    n
}

#[test]
fn a_program_that_ignores_sigchld_gets_its_results_and_errors() {
    alone("meddling::a_program_that_ignores_sigchld_gets_its_results_and_errors", || {
        // SAFETY: SIG_IGN is a valid disposition; no handler is installed.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        for _ in 0..20 {
            let pool = Pool::new(2).unwrap();
            for (item, result) in (0..8).zip(pool.imap(exit_on_three, 0..8)) {
                if item != 3 {
                    assert_eq!(result.unwrap(), item);
                    continue;
                }
                let error = result.unwrap_err();
                assert_eq!((error.kind(), error.item()), (ErrorKind::Died, Some(3)), "{error}");
                // The kernel keeps no status for such a program.
                assert_eq!((error.exit_code(), error.signal()), (None, None), "{error}");
                assert!(error.to_string().contains("ignores SIGCHLD"), "{error}");
            }
            assert_eq!(exit_on_three.pmap(0..3, 2).unwrap(), [0, 1, 2]);
            let mut process = exit_on_three.spawn(1).unwrap();
            assert_eq!(process.join().unwrap(), 1);
        }
        // As it was, for the check that nothing is left.
        // SAFETY: as above.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    });
}
