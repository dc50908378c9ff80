//! What is said of bad accesses to memory: of a stack only where one has overflowed.

use pool_runtime::{Error, ErrorKind, Pool, PoolBuilder, pool_task};
use pool_tests::clean::clean;

#[pool_task]
fn dive(n: u64) -> u64 {
    let pad = std::hint::black_box([n; 64]);
    if n == u64::MAX { 0 } else { dive(n + 1) + pad[3] }
}

#[pool_task]
fn dive_elsewhere() -> u64 {
    std::thread::spawn(|| dive(0)).join().unwrap()
}

/// Writes to an address: null, or one that nothing is at.
#[pool_task]
fn write_to(address: usize) {
    // SAFETY: none; the worker is to die of it.
    unsafe { std::ptr::without_provenance_mut::<u8>(address).write_volatile(1) }
}

#[pool_task]
fn signal_itself() {
    // SAFETY: it takes an integer.
    unsafe { libc::raise(libc::SIGSEGV) };
}

fn assert_killed(error: &Error) {
    assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(11)), "{error}");
    assert!(error.to_string().contains("killed by SIGSEGV while running faults::"), "{error}");
}

fn small() -> PoolBuilder {
    Pool::builder().workers(1).stack_size(1 << 20)
}

#[test]
fn an_overflow_of_the_stack_is_told_with_its_size_and_its_setting() {
    let _clean = clean();
    for pool in [small(), small().memory_limit(64 << 20)] {
        let pool = pool.build().unwrap();
        // A worker that comes after another has its own.
        for item in [0, 1] {
            let error = pool.apply(dive, item).unwrap_err();
            assert_killed(&error);
            let says = "overflowed its stack of 1 MiB (see `stack_size`) and was killed by SIGSEGV";
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}

#[test]
fn nothing_is_said_of_a_stack_where_none_has_overflowed() {
    let _clean = clean();
    for pool in [small(), small().memory_limit(64 << 20)] {
        let pool = pool.build().unwrap();
        for address in [0, 8, 1 << 30, usize::MAX / 2 + 1, usize::MAX] {
            let error = pool.apply(write_to, address).unwrap_err();
            assert_killed(&error);
            assert!(error.to_string().ends_with("(likely cause: a bad memory access)"), "{error}");
        }
    }
}

#[test]
fn where_nothing_could_be_noted_both_are_likely() {
    let _clean = clean();
    let pool = small().build().unwrap();
    let both = "(likely cause: a bad memory access or a stack overflow)";
    // Its stack has no other beside it for a handler.
    let error = pool.apply(dive_elsewhere, ()).unwrap_err();
    assert_killed(&error);
    assert!(error.to_string().ends_with(both), "{error}");
    // A signal that was sent has no address.
    let error = pool.apply(signal_itself, ()).unwrap_err();
    assert_killed(&error);
    assert!(error.to_string().ends_with(both), "{error}");
}
