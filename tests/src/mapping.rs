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

/// Where the shared memory is mapped in this process.
///
/// # Panics
///
/// When it is not, or in several places: in a process that is no worker, or has
/// workers of its own.
#[must_use]
pub fn place() -> Range<usize> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut whole: Option<Range<usize>> = None;
    for line in maps.lines().filter(|line| line.contains("memfd:pool-channel")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let address = |text| usize::from_str_radix(text, 16).unwrap();
        let (start, end) = (address(start), address(end));
        match &mut whole {
            None => whole = Some(start..end),
            Some(whole) => {
                assert_eq!(start, whole.end, "one mapping without a gap:\n{maps}");
                whole.end = end;
            }
        }
    }
    let whole = whole.expect("a worker shares memory with the program");
    assert_eq!(whole.len(), WORDS + 4 * AREA, "{maps}");
    whole
}

/// Whether all of a slice is in the shared memory.
#[must_use]
pub fn holds<T>(slice: &[T]) -> bool {
    let place = place();
    let bytes = slice.as_ptr_range();
    place.start <= bytes.start.addr() && bytes.end.addr() <= place.end
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
