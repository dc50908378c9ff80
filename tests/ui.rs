//! What the attribute refuses, and in which words.
//!
//! After a change of words: `TRYBUILD=overwrite cargo test -p pool-tests --test
//! ui`, and read the difference.

#[test]
fn a_refusal_says_what_to_write_instead() {
    trybuild::TestCases::new().compile_fail("ui/fail/*.rs");
}

#[test]
fn lints_that_a_crate_forbids_are_kept() {
    trybuild::TestCases::new().pass("ui/pass/*.rs");
}
