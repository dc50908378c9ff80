//! What the two sides say to each other.
//!
//! Everything is little endian. The program trusts nothing of what a worker
//! sends (its memory may be corrupt), so decoding gives `None` where a message
//! is not one of these, and never reads past its end.
//!
//! Items and their arguments begin at a multiple of eight bytes from the start of
//! a frame's body, so that an argument which is an array of numbers can be lent
//! to the task where it lies. What fills the gaps is zero and is not read.

use super::frame;
use crate::ids::{Item, Items};
use crate::limits::{MAX_BACKTRACE, MAX_PANIC_MESSAGE};

/// Both sides are the same program as a rule, but not where the user names a
/// worker program.
pub(crate) const PROTOCOL: u32 = 1;

/// What a worker is told when it boots. It travels on the lifeline, together
/// with the descriptor of the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Boot {
    /// What the worker's environment variable says too.
    pub(crate) mark: u64,
    /// How deep this worker's pools are nested, the program itself being 0.
    pub(crate) depth: u32,
    /// One item and out, with the exit status saying how it went.
    pub(crate) one_shot: bool,
    /// A descriptor for standard input follows that of the channel.
    pub(crate) stdin: bool,
    pub(crate) name: String,
}

impl Boot {
    /// The mark of a message whose rest may be of another protocol.
    pub(crate) fn mark(bytes: &[u8]) -> Option<u64> {
        Reader { bytes }.u64()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.name.len());
        out.extend_from_slice(&self.mark.to_le_bytes());
        out.extend_from_slice(&PROTOCOL.to_le_bytes());
        out.extend_from_slice(&self.depth.to_le_bytes());
        out.push(u8::from(self.one_shot));
        out.push(u8::from(self.stdin));
        put_text(&mut out, &self.name);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Boot> {
        let mut reader = Reader { bytes };
        let mark = reader.u64()?;
        if reader.u32()? != PROTOCOL {
            return None;
        }
        let depth = reader.u32()?;
        let one_shot = reader.u8()? != 0;
        let stdin = reader.u8()? != 0;
        let name = reader.text()?;
        reader.end()?;
        Some(Boot { mark, depth, one_shot, stdin, name })
    }
}

/// How many bytes lie between this many and the next multiple of eight.
pub(crate) fn gap(length: usize) -> usize {
    length.wrapping_neg() % ALIGN
}

const ALIGN: usize = 8;

/// Fills the gap after what has been written since `start`.
pub(crate) fn put_gap(out: &mut Vec<u8>, start: usize) {
    let gap = gap(out.len() - start);
    out.extend_from_slice(&[0; ALIGN][..gap]);
}

/// Appends the head of a frame with a chunk, whose items take `more` bytes and
/// follow it: each its length (`u64`), its bytes and a gap, as [`put_item`] wrote
/// them.
pub(crate) fn put_chunk_head(out: &mut Vec<u8>, task: &str, job: u64, items: &Items, more: usize) {
    let start = frame::begin(out);
    out.extend_from_slice(&job.to_le_bytes());
    out.extend_from_slice(&items.start.to_le_bytes());
    out.extend_from_slice(&items.end.to_le_bytes());
    put_text(out, task);
    put_gap(out, start + frame::HEADER);
    frame::finish(out, start, more);
}

/// Appends one item, as `encode` writes it; on an error nothing is appended.
pub(crate) fn put_item<E>(
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    if let Err(error) = encode(out) {
        out.truncate(start);
        return Err(error);
    }
    let length = (out.len() - start - 8) as u64;
    out[start..start + 8].copy_from_slice(&length.to_le_bytes());
    put_gap(out, start);
    Ok(())
}

/// A chunk, as the worker reads it.
#[derive(Debug)]
pub(crate) struct Chunk<'a> {
    pub(crate) task: &'a str,
    pub(crate) job: u64,
    /// Copied out of the message before the first item runs: a task that writes
    /// past its argument changes what comes after it, but not how many items the
    /// program waits for.
    pub(crate) items: Items,
    bytes: Reader<'a>,
}

impl<'a> Chunk<'a> {
    pub(crate) fn decode(body: &'a [u8]) -> Option<Chunk<'a>> {
        let mut reader = Reader { bytes: body };
        let job = reader.u64()?;
        let items = reader.u64()?..reader.u64()?;
        let length = reader.u32()? as usize;
        let task = std::str::from_utf8(reader.take(length)?).ok()?;
        reader.take(gap(body.len() - reader.bytes.len()))?;
        Some(Chunk { task, job, items, bytes: reader })
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

/// How a call went in the worker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome<'a> {
    /// The result's bytes.
    Returned(&'a [u8]),
    Panicked(PanicReport),
    /// An argument could not be decoded.
    Undecodable(String),
    /// The result could not be encoded.
    Unencodable(String),
    /// The worker's program has no such task.
    UnknownTask,
}

/// What a worker says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Report<'a> {
    /// It has booted.
    Ready,
    /// It is about to run an item.
    Began { job: u64, item: Item },
    /// An item is settled.
    Finished { job: u64, item: Item, outcome: Outcome<'a> },
    /// It is panicking; should it die now, this is why.
    LastWords(PanicReport),
}

const READY: u8 = 1;
const BEGAN: u8 = 2;
const FINISHED: u8 = 3;
const LAST_WORDS: u8 = 4;

const RETURNED: u8 = 1;
const PANICKED: u8 = 2;
const UNDECODABLE: u8 = 3;
const UNENCODABLE: u8 = 4;
const UNKNOWN_TASK: u8 = 5;

pub(crate) fn put_ready(out: &mut Vec<u8>) {
    let start = frame::begin(out);
    out.push(READY);
    out.extend_from_slice(&PROTOCOL.to_le_bytes());
    frame::finish(out, start, 0);
}

pub(crate) fn put_began(out: &mut Vec<u8>, job: u64, item: Item) {
    let start = frame::begin(out);
    out.push(BEGAN);
    out.extend_from_slice(&job.to_le_bytes());
    out.extend_from_slice(&item.to_le_bytes());
    frame::finish(out, start, 0);
}

pub(crate) fn put_last_words(out: &mut Vec<u8>, report: &PanicReport) {
    let start = frame::begin(out);
    out.push(LAST_WORDS);
    put_panic(out, report);
    frame::finish(out, start, 0);
}

/// Begins the frame of a result that will be returned: the caller appends the
/// result's bytes and calls [`frame::finish`].
pub(crate) fn begin_returned(out: &mut Vec<u8>, job: u64, item: Item) -> usize {
    let start = begin_finished(out, job, item);
    out.push(RETURNED);
    start
}

/// A whole frame for an outcome that is not a result.
pub(crate) fn put_failed(out: &mut Vec<u8>, job: u64, item: Item, outcome: &Outcome<'_>) {
    let start = begin_finished(out, job, item);
    match outcome {
        Outcome::Returned(_) => unreachable!("written in place, see begin_returned"),
        Outcome::Panicked(report) => {
            out.push(PANICKED);
            put_panic(out, report);
        }
        Outcome::Undecodable(why) => {
            out.push(UNDECODABLE);
            put_text(out, cut(why, MAX_PANIC_MESSAGE));
        }
        Outcome::Unencodable(why) => {
            out.push(UNENCODABLE);
            put_text(out, cut(why, MAX_PANIC_MESSAGE));
        }
        Outcome::UnknownTask => out.push(UNKNOWN_TASK),
    }
    frame::finish(out, start, 0);
}

fn begin_finished(out: &mut Vec<u8>, job: u64, item: Item) -> usize {
    let start = frame::begin(out);
    out.push(FINISHED);
    out.extend_from_slice(&job.to_le_bytes());
    out.extend_from_slice(&item.to_le_bytes());
    start
}

impl<'a> Report<'a> {
    pub(crate) fn decode(body: &'a [u8]) -> Option<Report<'a>> {
        let mut reader = Reader { bytes: body };
        let report = match reader.u8()? {
            READY => (reader.u32()? == PROTOCOL).then_some(Report::Ready)?,
            BEGAN => Report::Began { job: reader.u64()?, item: reader.u64()? },
            FINISHED => Report::Finished {
                job: reader.u64()?,
                item: reader.u64()?,
                outcome: match reader.u8()? {
                    RETURNED => Outcome::Returned(std::mem::take(&mut reader.bytes)),
                    PANICKED => Outcome::Panicked(reader.panic()?),
                    UNDECODABLE => Outcome::Undecodable(reader.text()?),
                    UNENCODABLE => Outcome::Unencodable(reader.text()?),
                    UNKNOWN_TASK => Outcome::UnknownTask,
                    _ => return None,
                },
            },
            LAST_WORDS => Report::LastWords(reader.panic()?),
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
    put_text(out, cut(&report.message, MAX_PANIC_MESSAGE));
    put_text(out, report.location.as_deref().unwrap_or(""));
    put_text(out, cut(report.backtrace.as_deref().unwrap_or(""), MAX_BACKTRACE));
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).expect("texts on the wire are bounded");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The longest head of `text` that fits into `most` bytes.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Reads values off the front, each checked against what is left.
#[derive(Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<String> {
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

    fn end(&self) -> Option<()> {
        self.bytes.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests;
