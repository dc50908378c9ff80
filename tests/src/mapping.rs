//! The memory that a worker shares with the program, as a task can find it.

use std::ops::Range;

/// Bytes before the first data area: the control words.
pub const WORDS: usize = 64 << 10;

/// Bytes from one control word to the next.
pub const STRIDE: usize = 128;

/// Control words that are in use.
pub const WORD_COUNT: usize = 15;

/// Bytes of a data area. There are two, and each is mapped twice in a row: first
/// that of the requests, then that of the responses.
pub const AREA: usize = 8 << 20;

/// A mapping of this process.
#[derive(Debug)]
pub struct Mapping {
    /// Its addresses.
    pub place: Range<usize>,
    /// As the kernel writes it: `r--s`.
    pub access: String,
}

/// The mappings of a file of this name.
fn mappings(name: &str) -> Vec<Mapping> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let lines = maps.lines().filter(|line| line.contains(name));
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let (start, end) = words.next().unwrap().split_once('-').unwrap();
            let address = |text| usize::from_str_radix(text, 16).unwrap();
            let access = words.next().unwrap().to_owned();
            Mapping { place: address(start)..address(end), access }
        })
        .collect()
}

/// Where long items lie, which are not sent, if this worker reads any.
///
/// # Panics
///
/// When it is mapped in several places.
#[must_use]
pub fn arena() -> Option<Mapping> {
    let mut found = mappings("memfd:pool-arguments");
    assert!(found.len() <= 1, "{found:?}");
    found.pop()
}

/// Where an argument lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Lies {
    /// Where it came.
    InTheRing,
    /// Where the program has put it.
    InTheArena,
    /// In memory of the worker's own.
    Elsewhere,
}

/// Where all of a slice lies.
#[must_use]
pub fn lies<T>(slice: &[T]) -> Lies {
    let bytes = slice.as_ptr_range();
    let holds =
        |place: &Range<usize>| place.start <= bytes.start.addr() && bytes.end.addr() <= place.end;
    if holds(&place()) {
        Lies::InTheRing
    } else if arena().is_some_and(|arena| holds(&arena.place)) {
        Lies::InTheArena
    } else {
        Lies::Elsewhere
    }
}

/// Where the shared memory is mapped in this process.
///
/// # Panics
///
/// When it is not, or in several places: in a process that is no worker, or has
/// workers of its own.
#[must_use]
pub fn place() -> Range<usize> {
    let parts = mappings("memfd:pool-channel");
    let first = parts.first().expect("a worker shares memory with the program");
    let whole = first.place.start..first.place.start + WORDS + 4 * AREA;
    let end = parts.iter().fold(whole.start, |end, part| {
        assert_eq!(part.place.start, end, "one mapping without a gap: {parts:?}");
        part.place.end
    });
    assert_eq!(end, whole.end, "{parts:?}");
    whole
}

/// A control word of this worker's channel, at this moment.
#[must_use]
pub fn word(number: usize) -> u64 {
    assert!(number < WORD_COUNT);
    let word = std::ptr::with_exposed_provenance::<u64>(place().start + number * STRIDE);
    // SAFETY: it is mapped as long as the worker lives, and aligned.
    unsafe { word.read_volatile() }
}

/// Writes over the shared memory, from this many bytes after its beginning on.
///
/// # Panics
///
/// When that is beyond its end.
pub fn overwrite(at: usize, bytes: &[u8]) {
    let place = place();
    assert!(at + bytes.len() <= place.len());
    let to = std::ptr::with_exposed_provenance_mut::<u8>(place.start + at);
    // SAFETY: it is mapped and writable. What follows from it for the worker is
    // what the tests that do this are about.
    unsafe { std::ptr::copy(bytes.as_ptr(), to, bytes.len()) }
}

/// Bytes of memory that the pool of this process has for long items.
///
/// # Panics
///
/// When no pool lives, or several.
#[must_use]
pub fn lent_memory() -> u64 {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let mut files = entries.filter(|path| {
        std::fs::read_link(path).is_ok_and(|to| to.to_str().unwrap().contains("pool-arguments"))
    });
    let file = files.next().expect("a pool lives");
    assert!(files.next().is_none(), "one of them");
    std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(file).unwrap()) * 512
}
