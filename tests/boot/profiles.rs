//! Whatever the compiler and the linker do to a program.

use super::programs::{Built, test};

/// What `doubler` prints.
pub(crate) const DOUBLED: [&str; 3] =
    ["main", "[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]", "elsewhere: true"];

#[track_caller]
fn maps(built: Built) {
    test(|| {
        built.run("doubler").run().printed(&DOUBLED);
        built.run("libraries").run().printed(&super::libraries::PRINTED);
    });
}

#[test]
fn a_debug_build_maps() {
    maps(Built::Debug);
}

#[test]
fn a_release_build_maps() {
    maps(Built::Release);
}

#[test]
fn a_build_with_fat_lto_and_one_codegen_unit_maps() {
    maps(Built::Fat);
}

#[test]
fn a_build_that_aborts_on_panic_maps() {
    maps(Built::Abort);
}

#[test]
fn a_statically_linked_build_maps() {
    maps(Built::Static);
}

const AROUND_THE_PANIC: [&str; 4] = ["1", "2", "4", "5"];

/// Runs `panics`, whose third item panics; gives the line about it.
fn panic_among_results(built: Built) -> String {
    let mut lines = built.run("panics").run().success().stdout;
    assert_eq!(lines.len(), 6, "{lines:?}");
    let panic = lines.remove(2);
    assert_eq!(lines[..4], AROUND_THE_PANIC);
    assert_eq!(lines[4], "then 6", "the pool goes on");
    panic
}

#[test]
fn a_panic_that_aborts_is_an_error_with_its_words_and_costs_one_item() {
    test(|| {
        let panic = panic_among_results(Built::Abort);
        let expected = "Panicked item Some(2) signal Some(6) message Some(\"7 is odd\") at \
                        panics/src/main.rs:8:9";
        assert_eq!(panic, expected);
    });
}

#[test]
fn a_panic_that_unwinds_is_the_same_error_but_no_death() {
    test(|| {
        let panic = panic_among_results(Built::Debug);
        let expected = "Panicked item Some(2) signal None message Some(\"7 is odd\") at \
                        panics/src/main.rs:8:9";
        assert_eq!(panic, expected);
    });
}
