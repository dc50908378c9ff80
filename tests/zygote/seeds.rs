//! What is drawn or noted before `main` is each worker's own.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use pool_runtime::{NotForked, Pool, Process, pool_task, shutdown};
use pool_tests::clean::clean;

use crate::helpers::{assert_executed, assert_forked, forked};

/// Has a constructor of the program draw the seed of its thread's hash maps.
const EARLY: &str = "POOL_TESTS_EARLY_HASHES";

#[used]
// SAFETY: the section holds pointers to functions that the C runtime calls once,
// before main; it passes arguments that this one does not look at. It stands before
// all other constructors of users.
#[unsafe(link_section = ".init_array.00101")]
static CONSTRUCTOR: extern "C" fn() = construct;

extern "C" fn construct() {
    if std::env::var_os(EARLY).is_some() {
        std::hint::black_box(RandomState::new());
    }
}

/// What a shared library has when it has been loaded: it is as this in the array, before
/// anything of the runtime's.
static LOADED: OnceLock<(u64, u32)> = OnceLock::new();

#[used]
// SAFETY: as above. The number is that of the C library's own, whose part this plays.
#[unsafe(link_section = ".init_array.00000")]
static LOADING: extern "C" fn() = load;

extern "C" fn load() {
    let mut seed = [0; 8];
    // SAFETY: it writes the eight bytes that it is given.
    let drawn = unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), 0) };
    assert_eq!(drawn, 8);
    let _ = LOADED.set((u64::from_ne_bytes(seed), std::process::id()));
}

#[pool_task]
fn hash_of_nothing() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// What the library has, and the process that asks it.
#[pool_task]
fn library() -> ((u64, u32), u32) {
    (*LOADED.get().unwrap(), std::process::id())
}

#[test]
fn hash_seeds_are_each_workers_own_also_if_a_constructor_has_drawn_them() {
    let _clean = clean();
    for early in [false, true] {
        let hashes: BTreeSet<u64> = (0..4)
            .map(|_| {
                let pool = forked(|| {
                    let builder = Pool::builder().workers(1);
                    if early { builder.env(EARLY, "1") } else { builder }
                });
                pool.apply(hash_of_nothing, ()).unwrap()
            })
            .collect();
        assert_eq!(hashes.len(), 4, "drawn early: {early}");
    }
}

/// What three workers in a row say of the library.
fn told(forks: bool) -> [((u64, u32), u32); 3] {
    [(); 3].map(|()| {
        let pool = Pool::builder().workers(1).forked(forks).build().unwrap();
        if forks {
            assert_forked(&pool);
        } else {
            assert_executed(&pool, NotForked::Unwanted);
        }
        pool.apply(library, ()).unwrap()
    })
}

#[test]
fn what_a_library_draws_when_it_is_loaded_is_a_workers_own_unless_that_is_forked() {
    let _clean = clean();
    // Of one copy of the program, whose process id it is.
    let [(first, _), others @ ..] = told(true);
    assert_ne!(first.1, std::process::id());
    assert!(others.iter().all(|&(theirs, own)| theirs == first && own != first.1), "{others:?}");
    shutdown();
    let executed = told(false);
    let seeds: BTreeSet<u64> = executed.iter().map(|((seed, _), _)| *seed).collect();
    assert_eq!(seeds.len(), 3, "{executed:?}");
    assert!(executed.iter().all(|((_, noted), own)| noted == own), "{executed:?}");
    let mut process = Process::builder().forked(false).spawn(library, ()).unwrap();
    let ((seed, noted), own) = process.join().unwrap();
    assert!(noted == own && !seeds.contains(&seed), "{seed} of {noted} in {own}");
}
