//! Any bytes as what the two sides say to each other: what a worker sends, and
//! writes to a stream that is read; what a zygote answers; and what either is told
//! by a program that may be another. An error or a message, and a message that is
//! said again is understood as the same. However the bytes come, the frames among
//! them are those that they would be if they came at once.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../pool-runtime/src/channel/bytes.rs"]
mod bytes;
#[allow(dead_code)]
#[path = "../../pool-runtime/src/sys/cast.rs"]
mod cast;
#[allow(dead_code)]
#[path = "../../pool-runtime/src/sys/headroom/mod.rs"]
mod headroom;
mod sys {
    pub(crate) use super::{cast, headroom};
}
#[allow(dead_code)]
#[path = "../../pool-runtime/src/channel/frames.rs"]
mod frames;
#[allow(dead_code)]
#[path = "../../pool-runtime/src/ids.rs"]
mod ids;
#[allow(dead_code)]
#[path = "../../pool-runtime/src/limits.rs"]
mod limits;
#[allow(dead_code, unused_imports)]
#[path = "../../pool-runtime/src/channel/ring/mod.rs"]
mod ring;
#[allow(dead_code, unused_imports)]
#[path = "../../pool-runtime/src/wire/mod.rs"]
mod wire;

use frames::{Frames, Next, missing};
use wire::message::{self, Boot, Chunk, Report, report};
use wire::output::{self, MARK, Piece, Seal, piece};
use wire::zygote::{Reply, Request};

/// Frames, as a tag and a body each, and whether what follows them makes no sense.
type Read = (Vec<(u8, Vec<u8>)>, bool);

/// Takes frames off the head, some one by one and some of a tag together, until there
/// is no whole one. `false` if what comes makes no sense.
fn take(frames: &mut Frames, most: u64, into: &mut Vec<(u8, Vec<u8>)>) -> bool {
    loop {
        let (count, mut bodies) = frames.run(report::RETURNED, most);
        let all: Vec<Vec<u8>> = bodies.iter().map(<[u8]>::to_vec).collect();
        assert_eq!(all.len() as u64, count);
        for body in all {
            assert_eq!(bodies.next(), body);
            into.push((report::RETURNED, body));
        }
        match frames.next() {
            Next::Frame(tag, body) => into.push((tag, body.to_vec())),
            Next::Nothing => return true,
            Next::Corrupt => return false,
        }
    }
}

/// Reads as the program does, from a worker that sends parts of these lengths.
fn read(mut bytes: &[u8], lengths: &[u8]) -> Read {
    let (mut read, mut inbox) = (Vec::new(), Vec::new());
    let mut lengths = lengths.iter().cycle();
    while !bytes.is_empty() {
        let length = lengths.next().map_or(bytes.len(), |length| usize::from(*length) + 1);
        // Of a frame that has come in part no more than its own.
        let wanted = missing(&inbox).map_or(usize::MAX, |lacks| lacks as usize);
        let (part, rest) = bytes.split_at(length.min(wanted).min(bytes.len()));
        inbox.extend_from_slice(part);
        bytes = rest;
        let mut frames = Frames::new(inbox);
        if !take(&mut frames, length as u64 % 4, &mut read) {
            return (read, true);
        }
        inbox = frames.rest();
        assert!(missing(&inbox) != Some(0), "a whole frame is left");
    }
    (read, false)
}

/// What a worker's report comes to, if it is one.
fn understand(tag: u8, body: &[u8]) {
    let Some(report) = Report::decode(tag, body) else {
        return;
    };
    let mut again = Vec::new();
    match &report {
        Report::Returned(bytes) => return assert_eq!(*bytes, body),
        Report::Ready { reads } => message::put_ready(&mut again, *reads),
        Report::Failed(failure) => message::put_failure(&mut again, failure),
        Report::LastWords(panic) => message::put_last_words(&mut again, panic),
        Report::Retired(why) => message::put_retired(&mut again, *why),
        Report::Unfit(why) => message::put_unfit(&mut again, why),
    }
    assert_eq!(Report::decode(tag, &again).as_ref(), Some(&report));
}

/// Runs through a chunk as a worker does, which stops at the first item that is not
/// there.
fn unpack(body: &[u8], lent: Option<&[u8]>) {
    let Some(mut chunk) = Chunk::decode(body, lent) else {
        return;
    };
    let (count, mut bytes) = (chunk.count, chunk.task.len());
    for _ in 0..count {
        let Some(item) = chunk.next() else {
            return;
        };
        bytes += item.len();
    }
    let most = body.len() + lent.map_or(0, <[u8]>::len);
    assert!(bytes <= most && count <= most as u64);
}

const SEAL: Seal = *b"abcabcabd sealed";

/// All of a stream is some piece, and what is no mark is as it was.
fn cut(mut stream: &[u8]) {
    while let Some((found, length)) = piece(&SEAL, stream, true) {
        assert!((1..=stream.len()).contains(&length));
        match found {
            Piece::Text(text) => assert_eq!(text, &stream[..length]),
            Piece::Begun(item) => {
                let mark = output::begun(&SEAL, item.unwrap_or(output::SINGLE));
                assert_eq!(mark, stream[..length]);
            }
            Piece::Ended { .. } => assert_eq!(length, MARK),
        }
        stream = &stream[length..];
    }
    assert_eq!(stream, b"");
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    match kind % 8 {
        0 | 1 => {
            let (lengths, bytes) = bytes.split_at(bytes.len().min(4));
            let whole = read(bytes, &[]);
            assert_eq!(read(bytes, lengths), whole, "in parts of {lengths:?}, less one");
            whole.0.iter().for_each(|(tag, body)| understand(*tag, body));
        }
        2 => {
            if let Some((tag, body)) = bytes.split_first() {
                understand(*tag, body);
            }
        }
        3 => {
            if let Some(reply) = Reply::decode(bytes) {
                assert_eq!(Reply::decode(&reply.encode()), Some(reply));
            }
        }
        4 => {
            if let Some(request) = Request::decode(bytes) {
                assert_eq!(Request::decode(&request.encode()), Some(request));
            }
        }
        5 => {
            if let Some(boot) = Boot::decode(bytes) {
                assert_eq!(Boot::mark(bytes), Some(boot.mark));
                assert_eq!(Boot::decode(&boot.encode()), Some(boot));
            }
        }
        6 => {
            unpack(bytes, None);
            // And with the last half for what lies elsewhere.
            let (body, lent) = bytes.split_at(bytes.len() / 2);
            unpack(body, Some(lent));
        }
        _ => cut(bytes),
    }
});
