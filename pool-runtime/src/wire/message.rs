//! What the two sides say to each other: a tag, and a body.
//!
//! Everything is little endian. The program trusts nothing of what a worker
//! sends (its memory may be corrupt), so decoding gives `None` where a message
//! is not one of these, and never reads past its end.
//!
//! Items and their arguments begin at a multiple of eight bytes from the start of
//! a body, so that an argument which is an array of numbers can be lent
//! to the task where it lies. What fills the gaps is zero and is not read.

mod boot;

use super::payload::Out;
use crate::ids::Item;
use crate::limits::{MAX_BACKTRACE, MAX_PANIC_MESSAGE, head};
pub(crate) use boot::{Boot, Lifespan};

/// Both sides are the same program as a rule, but not where the user names a
/// worker program.
pub(crate) const PROTOCOL: u32 = 5;

/// How many bytes lie between this many and the next multiple of eight.
#[inline]
pub(crate) fn gap(length: usize) -> usize {
    length.wrapping_neg() % ALIGN
}

const ALIGN: usize = 8;

/// Fills the gap after what has been written since `start`.
#[inline]
pub(crate) fn put_gap(out: &mut impl Out, start: usize) {
    let gap = gap(out.len() - start);
    // Of so few bytes the call of a copy is the most of it.
    if gap > 0 {
        out.put(&[0; ALIGN][..gap]);
    }
}

/// What the program says.
pub(crate) mod request {
    /// Items to run.
    pub(crate) const CHUNK: u8 = 1;
    /// The chunks before this were recalled, as far as they are not claimed.
    pub(crate) const RECALL: u8 = 2;
    /// Nothing more will come.
    pub(crate) const GOODBYE: u8 = 3;
    /// The item of a single call, after which another is likely to come soon.
    pub(crate) const CALL: u8 = 4;
    /// Added to the tag of a chunk or call whose items are begun with care: they have a
    /// time limit, or may be the last that is wanted of their chunk.
    pub(crate) const CAREFUL: u8 = 16;
    /// Added to the tag of a chunk of a map: nobody wants any result of it before it has
    /// them all.
    pub(crate) const QUIET: u8 = 32;
    /// Added to the tag of a chunk or call whose items do not follow the head, but only where
    /// they lie in memory that the worker may read: the place and the length, as `u64`.
    pub(crate) const LENT: u8 = 64;

    /// Without what may be added.
    fn kind(tag: u8) -> u8 {
        tag & !(CAREFUL | QUIET | LENT)
    }

    pub(crate) fn is_chunk(tag: u8) -> bool {
        matches!(kind(tag), CHUNK | CALL)
    }

    pub(crate) fn is_call(tag: u8) -> bool {
        kind(tag) == CALL
    }

    pub(crate) fn is_lent(tag: u8) -> bool {
        tag & LENT != 0
    }

    pub(crate) fn is_careful(tag: u8) -> bool {
        tag & CAREFUL != 0
    }

    pub(crate) fn is_quiet(tag: u8) -> bool {
        tag & QUIET != 0
    }
}

/// Appends the head of a chunk's body; its items follow it: each its length
/// (`u64`), its bytes and a gap, as [`put_item`] wrote them.
pub(crate) fn put_chunk_head(out: &mut Vec<u8>, task: &str, first: Item, count: u64) {
    let start = out.len();
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&first.to_le_bytes());
    put_text(out, task);
    put_gap(out, start);
}

/// Appends one item, as `encode` writes it; on an error nothing is appended.
#[inline]
pub(crate) fn put_item<O: Out, E>(
    out: &mut O,
    encode: impl FnOnce(&mut O) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.put(&[0; 8]);
    if let Err(error) = encode(out) {
        out.truncate(start);
        return Err(error);
    }
    let length = (out.len() - start - 8) as u64;
    out[start..start + 8].copy_from_slice(&length.to_le_bytes());
    put_gap(out, start);
    Ok(())
}

/// How many bytes the item at the head of `items` takes, as [`put_item`] wrote it.
pub(crate) fn item_length(items: &[u8]) -> usize {
    let head = items.first_chunk().expect("an item that was written has a length");
    let length = u64::from_le_bytes(*head) as usize;
    8 + length + gap(length)
}

/// A chunk, as the worker reads it.
#[derive(Debug)]
pub(crate) struct Chunk<'a> {
    pub(crate) task: &'a str,
    /// Copied out of the message before the first item runs: a task that writes
    /// past its argument changes what comes after it, but not how many items the
    /// program waits for.
    pub(crate) count: u64,
    /// The index of its first item, as marks in the output name it.
    pub(crate) first: Item,
    bytes: Reader<'a>,
}

impl<'a> Chunk<'a> {
    /// Of a body, and of the items that it tells of if they lie elsewhere.
    pub(crate) fn decode(body: &'a [u8], lent: Option<&'a [u8]>) -> Option<Chunk<'a>> {
        let mut reader = Reader { bytes: body };
        let count = reader.u64()?;
        let first = reader.u64()?;
        let length = reader.u32()? as usize;
        let task = std::str::from_utf8(reader.take(length)?).ok()?;
        reader.take(gap(body.len() - reader.bytes.len()))?;
        if let Some(items) = lent {
            reader.end()?;
            reader = Reader { bytes: items };
        }
        Some(Chunk { task, count, first, bytes: reader })
    }

    /// Whether nothing is left, as it is after the last item of a sound chunk.
    pub(crate) fn is_at_its_end(&self) -> bool {
        self.bytes.bytes.is_empty()
    }
}

/// The bytes of each item.
impl<'a> Iterator for Chunk<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.bytes.u64()?).ok()?;
        let item = self.bytes.take(length)?;
        self.bytes.take(gap(length))?;
        Some(item)
    }
}

/// A panic, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PanicReport {
    pub(crate) phase: Phase,
    pub(crate) message: String,
    /// `file:line:column`; unknown where the task replaced the panic hook.
    pub(crate) location: Option<String>,
    pub(crate) backtrace: Option<String>,
}

/// How far a call has come; tells what a panic interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The arguments are being decoded.
    Decode,
    /// The user's function runs.
    Body,
    /// The result is being encoded.
    Encode,
}

/// Why a call gave no result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Panicked(PanicReport),
    /// An argument could not be decoded.
    Undecodable(String),
    /// The result could not be encoded.
    Unencodable(String),
    /// The worker's program has no such task.
    UnknownTask,
}

/// What a worker says. Outcomes do not name their items: they come in the order
/// in which the items were sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Report<'a> {
    /// It has booted, and can read what it is lent, or not.
    Ready {
        reads: bool,
    },
    /// A result's bytes.
    Returned(&'a [u8]),
    Failed(Failure),
    /// It is panicking; should it die now, this is why.
    LastWords(PanicReport),
    /// It begins nothing more and leaves.
    Retired(Retirement),
    /// It cannot be what it is to be, and ends: what it could not do, and why.
    Unfit(String),
}

/// Why a worker leaves by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retirement {
    /// It was at an item that nobody wants any more, and has ended it.
    Condemned,
    /// It has run as many items as it may.
    Tasks,
    /// It has lived for as long as it may.
    Age,
    /// It has grown past what it may.
    Memory,
}

/// The tags of reports.
pub(crate) mod report {
    pub(crate) const READY: u8 = 1;
    pub(crate) const RETURNED: u8 = 2;
    pub(crate) const FAILED: u8 = 3;
    pub(crate) const LAST_WORDS: u8 = 4;
    pub(crate) const RETIRED: u8 = 5;
    pub(crate) const UNFIT: u8 = 6;
}

const PANICKED: u8 = 1;
const UNDECODABLE: u8 = 2;
const UNENCODABLE: u8 = 3;
const UNKNOWN_TASK: u8 = 4;

pub(crate) fn put_ready(out: &mut Vec<u8>, reads: bool) {
    out.extend_from_slice(&PROTOCOL.to_le_bytes());
    out.push(u8::from(reads));
}

pub(crate) fn put_retired(out: &mut Vec<u8>, why: Retirement) {
    out.push(match why {
        Retirement::Condemned => 0,
        Retirement::Tasks => 1,
        Retirement::Age => 2,
        Retirement::Memory => 3,
    });
}

pub(crate) fn put_last_words(out: &mut Vec<u8>, report: &PanicReport) {
    put_panic(out, report);
}

pub(crate) fn put_unfit(out: &mut Vec<u8>, why: &str) {
    put_text(out, head(why, MAX_PANIC_MESSAGE));
}

pub(crate) fn put_failure(out: &mut Vec<u8>, failure: &Failure) {
    match failure {
        Failure::Panicked(report) => {
            out.push(PANICKED);
            put_panic(out, report);
        }
        Failure::Undecodable(why) => {
            out.push(UNDECODABLE);
            put_text(out, head(why, MAX_PANIC_MESSAGE));
        }
        Failure::Unencodable(why) => {
            out.push(UNENCODABLE);
            put_text(out, head(why, MAX_PANIC_MESSAGE));
        }
        Failure::UnknownTask => out.push(UNKNOWN_TASK),
    }
}

impl<'a> Report<'a> {
    pub(crate) fn decode(tag: u8, body: &'a [u8]) -> Option<Report<'a>> {
        if tag == report::RETURNED {
            return Some(Report::Returned(body));
        }
        let mut reader = Reader { bytes: body };
        let report = match tag {
            report::READY if reader.u32()? == PROTOCOL => {
                Report::Ready { reads: reader.u8()? != 0 }
            }
            report::FAILED => Report::Failed(match reader.u8()? {
                PANICKED => Failure::Panicked(reader.panic()?),
                UNDECODABLE => Failure::Undecodable(reader.text()?),
                UNENCODABLE => Failure::Unencodable(reader.text()?),
                UNKNOWN_TASK => Failure::UnknownTask,
                _ => return None,
            }),
            report::LAST_WORDS => Report::LastWords(reader.panic()?),
            report::RETIRED => Report::Retired(match reader.u8()? {
                0 => Retirement::Condemned,
                1 => Retirement::Tasks,
                2 => Retirement::Age,
                3 => Retirement::Memory,
                _ => return None,
            }),
            report::UNFIT => Report::Unfit(reader.text()?),
            _ => return None,
        };
        reader.end()?;
        Some(report)
    }
}

fn put_panic(out: &mut Vec<u8>, report: &PanicReport) {
    out.push(match report.phase {
        Phase::Decode => 0,
        Phase::Body => 1,
        Phase::Encode => 2,
    });
    put_text(out, head(&report.message, MAX_PANIC_MESSAGE));
    put_text(out, report.location.as_deref().unwrap_or(""));
    put_text(out, head(report.backtrace.as_deref().unwrap_or(""), MAX_BACKTRACE));
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).expect("texts on the wire are bounded");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Reads values off the front, each checked against what is left.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let length = self.u32()? as usize;
        Some(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn panic(&mut self) -> Option<PanicReport> {
        let some = |text: String| (!text.is_empty()).then_some(text);
        Some(PanicReport {
            phase: match self.u8()? {
                0 => Phase::Decode,
                1 => Phase::Body,
                2 => Phase::Encode,
                _ => return None,
            },
            message: self.text()?,
            location: some(self.text()?),
            backtrace: some(self.text()?),
        })
    }

    pub(super) fn end(&self) -> Option<()> {
        self.bytes.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests;
