//! Any bytes as a worker's output, which comes in any parts: cut into text and marks,
//! it is the same whatever the parts are, and no byte of it is lost.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../pool-runtime/src/ids.rs"]
mod ids;
#[allow(dead_code)]
#[path = "../../pool-runtime/src/wire/output.rs"]
mod output;

use output::{MARK, Piece, Seal, piece};

/// A seal of few different bytes, so that much looks like its beginning.
const SEAL: Seal = *b"aabaabaabaabaabb";

/// What a stream is in the end: bytes of text, and what marks say.
#[derive(Debug, PartialEq)]
enum Part {
    Text(u8),
    Mark(String),
}

/// Takes what is known by now off the head of `bytes`; gives how many bytes that was.
fn take(bytes: &mut Vec<u8>, all: bool, parts: &mut Vec<Part>) -> usize {
    let before = bytes.len();
    while let Some((piece, length)) = piece(&SEAL, bytes, all) {
        assert!(0 < length && length <= bytes.len());
        match piece {
            Piece::Text(text) => {
                assert_eq!(text.len(), length);
                parts.extend(text.iter().copied().map(Part::Text));
            }
            mark => {
                assert_eq!(length, MARK);
                parts.push(Part::Mark(format!("{mark:?}")));
            }
        }
        bytes.drain(..length);
    }
    assert!(bytes.len() < MARK, "what waits may be a part of a mark");
    assert!(!all || bytes.is_empty());
    before - bytes.len()
}

fuzz_target!(|input: &[u8]| {
    let Some((&size, stream)) = input.split_first() else {
        return;
    };
    // A byte that stands for a seal, so that there are marks at all.
    let mut bytes = Vec::new();
    for &byte in stream {
        match byte {
            0xff => bytes.extend_from_slice(&SEAL),
            byte => bytes.push(byte),
        }
    }
    let (mut at_once, mut whole) = (Vec::new(), bytes.clone());
    let taken = take(&mut whole, true, &mut at_once);
    assert_eq!(taken, bytes.len());
    let (mut in_parts, mut waiting) = (Vec::new(), Vec::new());
    for part in bytes.chunks(usize::from(size).max(1)) {
        waiting.extend_from_slice(part);
        take(&mut waiting, false, &mut in_parts);
    }
    take(&mut waiting, true, &mut in_parts);
    assert_eq!(in_parts, at_once);
});
