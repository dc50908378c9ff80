//! How do I map over more input than fits in memory, and go on when an item fails?
//!
//! `checksums DIR…` prints the SHA-256 of every file under the directories (by
//! default, of the sources that cargo has downloaded) as `sha256sum` does, each
//! directory sorted by name. Memory does not grow with the number of files or
//! their size, only with the longest list of names in one directory.
//!
//! As with `find -H DIR -type f`, a symbolic link is followed if it is given as
//! an argument and left out if it is met on the way; so are pipes, sockets and
//! devices.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pool_runtime::{Pool, pool_task};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

/// Bytes of a file that a worker holds at a time.
const BLOCK: usize = 64 << 10;

/// Files sent to a worker at a time: most are small.
const CHUNK: usize = 8;

/// The argument is an `OsString` because serde takes a `Path` only if it is
/// UTF-8, and the error a `String` because an `io::Error` cannot be sent.
#[pool_task]
fn checksum(path: OsString) -> Result<[u8; 32], String> {
    sha256(Path::new(&path)).map_err(|error| error.to_string())
}

fn sha256(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(length) => hasher.update(&block[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("checksums: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let directories = directories()?;
    let code = Cell::new(ExitCode::SUCCESS);
    let report = |path: &Path, error: String| {
        eprintln!("checksums: {}: {error}", path.display());
        code.set(ExitCode::FAILURE);
    };

    // Items are pulled on this thread, while results are asked for and never
    // further ahead than the window, so this queue stays short.
    let under_way = RefCell::new(VecDeque::new());
    let paths = files(&directories, report).map(|path| {
        under_way.borrow_mut().push_back(path.clone());
        path.into_os_string()
    });

    let pool = Pool::builder().build()?;
    let mut out = io::stdout().lock();
    for result in pool.job(checksum).chunk_size(CHUNK).imap(paths) {
        // Not `let checksum = …`: in a pattern, that name is the task.
        let digest = match result {
            Ok(digest) => digest,
            // The worker died: that costs the file it was reading.
            Err(error) if error.item().is_some() => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        let path = under_way.borrow_mut().pop_front().expect("each result has its item");
        let digest = match digest {
            Ok(digest) => digest,
            Err(error) => {
                report(&path, error);
                continue;
            }
        };
        match print(&mut out, &digest, &path) {
            Ok(()) => {}
            // As `checksums | head`: nobody wants the rest.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            Err(error) => return Err(format!("standard output: {error}").into()),
        }
    }
    Ok(code.get())
}

/// The arguments, or where cargo keeps the sources that it has downloaded.
fn directories() -> Result<Vec<PathBuf>, &'static str> {
    let given: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    if !given.is_empty() {
        return Ok(given);
    }
    let cargo = match env::var_os("CARGO_HOME") {
        Some(cargo) => PathBuf::from(cargo),
        None => env::home_dir().ok_or("there is no home directory: name one")?.join(".cargo"),
    };
    Ok(vec![cargo.join("registry/src")])
}

/// Walks the directories lazily; what cannot be walked is reported and left out.
fn files(
    directories: &[PathBuf],
    report: impl Fn(&Path, String) + Copy,
) -> impl Iterator<Item = PathBuf> {
    let entries = directories.iter().flat_map(|dir| WalkDir::new(dir).sort_by_file_name());
    entries.filter_map(move |entry| match entry {
        Ok(entry) => entry.file_type().is_file().then(|| entry.into_path()),
        Err(error) => {
            let path = error.path().unwrap_or(Path::new("."));
            report(path, error.io_error().map_or_else(|| error.to_string(), ToString::to_string));
            None
        }
    })
}

/// One line, as `sha256sum` prints it: it begins with a backslash if the name
/// holds characters that had to be escaped.
fn print(out: &mut impl Write, digest: &[u8; 32], path: &Path) -> io::Result<()> {
    let mut line = Vec::new();
    for byte in digest {
        write!(line, "{byte:02x}")?;
    }
    line.extend_from_slice(b"  ");
    let prefix = line.len();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            _ => line.push(byte),
        }
    }
    if line.len() - prefix > path.as_os_str().len() {
        line.insert(0, b'\\');
    }
    line.push(b'\n');
    out.write_all(&line)
}
