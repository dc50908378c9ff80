//! Trees of files to walk.

use std::fs;
use std::path::Path;

/// Many small files, a hundred in each directory, with names that are long
/// enough for a program that keeps them to be found out.
pub(crate) fn many(root: &Path, files: usize) {
    let padding = "p".repeat(200);
    for start in (0..files).step_by(100) {
        let dir = root.join(format!("{start:06} {padding}"));
        fs::create_dir_all(&dir).unwrap();
        for n in start..files.min(start + 100) {
            fs::write(dir.join(format!("{n:06} {padding}")), n.to_string()).unwrap();
        }
    }
}
