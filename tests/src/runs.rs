//! How often, and by whom, each item was run: one line in a file per run, written
//! before anything else happens, so that what was begun is known whatever comes
//! of it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Notes in a directory that an item begins to run in this process.
///
/// # Panics
///
/// When the file cannot be written.
pub fn note(dir: &Path, item: u64) {
    let file = dir.join(item.to_string());
    let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
    // One write, so that two runs at once make two lines.
    file.write_all(format!("{}\n", std::process::id()).as_bytes()).unwrap();
}

/// The pids of the processes in which each item has begun, once for each run.
///
/// # Panics
///
/// When the directory holds anything else.
#[must_use]
pub fn noted(dir: &Path) -> BTreeMap<u64, Vec<u32>> {
    let entries = std::fs::read_dir(dir).unwrap();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let pids = std::fs::read_to_string(entry.path()).unwrap();
            let item = entry.file_name().to_str().unwrap().parse().unwrap();
            (item, pids.lines().map(|pid| pid.parse().unwrap()).collect())
        })
        .collect()
}
