//! Long arguments are not sent: workers read them where the caller has put them, and
//! nobody writes there while they do.

#![allow(unsafe_code)]

mod forking;

use std::path::Path;
use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, PoolBuilder, Sandbox, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::mapping::{AREA, Lies, arena, lent_memory, lies};
use pool_tests::temp::TempDir;
use pool_tests::wait;
use rustix::process::{Resource, Rlimit, setrlimit};

const MIB: usize = 1 << 20;

/// So many bytes that are all the same, but not in many arguments.
fn bytes(item: usize, length: usize) -> Vec<u8> {
    vec![item as u8 ^ 0x5a; length]
}

/// Whether the bytes are as [`bytes`] made them.
fn are_right(item: usize, data: &[u8]) -> bool {
    // Many at a time: tests are slow.
    data == bytes(item, data.len())
}

/// Where its argument lies, and whether that is right.
#[pool_task]
fn see(item: usize, data: &[u8]) -> (Lies, bool) {
    (lies(data), are_right(item, data))
}

/// The same, but not before it may.
#[pool_task]
fn see_late(item: usize, data: &[u8], dir: &Path) -> (Lies, bool) {
    wait::until("the word to go on", || dir.join("go").exists());
    see(item, data)
}

/// How the memory is mapped in this worker.
#[pool_task]
fn look() -> Option<String> {
    arena().map(|mapping| mapping.access)
}

#[test]
fn long_items_lie_where_workers_can_only_read() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let access = pool.apply(look, ()).unwrap();
    assert_eq!(access.as_deref(), Some("r--s"));
    // Longer than the ring, and longer than what is kept for later, too.
    for (length, count) in [(100, 50), (MIB, 40), (AREA + 1, 6), (100 << 10, 300), (1, 5)] {
        for chunk in [1, 7] {
            let items = (0..count).map(|item| (item, bytes(item, length)));
            let seen = pool.job(see).chunk_size(chunk).map(items).unwrap();
            let place = if length > 1000 { Lies::InTheArena } else { Lies::InTheRing };
            assert_eq!(seen, vec![(place, true); count], "{count} of {length} bytes");
        }
    }
    let items = (0..20).map(|item| (item, bytes(item, MIB)));
    let seen = pool.job(see).map_async(items).unwrap().get().unwrap();
    assert_eq!(seen, vec![(Lies::InTheArena, true); 20]);
    for length in [MIB, AREA + 1] {
        let seen = pool.apply(see, (5, bytes(5, length))).unwrap();
        assert_eq!(seen, (Lies::InTheArena, true), "a call with {length} bytes");
    }
}

#[test]
fn what_has_no_room_there_is_sent() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let dir = TempDir::new();
    // Each takes a sixteenth of the room.
    let items = (0..18).map(|item| {
        if item == 17 {
            std::fs::write(dir.path().join("go"), "").unwrap();
        }
        (item, bytes(item, 9 * MIB), dir.path())
    });
    let seen = pool.job(see_late).chunk_size(1).window(18).map(items).unwrap();
    let [here, there] = [(Lies::InTheArena, true), (Lies::Elsewhere, true)];
    let lent = seen.iter().filter(|seen| **seen == here).count();
    assert!((12..17).contains(&lent), "{seen:?}");
    assert_eq!(seen.iter().filter(|seen| **seen == there).count(), 18 - lent, "{seen:?}");
    // Larger than any that finds room.
    let items = (0..3).map(|item| (item, bytes(item, 17 * MIB)));
    assert_eq!(pool.job(see).map(items).unwrap(), [there; 3]);
}

#[test]
fn where_it_would_do_harm_there_is_no_such_lent_memory() {
    let _clean = clean();
    let harmed: [fn(PoolBuilder) -> PoolBuilder; 3] = [
        // A worker that has been taken over must not see what others are given.
        |pool| pool.sandbox(Sandbox::read_only()),
        // What a worker reads would count.
        |pool| pool.max_rss(1 << 30),
        |pool| pool.rlimit(pool_runtime::Resource::AddressSpace, 200 << 20),
    ];
    for harmed in harmed {
        let pool = harmed(Pool::builder().workers(2)).build().unwrap();
        assert_eq!(pool.apply(look, ()).unwrap(), None);
        for length in [MIB, AREA + 1] {
            let items = (0..5).map(|item| (item, bytes(item, length)));
            let seen = pool.job(see).chunk_size(1).map(items).unwrap();
            assert!(seen.iter().all(|(lies, is_right)| *is_right && *lies != Lies::InTheArena));
        }
    }
}

#[test]
fn where_limits_leave_no_room_for_it_pools_work_without_or_say_which_limit() {
    let name = "where_limits_leave_no_room_for_it_pools_work_without_or_say_which_limit";
    alone(name, || {
        let lower = |resource, bytes| {
            let limit = Rlimit { current: Some(bytes), maximum: None };
            setrlimit(resource, limit).unwrap();
        };
        for (resource, most) in [(Resource::Fsize, 100 << 20), (Resource::As, 8 << 30)] {
            lower(resource, most);
            let pool = Pool::new(1).unwrap();
            assert_eq!(pool.apply(look, ()).unwrap(), None, "{resource:?}");
            let items = (0..3).map(|item| (item, bytes(item, AREA + 1)));
            assert!(pool.job(see).map(items).unwrap().iter().all(|(_, is_right)| *is_right));
        }
        // Which would be the end of the program, if a file were made.
        lower(Resource::Fsize, 1 << 20);
        let error = Pool::new(1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Spawn);
        assert!(error.to_string().contains("ulimit -f"), "{error}");
    });
}

#[test]
fn a_worker_that_cannot_map_it_is_sent_all() {
    let _clean = clean();
    let dir = TempDir::new();
    let own = std::env::current_exe().unwrap();
    let program =
        dir.script("has few addresses", &format!("ulimit -v 204800; exec {own:?} \"$@\""));
    let pool = Pool::builder().workers(2).worker_program(program).build().unwrap();
    assert_eq!(pool.apply(look, ()).unwrap(), None);
    let items = (0..30).map(|item| (item, bytes(item, MIB)));
    assert_eq!(pool.job(see).map(items).unwrap(), [(Lies::InTheRing, true); 30]);
    assert!(lent_memory() > 0, "the program has put them there all the same");
}

/// Writes over its argument, if it is the third.
#[pool_task]
fn overwrite(item: usize, data: &[u8]) -> bool {
    if item == 3 {
        let at = data.as_ptr().cast_mut();
        // SAFETY: none at all: that it ends this process is what the test is about.
        unsafe { at.write_volatile(0) };
    }
    are_right(item, data)
}

#[test]
fn a_task_that_writes_over_its_argument_costs_its_item_and_changes_no_other() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let items = || (0..12).map(|item| (item, bytes(item, MIB / 4)));
    for chunk in [1, 12] {
        let results: Vec<_> = pool.job(overwrite).chunk_size(chunk).imap(items()).collect();
        for (item, result) in results.into_iter().enumerate() {
            match result {
                Ok(is_right) => assert!(is_right && item != 3),
                Err(error) => assert_eq!((error.kind(), error.item()), (ErrorKind::Died, Some(3))),
            }
        }
    }
}

/// Looks at its argument until that is enough, if it is the first, and says so if it
/// changes. SIGTERM does not end it.
#[pool_task]
fn watch(item: usize, data: &[u8], dir: &Path) {
    if item > 0 {
        return assert!(are_right(item, data));
    }
    // SAFETY: to ignore a signal is a valid disposition.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    std::fs::write(dir.join("watches"), "").unwrap();
    loop {
        // Each time anew, which the compiler must not think needless.
        if !are_right(item, std::hint::black_box(data)) {
            std::fs::write(dir.join("changed"), "").unwrap();
        }
        if dir.join("enough").exists() {
            return std::fs::write(dir.join("ends"), "").unwrap();
        }
    }
}

/// A worker reads on at an item that is settled already, while others come.
#[test]
fn nothing_is_written_where_a_worker_still_reads_that_is_asked_to_end() {
    let _clean = clean();
    for is_overdue in [true, false] {
        let dir = TempDir::new();
        let items = |from| (from..).map(|item| (item, bytes(item, MIB), dir.path()));
        let long = Duration::from_secs(60);
        let pool = Pool::builder().workers(2).kill_grace(long).build().unwrap();
        let has_left = |name: &str| dir.path().join(name).exists();
        if is_overdue {
            let job = pool.job(watch).timeout(Duration::from_secs(2));
            let error = job.imap(items(0).take(1)).next().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
            assert!(has_left("watches"));
        } else {
            // Nobody wants it any more.
            let mut results = pool.job(watch).chunk_size(1).imap_unordered(items(0).take(2));
            results.next().unwrap().1.unwrap();
            wait::until("the first to be read", || has_left("watches"));
            drop(results);
        }
        // More than the memory that would be used first.
        pool.job(watch).chunk_size(1).map(items(1).take(60)).unwrap();
        std::fs::write(dir.path().join("enough"), "").unwrap();
        wait::until("the worker to have looked at the last", || has_left("ends"));
        assert!(!has_left("changed"), "overdue: {is_overdue}");
    }
}

#[pool_task]
fn die(item: usize, data: &[u8]) -> bool {
    if item.is_multiple_of(3) {
        std::process::abort();
    }
    are_right(item, data)
}

#[test]
fn what_dead_workers_read_is_used_again_and_little_is_kept() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for round in 0..5 {
        let items = (0..60).map(|item| (item, bytes(item, MIB)));
        let results = pool.job(die).window(8).chunk_size(2).imap(items);
        let failed = results.filter(|result| !*result.as_ref().unwrap_or(&false)).count();
        assert_eq!(failed, 20);
        assert!(lent_memory() <= 18 << 20, "{} bytes after round {round}", lent_memory());
    }
    // As much at once as there is room for: it goes back to the kernel.
    let items = (0..100).map(|item| (item, bytes(item, MIB)));
    assert_eq!(pool.job(see).window(100).map(items).unwrap().len(), 100);
    assert!(lent_memory() <= 18 << 20, "{} bytes", lent_memory());
}
