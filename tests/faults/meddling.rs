//! Tasks that meddle with what is not theirs: the worker's descriptors.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::time::Duration;

use pool_runtime::{Error, ErrorKind, Pool, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::pools::{idle, pids};
use pool_tests::temp::TempDir;
use pool_tests::wait;

/// The descriptors of this process above the standard ones.
fn own_descriptors() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let numbers = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    numbers.filter(|&fd| fd > 2).collect()
}

/// Those that are sockets: a worker's bell and its lifeline.
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

/// Closes every descriptor but the standard ones, or has each mean a file in a
/// directory, and gives the item and the worker.
#[pool_task]
fn close_everything(item: usize, and_then: &str) -> (usize, u32) {
    match and_then {
        "nothing" => {}
        "return" | "stay" => {
            for fd in own_descriptors() {
                // SAFETY: there is none: the task does what a task must not, and what
                // is to be seen is that the program survives it.
                unsafe { libc::close(fd) };
            }
        }
        dir => {
            let create = |fd| File::create(Path::new(dir).join(RawFd::to_string(&fd))).unwrap();
            let files: Vec<_> = own_descriptors().into_iter().map(|fd| (fd, create(fd))).collect();
            for (fd, file) in &files {
                // SAFETY: as above.
                unsafe { libc::dup2(file.as_raw_fd(), *fd) };
            }
        }
    }
    if and_then == "stay" {
        forever();
    }
    (item, std::process::id())
}

const WITHOUT_CHANNEL: &str = "(likely cause: the task closed descriptors that are not its own, or \
                               executed another program)";

/// Runs a few items, of which the sixth does what it must not. Gives that item's
/// worker, and what has failed.
fn meddle(pool: &Pool, chunk: usize, and_then: &str) -> (u32, Option<Error>) {
    let items = (0..12).map(|item| (item, if item == 5 { and_then } else { "nothing" }));
    let (mut meddler, mut failed) = (None, None);
    for (item, result) in pool.job(close_everything).chunk_size(chunk).imap(items).enumerate() {
        match result {
            Ok((is, pid)) => {
                assert_eq!(is, item);
                if item == 5 {
                    meddler = Some(pid);
                }
            }
            Err(error) => {
                assert_eq!((error.kind(), error.item()), (ErrorKind::Died, Some(item)), "{error}");
                let says = format!(
                    "closed its channel and was killed while running \
                     faults::meddling::close_everything on item {item} {WITHOUT_CHANNEL}"
                );
                assert!(error.to_string().contains(&says), "{error}");
                assert_eq!(error.signal(), Some(libc::SIGKILL), "{error}");
                let pid = error.pid().unwrap();
                assert_eq!(*meddler.get_or_insert(pid), pid, "the worker of item 5: {error}");
                assert!(failed.replace(error).is_none(), "a second item failed");
            }
        }
    }
    (meddler.expect("twelve results"), failed)
}

#[test]
fn a_task_that_closes_all_descriptors_and_stays_costs_its_item() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for chunk in [1, 2, 12] {
        let (meddler, failed) = meddle(&pool, chunk, "stay");
        assert_eq!(failed.unwrap().item(), Some(5));
        assert!(!idle(&pool, 2).contains(&meddler));
    }
}

/// Its result needs no descriptor, so it may arrive. Then the worker fails at the
/// next ring, or is found without a channel, which may be within its next item.
#[test]
fn a_task_that_closes_all_descriptors_and_returns_costs_its_worker_and_one_item_at_most() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for chunk in [1, 2, 12, 1, 2, 12, 1, 2, 12] {
        let (meddler, _) = meddle(&pool, chunk, "return");
        wait::until("the worker to go", || !pids(&pool).contains(&meddler));
        idle(&pool, 2);
    }
}

/// As above, and what rings a bell that is a file by now writes nothing into it.
#[test]
fn a_task_that_gives_the_channels_numbers_to_files_finds_nothing_in_them() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for chunk in [1, 2, 12, 1, 2, 12, 1, 2, 12] {
        let dir = TempDir::new();
        let (meddler, _) = meddle(&pool, chunk, dir.path().to_str().unwrap());
        wait::until("the worker to go", || !pids(&pool).contains(&meddler));
        idle(&pool, 2);
        let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap).collect();
        assert!(files.len() >= 2, "a worker has a bell and a lifeline: {files:?}");
        for file in files {
            assert_eq!(file.metadata().unwrap().len(), 0, "{file:?} was written to");
        }
    }
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
            let call = pool.apply_async(close_everything, (0, "stay")).unwrap();
            let error = call.get().unwrap_err();
            assert_eq!((error.kind(), error.pid()), (ErrorKind::Died, before.first().copied()));
            // No other worker can be started now.
            let error = pool.apply(close_everything, (0, "nothing")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
            assert!(error.to_string().contains("ulimit -n"), "{error}");
            drop(taken);
            pool.reset();
            pool.apply(close_everything, (0, "nothing")).unwrap();
        },
    );
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
                // Before Linux 6.15 there is none, see `reaped`.
                assert!(matches!(error.exit_code(), Some(7) | None), "{error}");
                assert_eq!(error.signal(), None, "{error}");
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
