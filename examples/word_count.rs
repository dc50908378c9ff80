//! How do I count something over files that are too large for one process?
//!
//! `word_count [--range BYTES] FILE…` prints the most frequent words, and how
//! many there are. The files are cut at line ends into ranges of about so many
//! bytes (4 MiB unless said otherwise); each worker opens the file and reads its
//! range, and the parent adds up what they counted.
//!
//! A word is what stands between white space, with Unicode's meaning of that;
//! bytes that are not UTF-8 count as U+FFFD. Memory does not grow with the size
//! of the files, only with the number of different words and the longest line.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pool_runtime::{Pool, pool_task};

const USAGE: &str = "expected word_count [--range BYTES] FILE…";

/// Words printed.
const TOP: usize = 10;

type Counts = HashMap<String, u64>;

/// A part of a file that begins and ends where lines do.
struct Range {
    path: PathBuf,
    start: u64,
    length: u64,
}

/// Counts the words of one range.
#[pool_task]
fn count_words(path: OsString, start: u64, length: u64) -> Result<Counts, String> {
    let text = read(Path::new(&path), start, length).map_err(|error| error.to_string())?;
    let mut counts = Counts::new();
    for word in String::from_utf8_lossy(&text).split_whitespace() {
        match counts.get_mut(word) {
            Some(count) => *count += 1,
            None => {
                counts.insert(word.to_owned(), 1);
            }
        }
    }
    Ok(counts)
}

fn read(path: &Path, start: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("word_count: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (size, paths) = arguments()?;
    let mut ranges = Vec::new();
    for path in &paths {
        let cut = cut(path, size).map_err(|error| format!("{}: {error}", path.display()))?;
        ranges.extend(cut);
    }

    let pool = Pool::builder().build()?;
    let items = ranges.iter().map(|range| {
        let Range { path, start, length } = range;
        (path.clone().into_os_string(), *start, *length)
    });
    let mut counts = Counts::new();
    // The order does not matter to a sum, so whichever is ready comes first.
    for (index, result) in pool.imap_unordered(count_words, items) {
        // A count that lacks a range would be wrong, so the first failure ends it.
        let part = result?.map_err(|error| format!("{}: {error}", ranges[index].path.display()))?;
        for (word, count) in part {
            *counts.entry(word).or_default() += count;
        }
    }
    let report = report(counts);
    io::stdout()
        .write_all(report.as_bytes())
        .map_err(|error| format!("standard output: {error}"))?;
    Ok(())
}

fn arguments() -> Result<(NonZero<u32>, Vec<PathBuf>), Box<dyn Error>> {
    let mut size = NonZero::new(4 << 20).expect("it is not 0");
    let mut arguments = env::args_os().skip(1).peekable();
    if arguments.next_if(|argument| argument == "--range").is_some() {
        let given = arguments.next().ok_or(USAGE)?;
        let given = given.to_string_lossy();
        size = given.parse().map_err(|error| format!("--range {given}: {error}"))?;
    }
    let paths: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    if paths.is_empty() {
        return Err(USAGE.into());
    }
    Ok((size, paths))
}

/// Cuts a file into ranges of `size` bytes and what is left of the line there.
fn cut(path: &Path, size: NonZero<u32>) -> io::Result<Vec<Range>> {
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file, so it cannot be cut"));
    }
    let mut file = BufReader::new(File::open(path)?);
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < metadata.len() {
        // The last byte of the range may be the line's end.
        file.seek(SeekFrom::Start(start + u64::from(size.get()) - 1))?;
        file.skip_until(b'\n')?;
        let end = file.stream_position()?.min(metadata.len());
        ranges.push(Range { path: path.to_owned(), start, length: end - start });
        start = end;
    }
    Ok(ranges)
}

/// The most frequent words, the first in the alphabet first among equals; then
/// the totals.
fn report(counts: Counts) -> String {
    let total: u64 = counts.values().sum();
    let different = counts.len();
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_unstable_by(|(a, n), (b, m)| (Reverse(n), a).cmp(&(Reverse(m), b)));
    counts.truncate(TOP);
    let mut lines: Vec<String> =
        counts.iter().map(|(word, count)| format!("{count:>12} {word}\n")).collect();
    lines.push(format!("{total:>12} words, {different} different\n"));
    lines.concat()
}
