//! Maps: what comes when, and what is left undone.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use pool_runtime::{Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::pools::idle;
use pool_tests::temp::TempDir;
use pool_tests::{runs, wait};

use crate::tasks::{note_and_wait, square};

/// Waits for the marks of other items, then leaves its own.
#[pool_task]
fn follow(dir: &Path, item: u64, others: Vec<u64>) -> u64 {
    let marked = |item: &u64| dir.join(item.to_string()).exists();
    wait::until("the other items", || others.iter().all(marked));
    runs::note(dir, item);
    item
}

/// The first of four ends when the others have begun, which never end.
#[pool_task]
fn stay_unless_first(dir: &Path, item: u64) -> u64 {
    runs::note(dir, item);
    let begun = || runs::noted(dir).into_values().filter(|pids| !pids.is_empty()).count();
    wait::until("the end", || item == 0 && begun() == 4);
    item
}

#[test]
fn r019_items_are_produced_in_step_with_consumption() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let made = RefCell::new(0);
    let items = (0..200).inspect(|_| *made.borrow_mut() += 1);
    let mut taken = 0;
    for result in pool.job(square).window(4).imap(items) {
        result.unwrap();
        taken += 1;
        let made = *made.borrow();
        assert!((taken..=taken + 4).contains(&made), "{made} made when {taken} were taken");
    }
    assert_eq!((taken, *made.borrow()), (200, 200));
}

#[test]
fn r020_nine_quick_results_come_before_a_slow_one() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let dir = TempDir::new();
    let file = dir.file("go");
    let notes = TempDir::new();
    let items = (0..10).map(|item| (notes.path(), item, if item == 0 { &*file } else { "/" }));
    let mut results = pool.imap_unordered(note_and_wait, items);
    let quick: BTreeSet<usize> = results.by_ref().take(9).map(|(item, _)| item).collect();
    assert_eq!(quick, (1..10).collect());
    std::fs::write(&file, "").unwrap();
    assert_eq!(results.next().unwrap().0, 0);
    assert!(results.next().is_none());
}

#[test]
fn r021_the_slowest_first_is_first_in_order_and_last_in_order_of_completion() {
    let _clean = clean();
    // Fewer workers than items, as many, and more.
    for workers in [2, 4, 6] {
        let pool = Pool::new(workers).unwrap();
        let marks = TempDir::new();
        let items = (0..4).map(|item| {
            let others = if item == 0 { vec![1, 2, 3] } else { vec![] };
            (marks.path(), item, others)
        });
        let ordered: Vec<u64> = pool.imap(follow, items).map(Result::unwrap).collect();
        assert_eq!(ordered, [0, 1, 2, 3], "{workers} workers");

        let (dir, notes) = (TempDir::new(), TempDir::new());
        let go = dir.file("go");
        let items = (0..4).map(|item| (notes.path(), item, if item == 0 { &*go } else { "/" }));
        let mut completed = Vec::new();
        for (item, result) in pool.imap_unordered(note_and_wait, items) {
            result.unwrap();
            completed.push(item);
            if completed.len() == 3 {
                std::fs::write(&go, "").unwrap();
            }
        }
        assert_eq!((completed.len(), completed[3]), (4, 0), "{workers} workers: {completed:?}");
    }
    // With a worker for each, all of them can be made to wait for the next.
    let pool = Pool::new(4).unwrap();
    let (taken, notes) = (TempDir::new(), TempDir::new());
    let files: Vec<String> = (0..4).map(|item| taken.file(&item.to_string())).collect();
    let items = (0..4).map(|item| {
        let next = files.get(item + 1).map_or("/", |file| file.as_str());
        (notes.path(), item as u64, next)
    });
    let mut completed = Vec::new();
    for (item, result) in pool.job(note_and_wait).chunk_size(1).imap_unordered(items) {
        result.unwrap();
        completed.push(item);
        std::fs::write(&files[item], "").unwrap();
    }
    assert_eq!(completed, [3, 2, 1, 0]);
}

#[test]
fn r022_taking_one_of_four_stops_the_others() {
    let _clean = clean();
    let pool = Pool::new(4).unwrap();
    let notes = TempDir::new();
    let items = (0..4).map(|item| (notes.path(), item));
    let results = pool.job(stay_unless_first).chunk_size(1).imap(items).take(1);
    assert_eq!(results.map(Result::unwrap).collect::<Vec<_>>(), [0]);
    let begun = runs::noted(notes.path()).into_iter();
    let others = begun.filter(|(item, _)| *item != 0).flat_map(|(_, pids)| pids);
    let stopped: BTreeSet<u32> = others.collect();
    assert_eq!(stopped.len(), 3);
    let left = idle(&pool, 4);
    assert!(left.is_disjoint(&stopped), "{stopped:?} in {left:?}");
    assert!(stopped.into_iter().all(|pid| !wait::is_running(pid)));
}
