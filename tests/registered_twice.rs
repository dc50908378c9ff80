//! Two tasks under one name: a program of its own, since no pool of it works.

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;

#[pool_task(name = "the same")]
fn one(n: u32) -> u32 {
    n
}

#[pool_task(name = "the same")]
fn other(n: u32) -> u32 {
    n + 1
}

#[pool_task]
fn innocent(n: u32) -> u32 {
    n + 2
}

fn assert_names_both(error: &pool_runtime::Error) {
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
    assert!(text.contains("\"the same\""), "{text}");
    // Where each of them is.
    assert_eq!(text.matches("tests/registered_twice.rs:").count(), 2, "{text}");
    assert!(text.contains("#[pool_task(name = "), "{text}");
}

#[test]
fn a_name_that_is_registered_twice_is_an_error_of_every_call() {
    let _clean = clean();
    assert_names_both(&one.pmap(0..3, 2).unwrap_err());
    assert_names_both(&other.spawn(0).map(|_| ()).unwrap_err());
    // Nobody can tell which of its workers' tasks are meant, so none is called.
    assert_names_both(&innocent.pmap(0..3, 2).unwrap_err());
    let pool = match Pool::new(2) {
        Ok(pool) => pool,
        Err(error) => return assert_names_both(&error),
    };
    assert_names_both(&pool.map(one, 0..3).unwrap_err());
    assert_names_both(&pool.apply(other, 1).unwrap_err());
    assert_names_both(&pool.apply_async(innocent, 1).map(|_| ()).unwrap_err());
    assert_names_both(&pool.map_async(innocent, 0..3).map(|_| ()).unwrap_err());
    assert_names_both(&pool.imap(one, 0..3).next().unwrap().unwrap_err());
    assert_names_both(&pool.imap_unordered(one, 0..3).next().unwrap().1.unwrap_err());
}

#[test]
fn plain_calls_are_not_concerned() {
    let _clean = clean();
    assert_eq!((one(1), other(1), innocent(1)), (1, 2, 3));
}
