//! What a worker has sent, cut into frames.

use std::ops::Range;

use super::bytes::Bytes;
use super::ring::{HEADER, Header};

/// How many bytes the frame at the head of `bytes` lacks, if there is one.
pub(super) fn missing(bytes: &[u8]) -> Option<u64> {
    let word = bytes.first_chunk::<HEADER>()?;
    let header = Header::decode(u64::from_ne_bytes(*word))?;
    Some(header.frame().saturating_sub(bytes.len() as u64))
}

/// Bytes that came from a worker.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes: Bytes,
    /// Bytes at the head that were given out.
    handled: usize,
}

/// What is at the head of [`Frames`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// A frame: its tag and its body.
    Frame(u8, &'a [u8]),
    /// No whole frame.
    Nothing,
    /// No frame of ours; nothing after it makes sense.
    Corrupt,
}

impl Frames {
    pub(super) fn new(bytes: Vec<u8>) -> Frames {
        Frames { bytes: Bytes::Own(bytes), handled: 0 }
    }

    /// What was not given out: the part of a frame that has come.
    pub(super) fn rest(self) -> Vec<u8> {
        match self.handled {
            all if all == self.bytes.len() => Vec::new(),
            0 => self.bytes.into_vec(),
            handled => self.bytes[handled..].to_vec(),
        }
    }

    /// The frames of a tag at the head, at most so many: how many there are, and
    /// their bodies.
    pub(crate) fn run(&mut self, tag: u8, most: u64) -> (u64, Bodies) {
        let start = self.handled;
        let mut walk = Walk::over(&self.bytes[start..]);
        let mut count = 0;
        while count < most && walk.next(Some(tag)).is_some() {
            count += 1;
        }
        self.handled = self.bytes.len() - walk.rest.len();
        let range = start..self.handled;
        // A small part is copied out: else it would keep all the bytes that it came with
        // for as long as nobody takes it.
        let bodies = if range.len() * 4 < self.bytes.len() {
            let bytes = self.bytes[range.clone()].to_vec();
            Bodies { bytes: Bytes::Own(bytes), range: 0..range.len() }
        } else if self.handled == self.bytes.len() {
            self.handled = 0;
            Bodies { bytes: std::mem::take(&mut self.bytes), range }
        } else {
            Bodies { bytes: self.bytes.share(), range }
        };
        (count, bodies)
    }

    pub(crate) fn next(&mut self) -> Next<'_> {
        let rest = &self.bytes[self.handled..];
        match split(rest) {
            Split::Frame { tag, body, length } => {
                self.handled += length;
                Next::Frame(tag, body)
            }
            Split::Part => Next::Nothing,
            Split::Corrupt => Next::Corrupt,
        }
    }
}

/// What is at the head of some bytes.
enum Split<'a> {
    Frame { tag: u8, body: &'a [u8], length: usize },
    Part,
    Corrupt,
}

/// How long a frame and its body are, in bytes.
#[inline]
fn sizes(header: &Header) -> (usize, usize) {
    // A frame is bounded, and lengths in memory are those of the processor.
    (header.frame() as usize, header.length as usize)
}

#[inline]
fn split(bytes: &[u8]) -> Split<'_> {
    let Some((word, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Split::Part;
    };
    let Some(header) = Header::decode(u64::from_ne_bytes(*word)) else {
        return Split::Corrupt;
    };
    let (length, body) = sizes(&header);
    match length <= bytes.len() {
        true => Split::Frame { tag: header.tag, body: &rest[..body], length },
        false => Split::Part,
    }
}

/// Goes from one whole frame to the next. Mostly they are all of one tag and one length:
/// then where the next begins is known before the header of this is loaded, for which the
/// processor would have to wait at each.
struct Walk<'a> {
    rest: &'a [u8],
    /// The latest header, and what it says.
    word: u64,
    tag: u8,
    body: usize,
    length: usize,
}

impl<'a> Walk<'a> {
    fn over(rest: &'a [u8]) -> Walk<'a> {
        // No header is 0.
        Walk { rest, word: 0, tag: 0, body: 0, length: 0 }
    }

    /// The body of the next frame, if it is whole, and of that tag if one is given.
    #[inline]
    fn next(&mut self, tag: Option<u8>) -> Option<&'a [u8]> {
        let (word, _) = self.rest.split_first_chunk::<HEADER>()?;
        let word = u64::from_ne_bytes(*word);
        if word != self.word {
            self.read(word)?;
        }
        if tag.is_some_and(|tag| tag != self.tag) {
            return None;
        }
        let (frame, rest) = self.rest.split_at_checked(self.length)?;
        self.rest = rest;
        Some(&frame[HEADER..][..self.body])
    }

    fn read(&mut self, word: u64) -> Option<()> {
        let header = Header::decode(word)?;
        (self.word, self.tag) = (word, header.tag);
        (self.length, self.body) = sizes(&header);
        Some(())
    }
}

/// The bodies of frames that were found whole before.
#[derive(Debug)]
pub(crate) struct Bodies {
    pub(crate) bytes: Bytes,
    pub(crate) range: Range<usize>,
}

impl Bodies {
    /// The next body.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[inline]
    pub(crate) fn next(&mut self) -> &[u8] {
        match split(&self.bytes[self.range.clone()]) {
            Split::Frame { body, length, .. } => {
                self.range.start += length;
                body
            }
            Split::Part | Split::Corrupt => panic!("frames that were counted are there"),
        }
    }

    /// All that are left.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut walk = Walk::over(&self.bytes[self.range.clone()]);
        std::iter::from_fn(move || walk.next(None))
    }
}
