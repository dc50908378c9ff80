//! What workers note, so that it is known also of those that come to an end: which
//! items they begin, and how they are about to end themselves.
//!
//! Each has a file, in which a note is a word more: one write, so that it is there in
//! whole or not at all, whenever the worker is killed.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::OnceLock;

use pool_tests::wait;

/// In words that are none of an item: the rest is an exit status.
const END: u64 = 1 << 63;

/// An item begins.
pub(crate) fn note(dir: &str, id: u64) {
    assert!(id < END);
    write(dir, id);
}

/// This worker is about to be ended by its item: killed by a signal, or exiting.
pub(crate) fn note_end(dir: &str, signal: Option<i32>, exit_code: Option<i32>) {
    let status = signal.unwrap_or(0) | exit_code.unwrap_or(0) << 8;
    write(dir, END | u64::from(status.cast_unsigned()));
}

fn write(dir: &str, word: u64) {
    static FILE: OnceLock<File> = OnceLock::new();
    let mut file = FILE.get_or_init(|| {
        let path = Path::new(dir).join(std::process::id().to_string());
        OpenOptions::new().create(true).append(true).open(path).unwrap()
    });
    file.write_all(&word.to_le_bytes()).unwrap();
}

/// The items that have begun, again for each time that they did.
pub(crate) fn noted(dir: &Path) -> Vec<u64> {
    let files = std::fs::read_dir(dir).unwrap();
    let words = files.flat_map(|file| words(&std::fs::read(file.unwrap().path()).unwrap()));
    words.filter(|word| word & END == 0).collect()
}

/// Whether a worker has noted that its item was about to end it like this.
pub(crate) fn has_noted_end(
    dir: &str,
    pid: u32,
    signal: Option<i32>,
    exit_code: Option<i32>,
) -> bool {
    let path = Path::new(dir).join(pid.to_string());
    let mut bytes = Vec::new();
    wait::until("a descriptor to be free", || {
        match std::fs::read(&path) {
            Ok(noted) => bytes = noted,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{path:?}");
                return false;
            }
        }
        true
    });
    let ends = words(&bytes).into_iter().filter(|word| word & END != 0);
    let mut ends = ends.map(|word| ExitStatus::from_raw((word as u32).cast_signed()));
    ends.any(|end| (end.signal(), end.code()) == (signal, exit_code))
}

fn words(bytes: &[u8]) -> Vec<u64> {
    let (words, rest) = bytes.as_chunks::<8>();
    assert_eq!(rest, [], "half a note");
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}
