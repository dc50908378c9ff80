//! Programs that call `init`, and programs without the hook that makes `init`
//! unnecessary.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use pool_tests::temp::TempDir;

use super::programs::{Built, test};
use super::run::Program;

#[test]
fn init_is_harmless_where_it_is_not_needed() {
    test(|| Built::Debug.run("initialised").run().printed(&["main", "[0, 2, 4]"]));
}

#[test]
fn init_makes_workers_of_a_program_whose_hook_was_dropped() {
    test(|| {
        let dir = TempDir::new();
        let program = without_initialisers("initialised", &dir);
        Program::new(program).run().printed(&["main", "[0, 2, 4]"]);
    });
}

#[test]
fn a_program_whose_hook_was_dropped_gets_an_error_and_does_not_multiply() {
    test(|| {
        let dir = TempDir::new();
        let ended = Program::new(without_initialisers("doubler", &dir)).run().failure();
        let told = |what: &str| ended.stderr.iter().any(|line| line.contains(what));
        assert!(told("call `pool_runtime::init()` first in main"), "{:?}", ended.stderr);
        assert!(told("before it reported in"), "{:?}", ended.stderr);
        // Its own `main`, and that of each worker that was tried; no worker's worker.
        assert!(ended.stdout.len() <= 1 + 3 * 3, "{:?}", ended.stdout);
    });
}

/// A copy of a program that runs `main` and nothing before it, as if a link
/// script had dropped the initialiser array.
fn without_initialisers(name: &str, dir: &TempDir) -> PathBuf {
    let mut file = fs::read(Built::Debug.program(name)).unwrap();
    let entry = size_of_initialisers(&file);
    file[entry..entry + 8].fill(0);
    let copy = dir.path().join(name);
    fs::write(&copy, file).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

/// Where a 64-bit ELF file tells the dynamic loader the size of its initialiser
/// array.
fn size_of_initialisers(file: &[u8]) -> usize {
    const PT_DYNAMIC: u64 = 2;
    const DT_INIT_ARRAYSZ: u64 = 27;
    let number = |at: usize, bytes: usize| {
        let mut word = [0; 8];
        word[..bytes].copy_from_slice(&file[at..at + bytes]);
        u64::from_le_bytes(word)
    };
    let place = |at: usize| usize::try_from(number(at, 8)).unwrap();
    let segments = place(0x20);
    let count = usize::try_from(number(0x38, 2)).unwrap();
    let mut segments = (0..count).map(|index| segments + 56 * index);
    let dynamic = segments.find(|&segment| number(segment, 4) == PT_DYNAMIC).expect("PT_DYNAMIC");
    let (start, length) = (place(dynamic + 8), place(dynamic + 32));
    let mut entries = (start..start + length).step_by(16);
    entries.find(|&entry| number(entry, 8) == DT_INIT_ARRAYSZ).expect("DT_INIT_ARRAYSZ") + 8
}
