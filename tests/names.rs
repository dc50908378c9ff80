//! Names that a program may choose though the library needs names of its own for the whole
//! program.

#![allow(unsafe_code)] // Of the expansion of `distributed_slice`.

use linkme::distributed_slice;
use pool_runtime::{Task, pool_task};
use pool_tests::clean::clean;

#[distributed_slice]
static TASKS: [fn() -> u32];

#[distributed_slice]
static POOL_TASKS: [u32];

#[distributed_slice(TASKS)]
static ONE: fn() -> u32 = one;

fn one() -> u32 {
    1
}

#[pool_task]
fn doubler(n: u64) -> u64 {
    n * 2
}

#[test]
fn a_program_may_have_a_slice_of_its_own_called_tasks() {
    let _clean = clean();
    assert_eq!(TASKS.iter().map(|task| task()).collect::<Vec<_>>(), [1]);
    assert!(POOL_TASKS.is_empty());
    assert_eq!(doubler.pmap(0..4, 2).unwrap(), [0, 2, 4, 6]);
}

macro_rules! twice {
    ($($name:ident: $type:ty),*) => {$(
        fn $name() -> (Vec<$type>, &'static str) {
            #[pool_task]
            fn twice(n: $type) -> $type {
                n + n
            }
            (twice.pmap([1 as $type, 2 as $type], 1).unwrap(), twice::def().name)
        }
    )*};
}

twice!(twice_of_u8: u8, twice_of_u64: u64, twice_of_f64: f64);

/// Written by one macro, so at one place in the text.
#[test]
fn tasks_of_one_name_at_one_place_are_told_apart() {
    let _clean = clean();
    assert_eq!(twice_of_u8(), (vec![2, 4], "names::twice"));
    assert_eq!(twice_of_u64(), (vec![2, 4], "names::twice"));
    assert_eq!(twice_of_f64(), (vec![2.0, 4.0], "names::twice"));
}

macro_rules! constants {
    ($($name:ident: $value:expr),*) => {$(
        fn $name() -> u64 {
            #[pool_task]
            fn constant() -> u64 {
                $value
            }
            constant.pmap([()], 1).unwrap()[0]
        }
    )*};
}

constants!(first: 1, second: 2, also_second: 2);

/// Of the same types; only what they do is another, or not even that.
#[test]
fn tasks_of_one_signature_at_one_place_are_told_apart() {
    let _clean = clean();
    assert_eq!((first(), second(), also_second()), (1, 2, 2));
}
