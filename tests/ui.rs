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

/// Row 85 of the `peer_cases`: here, because it is for the compiler to say.
#[test]
fn r085_docs_of_a_task_are_kept_and_a_bad_option_fails_at_its_declaration() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/documented.rs");
    cases.compile_fail("ui/fail/options.rs");
}
