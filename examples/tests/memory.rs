//! `checksums` over many files, and over a large one, in constant memory.

use std::fs::File;

use tempfile::tempdir;

use crate::program::{Output, example};
use crate::tree;

fn checksums_of(files: usize) -> Output {
    let dir = tempdir().unwrap();
    tree::many(dir.path(), files);
    let output = example("checksums").arg(dir.path()).run();
    assert_eq!(output.lines().len(), files);
    assert!(output.peak.program > 0 && output.peak.worker > 0, "unseen: {:?}", output.peak);
    output
}

#[test]
fn memory_does_not_grow_with_the_number_of_files() {
    let few = checksums_of(2_000).peak;
    let many = checksums_of(20_000).peak;
    println!("2,000 files: {few:?}; 20,000 files: {many:?}");
    // To keep their paths alone, of more than 400 bytes each, would take more
    // than 7 MiB.
    assert!(many.program < few.program + 1024, "in KiB: {few:?}, then {many:?}");
    assert!(many.worker < few.worker + 1024, "in KiB: {few:?}, then {many:?}");
}

#[test]
fn memory_does_not_grow_with_the_size_of_a_file() {
    let dir = tempdir().unwrap();
    // It comes first, and its worker is still there when the others follow.
    File::create(dir.path().join("0 large")).unwrap().set_len(32 << 20).unwrap();
    tree::many(dir.path(), 2_000);
    let output = example("checksums").arg(dir.path()).run();
    assert!(output.lines()[0].ends_with("/0 large"));
    println!("32 MiB and 2,000 files: {:?}", output.peak);
    assert!(output.peak.program < 16 << 10, "in KiB: {:?}", output.peak);
    assert!(output.peak.worker < 16 << 10, "in KiB: {:?}", output.peak);
}
