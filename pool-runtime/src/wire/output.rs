//! Which item wrote what: marks that a worker writes between its items, into the
//! very streams that its tasks write to.
//!
//! Nothing else could tell exactly, as what a stream holds and what the channel
//! says come by different ways. A mark begins with bytes that were drawn for the
//! worker and that no task knows. It is shorter than a pipe writes at once, so
//! nothing that others write at the same moment ends up inside it.

use crate::ids::Item;

/// The random bytes that a worker's marks begin with.
pub(crate) type Seal = [u8; 16];

/// Bytes of a mark: the seal, what it says, and an item's index.
pub(crate) const MARK: usize = size_of::<Seal>() + 1 + 8;

/// The index of an item that has none: that of a single call.
pub(crate) const SINGLE: Item = Item::MAX;

const BEGUN: u8 = 1;
const ENDED: u8 = 2;
const FAILED: u8 = 3;

/// The mark before anything that an item writes.
pub(crate) fn begun(seal: &Seal, item: Item) -> [u8; MARK] {
    mark(seal, BEGUN, item)
}

/// The mark after all that an item has written.
pub(crate) fn ended(seal: &Seal, failed: bool) -> [u8; MARK] {
    mark(seal, if failed { FAILED } else { ENDED }, 0)
}

fn mark(seal: &Seal, what: u8, item: Item) -> [u8; MARK] {
    let mut mark = [0; MARK];
    let (head, rest) = mark.split_at_mut(seal.len());
    head.copy_from_slice(seal);
    rest[0] = what;
    rest[1..].copy_from_slice(&item.to_le_bytes());
    mark
}

/// What is at the head of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Bytes that were written by somebody.
    Text(&'a [u8]),
    /// An item begins; a single call has no index.
    Begun(Option<Item>),
    /// The item that began last has ended.
    Ended { failed: bool },
}

/// The piece at the head of `bytes`, and its length. `None` if there is none, or
/// perhaps the first part of a mark, unless this is all that has been written.
pub(crate) fn piece<'a>(seal: &Seal, bytes: &'a [u8], all: bool) -> Option<(Piece<'a>, usize)> {
    let text = |length| Some((Piece::Text(&bytes[..length]), length));
    match position(seal, bytes) {
        0 if bytes.is_empty() => None,
        0 => match bytes.first_chunk::<MARK>() {
            Some(mark) => Some((decode(mark), MARK)),
            None if all => text(bytes.len()),
            None => None,
        },
        at => text(at),
    }
}

/// Where the first seal begins, or what may be one when more has come; else the end.
fn position(seal: &Seal, bytes: &[u8]) -> usize {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == seal[0]) {
        let rest = &bytes[from + at..];
        let length = rest.len().min(seal.len());
        if rest[..length] == seal[..length] {
            return from + at;
        }
        from += at + 1;
    }
    bytes.len()
}

/// What a mark says. One that a task has forged says something too: it harms nobody
/// but its own worker.
fn decode(mark: &[u8; MARK]) -> Piece<'static> {
    let index = mark.last_chunk::<8>().expect("a mark ends with an index");
    let item = Item::from_le_bytes(*index);
    match mark[MARK - 9] {
        BEGUN => Piece::Begun((item != SINGLE).then_some(item)),
        what => Piece::Ended { failed: what == FAILED },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAL: Seal = *b"abcabcabd sealed";

    /// All pieces of a stream that comes in parts of this length.
    fn pieces(stream: &[u8], part: usize) -> Vec<String> {
        let mut bytes = Vec::new();
        let mut pieces: Vec<Result<String, String>> = Vec::new();
        let mut take = |bytes: &mut Vec<u8>, all| {
            while let Some((piece, length)) = piece(&SEAL, bytes, all) {
                match (piece, pieces.last_mut()) {
                    (Piece::Text(text), Some(Ok(before))) => {
                        before.push_str(&String::from_utf8_lossy(text));
                    }
                    (Piece::Text(text), _) => pieces.push(Ok(String::from_utf8_lossy(text).into())),
                    (mark, _) => pieces.push(Err(format!("{mark:?}"))),
                }
                bytes.drain(..length);
            }
        };
        for part in stream.chunks(part) {
            bytes.extend_from_slice(part);
            take(&mut bytes, false);
        }
        take(&mut bytes, true);
        assert_eq!(bytes, b"", "everything is some piece in the end");
        pieces.into_iter().map(|piece| piece.unwrap_or_else(|mark| mark)).collect()
    }

    #[test]
    fn marks_are_told_from_text_however_they_come() {
        let stream = [
            b"before abcabcabcab".as_slice(),
            &begun(&SEAL, 17),
            b"abc",
            &ended(&SEAL, true),
            &begun(&SEAL, SINGLE),
            &ended(&SEAL, false),
            b"after abcabcabd seal",
        ]
        .concat();
        for part in 1..=stream.len() {
            assert_eq!(
                pieces(&stream, part),
                [
                    "before abcabcabcab",
                    "Begun(Some(17))",
                    "abc",
                    "Ended { failed: true }",
                    "Begun(None)",
                    "Ended { failed: false }",
                    "after abcabcabd seal"
                ],
                "in parts of {part}"
            );
        }
    }

    #[test]
    fn what_may_be_a_mark_waits_for_its_rest_and_text_does_not() {
        assert_eq!(piece(&SEAL, b"", true), None);
        assert_eq!(piece(&SEAL, b"text ab", false), Some((Piece::Text(b"text "), 5)));
        assert_eq!(piece(&SEAL, b"ab", false), None);
        assert_eq!(piece(&SEAL, b"ab", true), Some((Piece::Text(b"ab"), 2)));
        assert_eq!(piece(&SEAL, &begun(&SEAL, 3)[..MARK - 1], false), None);
    }

    #[test]
    fn a_mark_is_written_at_once() {
        // What POSIX grants; Linux grants 4096.
        const { assert!(MARK <= 512) };
    }
}
