//! `checksums`, apart from what it prints beside `sha256sum`: that is in `coreutils`.

use std::fs;

use tempfile::tempdir;

use crate::program::example;
use crate::tree;

/// Older versions of `sha256sum` leave a carriage return as it is, so this is
/// compared with what the newer ones print.
#[test]
fn a_carriage_return_is_escaped() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("a\rb"), "").unwrap();
    let output = example("checksums").arg(".").current_dir(dir.path()).run();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(output.lines(), [format!("\\{empty}  ./a\\rb")]);
}

#[test]
fn a_reader_that_leaves_early_ends_it_quietly() {
    let dir = tempdir().unwrap();
    // Far more than a pipe holds.
    tree::many(dir.path(), 1_000);
    let output = example("checksums").arg(dir.path()).run_and_close_after(100);
    assert_eq!(output.stdout.len(), 100);
    output.assert_quiet();
}
