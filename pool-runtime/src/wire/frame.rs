//! A frame is its head and its body. The head is a `u64`, little endian: the
//! body's length in the lower five bytes and a mark in the upper three.
//!
//! Without the mark a single byte that a task writes into the channel would turn
//! the next head into some other length, and the program would wait for bytes
//! that nobody sends. The mark's bytes differ, so no shift of a head is a head.

use crate::limits::MAX_FRAME;

const MARK: u64 = 0x9e_37_b5 << LENGTH_BITS;
const LENGTH_BITS: u32 = 40;

/// Bytes before the body.
pub(crate) const HEADER: usize = 8;

/// The first frame of `bytes`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Split<'a> {
    /// A whole frame's body, and how many bytes the frame took.
    Frame { body: &'a [u8], used: usize },
    /// Not all here; the frame needs this many bytes, as far as is known.
    Partial { needs: usize },
    /// No frame of ours.
    Corrupt,
}

pub(crate) fn split(bytes: &[u8]) -> Split<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Split::Partial { needs: HEADER };
    };
    // Without the right mark it is no length that is allowed.
    let length = u64::from_le_bytes(*head) ^ MARK;
    if length == 0 || length > MAX_FRAME {
        return Split::Corrupt;
    }
    let Ok(length) = usize::try_from(length) else {
        return Split::Corrupt;
    };
    match rest.get(..length) {
        Some(body) => Split::Frame { body, used: HEADER + length },
        None => Split::Partial { needs: HEADER + length },
    }
}

/// Begins a frame at the end of `out`; [`finish`] takes what this returns.
pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    start
}

/// Ends the frame begun at `start`; `more` bytes of its body follow elsewhere.
pub(crate) fn finish(out: &mut [u8], start: usize, more: usize) {
    let length = (out.len() - start - HEADER + more) as u64;
    assert!(length > 0 && length <= MAX_FRAME, "a frame of {length} bytes");
    out[start..start + HEADER].copy_from_slice(&(MARK | length).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_seen_once_it_is_whole() {
        let mut bytes = Vec::new();
        let start = begin(&mut bytes);
        bytes.extend_from_slice(b"abc");
        finish(&mut bytes, start, 0);
        for cut in 0..bytes.len() {
            let needs = if cut < HEADER { HEADER } else { HEADER + 3 };
            assert_eq!(split(&bytes[..cut]), Split::Partial { needs });
        }
        bytes.push(9);
        assert_eq!(split(&bytes), Split::Frame { body: b"abc", used: 11 });
    }

    #[test]
    fn an_impossible_head_is_corruption() {
        assert_eq!(split(&0u64.to_le_bytes()), Split::Corrupt);
        assert_eq!(split(&3u64.to_le_bytes()), Split::Corrupt);
        assert_eq!(split(&u64::MAX.to_le_bytes()), Split::Corrupt);
        assert_eq!(split(&(MARK | (MAX_FRAME + 1)).to_le_bytes()), Split::Corrupt);
        let largest = Split::Partial { needs: HEADER + usize::try_from(MAX_FRAME).unwrap() };
        assert_eq!(split(&(MARK | MAX_FRAME).to_le_bytes()), largest);
    }

    #[test]
    fn a_shifted_head_is_corruption() {
        for length in [1, 33, 1000] {
            let mut frame = Vec::new();
            let start = begin(&mut frame);
            frame.resize(HEADER + length, 0);
            finish(&mut frame, start, 0);
            for stray in 1..HEADER {
                let shifted = [&vec![0; stray][..], &frame].concat();
                assert_eq!(split(&shifted), Split::Corrupt, "{stray} bytes before {length}");
            }
        }
    }
}
