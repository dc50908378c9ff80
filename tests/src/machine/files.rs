//! Programs with the libraries that they need.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::archive::Archive;

/// Where a program lies that every Debian system has.
pub(super) fn find(name: &str) -> String {
    let directories = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
    let paths = directories.map(|directory| PathBuf::from(directory).join(name));
    let path = paths.iter().find(|path| path.exists());
    path.unwrap_or_else(|| panic!("there is no {name} in {directories:?}")).display().to_string()
}

/// Puts programs into `bin`, and their libraries where they are here.
pub(super) fn add(archive: &mut Archive, usual: &[String], programs: &[&str]) {
    for program in usual.iter().map(String::as_str).chain(programs.iter().copied()) {
        let name = Path::new(program).file_name().unwrap().to_str().unwrap();
        archive.file(&format!("bin/{name}"), 0o755, &std::fs::read(program).unwrap());
        for library in libraries(program) {
            let bytes = std::fs::read(&library).unwrap();
            archive.file(library.trim_start_matches('/'), 0o755, &bytes);
        }
    }
}

/// The libraries of a program, and what loads them, by `ldd`; none of a script.
fn libraries(program: &str) -> Vec<String> {
    let ran = Command::new("ldd").arg(program).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(!said.contains("not found"), "{program}: {said}");
    // "name => /path (0x…)", and of the loader "/path (0x…)".
    said.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned).collect()
}
