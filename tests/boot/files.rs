//! What the program's file is called, and what becomes of it.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use pool_tests::temp::TempDir;

use super::profiles::DOUBLED;
use super::programs::{Built, test};
use super::run::Program;

#[test]
fn a_program_started_through_a_symbolic_link_maps() {
    test(|| {
        let dir = TempDir::new();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(Built::Debug.program("doubler"), &link).unwrap();
        Program::new(link).run().printed(&DOUBLED);
    });
}

#[test]
fn a_program_started_by_a_relative_path_may_change_its_directory() {
    test(|| {
        let program = Built::Debug.program("environment");
        // It enters other directories before it makes its pools.
        let ended = Program::new("./environment").current_dir(program.parent().unwrap()).run();
        assert_eq!(ended.success().stdout.len(), 4);
    });
}

#[test]
fn a_program_found_by_its_name_alone_maps() {
    test(|| {
        let program = Built::Debug.program("doubler");
        let path = program.parent().unwrap();
        // Not a directory in which the name would mean something by itself.
        Program::new("doubler").env("PATH", path).current_dir("/").run().printed(&DOUBLED);
    });
}

/// Starts a copy of `files`, does something to the copy, and lets it go on.
fn meanwhile(change: impl FnOnce(&Path)) {
    let dir = TempDir::new();
    let copy = dir.path().join("program");
    fs::copy(Built::Debug.program("files"), &copy).unwrap();
    let mut running = Program::new(&copy).stdin(Stdio::piped()).start();
    assert_eq!(running.line(), "before: 2");
    change(&copy);
    running.say("go on");
    let lines = ["Died by signal Some(6)", "a new worker: 4", "a new pool: [6, 8]"];
    running.end().printed(&lines);
}

#[test]
fn a_program_replaced_on_disk_goes_on_with_its_own_code() {
    test(|| {
        meanwhile(|copy| {
            let other = copy.with_extension("new");
            fs::copy(Built::Debug.program("only_linked"), &other).unwrap();
            fs::rename(other, copy).unwrap();
        });
    });
}

#[test]
fn a_program_deleted_from_disk_goes_on() {
    test(|| meanwhile(|copy| fs::remove_file(copy).unwrap()));
}

#[test]
fn a_program_whose_directory_was_renamed_goes_on() {
    test(|| {
        let other = TempDir::new();
        let moved = other.path().join("moved");
        meanwhile(|copy| fs::rename(copy.parent().unwrap(), &moved).unwrap());
    });
}
