//! `checksums`, against `sha256sum` itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::tempdir;

use crate::program::example;
use crate::tree::{Odd, TooLong};

/// What `sha256sum` prints for these files, all of which it can read.
fn sha256sum(dir: &Path, files: &[PathBuf]) -> Vec<u8> {
    let output = Command::new("sha256sum").arg("--").args(files).current_dir(dir).output();
    let output = output.unwrap_or_else(|error| {
        panic!("sha256sum cannot be run: install coreutils (GNU core utilities): {error}")
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[track_caller]
fn assert_same(printed: &[u8], expected: &[u8]) {
    // Bytes that are not UTF-8 are told apart by the second comparison.
    assert_eq!(String::from_utf8_lossy(printed), String::from_utf8_lossy(expected));
    assert_eq!(printed, expected);
}

#[test]
fn prints_what_sha256sum_prints() {
    let dir = tempdir().unwrap();
    let odd = Odd::grow(dir.path());
    let output = example("checksums").arg(dir.path()).run();
    output.assert_quiet();
    assert_same(&output.stdout, &sha256sum(Path::new("/"), &odd.files));
}

#[test]
fn names_begin_as_the_argument_does() {
    let dir = tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    fs::create_dir(dir.path().join("z")).unwrap();
    for file in ["a/b/1", "a/2", "z/3", "4"] {
        fs::write(dir.path().join(file), file).unwrap();
    }
    std::os::unix::fs::symlink("a", dir.path().join("link")).unwrap();
    let same = |arguments: &[&str], files: &[&str]| {
        let output = example("checksums").args(arguments).current_dir(dir.path()).run();
        output.assert_quiet();
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        assert_same(&output.stdout, &sha256sum(dir.path(), &files));
    };
    same(&["."], &["./4", "./a/2", "./a/b/1", "./z/3"]);
    same(&["z", "a/"], &["z/3", "a/2", "a/b/1"]);
    same(&["4", "a/b"], &["4", "a/b/1"]);
    same(&["link", "a"], &["link/2", "link/b/1", "a/2", "a/b/1"]);
}

#[test]
fn the_default_is_what_cargo_has_downloaded() {
    let home = tempdir().unwrap();
    let cargo = home.path().join(".cargo");
    let source = cargo.join("registry/src/index/crate-1.0.0/src/lib.rs");
    fs::create_dir_all(source.parent().unwrap()).unwrap();
    fs::write(&source, "//! A library.").unwrap();
    let expected = sha256sum(Path::new("/"), &[source]);

    let output = example("checksums").env("CARGO_HOME", &cargo).run();
    output.assert_quiet();
    assert_same(&output.stdout, &expected);
    let output = example("checksums").env_remove("CARGO_HOME").env("HOME", home.path()).run();
    output.assert_quiet();
    assert_same(&output.stdout, &expected);
}

/// The tests may run as root, who may read everything; so these are files and
/// directories whose reading fails for other reasons.
#[test]
fn what_cannot_be_read_is_reported_and_the_rest_is_done() {
    let dir = tempdir().unwrap();
    let first = dir.path().join("a");
    fs::create_dir(&first).unwrap();
    let odd = Odd::grow(&first);
    let long = TooLong::grow(&dir.path().join("a"));
    let missing = dir.path().join("missing");
    // A file that can be opened; reading fails, since nothing is at address 0.
    let memory = Path::new("/proc/self/mem");

    let arguments = [memory, &missing, dir.path(), &odd.files[0]];
    let output = example("checksums").args(arguments).run();
    assert_eq!(output.status.code(), Some(1));
    let readable = [&*odd.files, &odd.files[..1]].concat();
    assert_same(&output.stdout, &sha256sum(Path::new("/"), &readable));

    let mut reports: Vec<&str> = output.stderr.lines().collect();
    reports.sort_unstable();
    let report = |path: &Path, what: &str| format!("checksums: {}: {what}", path.display());
    let mut expected = [
        report(memory, "Input/output error (os error 5)"),
        report(&missing, "No such file or directory (os error 2)"),
        report(&long.file, "File name too long (os error 36)"),
        report(&long.directory, "File name too long (os error 36)"),
    ];
    expected.sort_unstable();
    assert_eq!(reports, expected);
}
