//! A worker that finds its channel damaged ends itself, and the error says that the item
//! it was at need not be to blame.

use std::path::Path;
use std::time::{Duration, Instant};

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::mapping::{self, AREA, STRIDE, WORD_COUNT, word};
use pool_tests::temp::TempDir;
use pool_tests::{runs, wait};

/// The word in which the program says how much of the responses it has read.
const RESPONSES_HEAD: usize = 2;

/// The word by which it is agreed which chunks a worker has begun.
const CLAIMS: usize = 11;

/// The word in which a worker counts the items that it has begun.
const BEGUN: usize = 6;

/// Leaves a thread behind that writes where it must not.
#[pool_task]
fn leave_a_scribbler() {
    let head = mapping::place().start + RESPONSES_HEAD * STRIDE;
    std::thread::spawn(move || {
        let head = std::ptr::with_exposed_provenance_mut::<u64>(head);
        loop {
            // SAFETY: it is mapped as long as the worker lives, and aligned. What follows
            // from it for the worker is what this is about.
            unsafe { head.write_volatile(1) };
        }
    });
}

/// A result for which the worker has to look how much was read.
#[pool_task]
fn large() -> Vec<u8> {
    vec![0; 3 * AREA]
}

#[pool_task]
fn damage_the_count() {
    mapping::overwrite(BEGUN * STRIDE, &word(BEGUN).wrapping_add(8).to_ne_bytes());
}

/// Notes that it runs. Item 42 damages what its worker claims by, and runs for a while;
/// the first of another worker waits for that.
#[pool_task]
fn note_and_damage(dir: &Path, item: u64) -> u64 {
    runs::note(dir, item);
    match item {
        20 => wait::until("the other worker to be at it", || runs::noted(dir).contains_key(&42)),
        42 => {
            mapping::overwrite(CLAIMS * STRIDE, &(word(CLAIMS) ^ 1 << 63).to_ne_bytes());
            std::thread::sleep(Duration::from_millis(100));
        }
        _ => {}
    }
    item
}

/// Makes the word by which chunks are claimed what it never is.
#[pool_task]
fn damage_the_claims(how: u64) {
    let now = word(CLAIMS);
    let damaged = [u64::MAX, now.wrapping_sub(8), now ^ 1 << 40, now ^ 1 << 63];
    mapping::overwrite(CLAIMS * STRIDE, &damaged[how as usize].to_ne_bytes());
}

#[pool_task]
fn innocent() -> u32 {
    std::process::id()
}

#[test]
fn who_can_claim_nothing_any_more_is_replaced_and_nobody_waits_for_it() {
    let _clean = clean();
    for workers in [1, 40] {
        for how in 0..4 {
            let pool = Pool::new(workers).unwrap();
            pool.apply(damage_the_claims, how).unwrap();
            // What it was sent has not begun, and goes to another.
            let pids = pool.map(innocent, vec![(); 200]).unwrap();
            assert_eq!(pids.len(), 200, "{workers} workers, {how}");
            pool.apply(damage_the_claims, how).unwrap();
            for _ in 0..2 * workers {
                pool.apply(innocent, ()).unwrap();
            }
            let damage = pool.job(damage_the_claims).chunk_size(1).imap([how; 20]);
            damage.for_each(|result| result.unwrap());
        }
    }
}

#[test]
fn damaged_claims_cost_no_item_and_none_runs_twice() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    for round in 0..5 {
        let dir = TempDir::new();
        let items = (0..60).map(|item| (dir.path(), item));
        // One worker does 0..20, of which nobody reads, and is at 40..60, while the other
        // has done 20..40 and asks for more.
        let all = pool.job(note_and_damage).chunk_size(20).window(60).map_async(items).unwrap();
        wait::until("all items to have run", || runs::noted(dir.path()).len() == 60);
        assert_eq!(all.get().unwrap(), (0..60).collect::<Vec<_>>(), "round {round}");
        assert!(runs::noted(dir.path()).values().all(|runs| runs.len() == 1), "round {round}");
    }
}

/// The word in which a worker says how far it has come with sending.
const RESPONSES_TAIL: usize = 4;

/// The `bad` item writes over what its worker says of itself, and runs on for a while.
#[pool_task]
fn work_and_damage(item: u64, bad: u64, all: bool) -> u64 {
    let spin = |time| {
        let start = Instant::now();
        while start.elapsed() < time {
            std::hint::spin_loop();
        }
    };
    spin(Duration::from_micros(20));
    if item == bad {
        let zero = 0_u64.to_ne_bytes();
        match all {
            true => (0..WORD_COUNT).for_each(|word| mapping::overwrite(word * STRIDE, &zero)),
            false => {
                mapping::overwrite(CLAIMS * STRIDE, &zero);
                mapping::overwrite(RESPONSES_TAIL * STRIDE, &12345_u64.to_ne_bytes());
            }
        }
        spin(Duration::from_millis(1 + item % 50));
    }
    item
}

#[test]
fn a_caller_that_sleeps_beside_results_does_not_hold_on_to_a_mad_worker() {
    let _clean = clean();
    for round in 0..40 {
        let pool = Pool::new(2).unwrap();
        let bad = 8000 + 377 * round;
        let items = (0..24_000).map(|item| (item, bad, round % 2 == 0));
        // It ends, whether or not the worker was found out before it had got over that.
        let ended = pool.map(work_and_damage, items);
        assert!(ended.is_ok_and(|all| all.len() == 24_000) || pool.apply(innocent, ()).is_ok());
    }
}

#[test]
fn an_item_of_a_worker_that_an_earlier_one_has_damaged_is_not_blamed() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    pool.apply(leave_a_scribbler, ()).unwrap();
    // The thread may be slow to get a core.
    let error = std::iter::repeat_with(|| pool.apply(large, ())).find_map(Result::err).unwrap();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Died, Some(76)), "{error}");
    let text = error.to_string();
    assert!(text.contains("a task of this worker, perhaps an earlier one, wrote"), "{text}");
    assert!(text.contains("max_tasks_per_child(1)"), "{text}");
    assert_eq!(pool.apply(large, ()).unwrap(), vec![0; 3 * AREA], "another worker is well");

    pool.apply(damage_the_count, ()).unwrap();
    // A worker at items with a limit of time does not make the count good again.
    let limit = Duration::from_secs(20);
    let error = pool.job(innocent).timeout(limit).apply(()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Died, "{error}");
    assert!(
        error.to_string().contains("a task of this worker, perhaps an earlier one, wrote"),
        "{error}"
    );
    pool.apply(innocent, ()).unwrap();
}
