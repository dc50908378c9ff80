use super::*;
use crate::wire::frame::{Split, split};

fn body(frame: &[u8]) -> &[u8] {
    match split(frame) {
        Split::Frame { body, used } if used == frame.len() => body,
        other => panic!("not one whole frame: {other:?}"),
    }
}

fn panic_report() -> PanicReport {
    PanicReport {
        phase: Phase::Encode,
        message: "no".into(),
        location: Some("a.rs:1:2".into()),
        backtrace: None,
    }
}

/// One frame of every kind that a worker sends.
fn reports() -> Vec<Vec<u8>> {
    let mut frames = vec![Vec::new(); 3];
    put_ready(&mut frames[0]);
    put_began(&mut frames[1], 7, 8);
    put_last_words(&mut frames[2], &panic_report());
    let mut returned = Vec::new();
    let start = begin_returned(&mut returned, 7, 9);
    returned.extend_from_slice(b"result");
    frame::finish(&mut returned, start, 0);
    frames.push(returned);
    for outcome in [
        Outcome::Panicked(panic_report()),
        Outcome::Undecodable("a".into()),
        Outcome::Unencodable("b".into()),
        Outcome::UnknownTask,
    ] {
        let mut out = Vec::new();
        put_failed(&mut out, 7, 9, &outcome);
        frames.push(out);
    }
    frames
}

#[test]
fn reports_come_back() {
    let frames = reports();
    let decode = |index: usize| Report::decode(body(&frames[index])).unwrap();
    assert_eq!(decode(0), Report::Ready);
    assert_eq!(decode(1), Report::Began { job: 7, item: 8 });
    assert_eq!(decode(2), Report::LastWords(panic_report()));
    let finished = |outcome| Report::Finished { job: 7, item: 9, outcome };
    assert_eq!(decode(3), finished(Outcome::Returned(b"result")));
    assert_eq!(decode(4), finished(Outcome::Panicked(panic_report())));
    assert_eq!(decode(5), finished(Outcome::Undecodable("a".into())));
    assert_eq!(decode(6), finished(Outcome::Unencodable("b".into())));
    assert_eq!(decode(7), finished(Outcome::UnknownTask));
}

#[test]
fn a_report_cut_short_or_too_long_is_refused() {
    for (kind, frame) in reports().iter().enumerate() {
        let body = body(frame);
        let returned = kind == 3;
        for cut in 0..body.len() {
            // A result's bytes are whatever is left, so only its head can be cut.
            let whole = returned && cut >= body.len() - b"result".len();
            assert_eq!(Report::decode(&body[..cut]).is_some(), whole, "kind {kind} cut at {cut}");
        }
        let mut longer = body.to_vec();
        longer.push(0);
        assert_eq!(Report::decode(&longer).is_some(), returned, "kind {kind}");
    }
}

#[test]
fn no_byte_of_a_report_can_make_decoding_panic() {
    for frame in reports() {
        let whole = body(&frame).to_vec();
        for position in 0..whole.len() {
            for byte in 0..=255 {
                let mut bytes = whole.clone();
                bytes[position] = byte;
                let _ = Report::decode(&bytes);
            }
        }
    }
}

#[test]
fn a_chunk_gives_its_items_in_order() {
    let mut items = Vec::new();
    for text in ["", "ab", "c"] {
        put_item(&mut items, |out| {
            out.extend_from_slice(text.as_bytes());
            Ok::<(), ()>(())
        })
        .unwrap();
    }
    let before = items.len();
    put_item(&mut items, |out| {
        out.push(1);
        Err(())
    })
    .unwrap_err();
    assert_eq!(items.len(), before, "a failed item leaves nothing");

    let mut bytes = Vec::new();
    put_chunk_head(&mut bytes, "app::task", 3, &(40..43), items.len());
    bytes.extend_from_slice(&items);
    let mut chunk = Chunk::decode(body(&bytes)).unwrap();
    assert_eq!((chunk.task, chunk.job, chunk.items.clone()), ("app::task", 3, 40..43));
    let texts: Vec<&[u8]> = chunk.by_ref().collect();
    assert_eq!(texts, [&b""[..], b"ab", b"c"]);
}

#[test]
fn a_boot_message_comes_back_and_another_protocol_is_refused() {
    let boot = Boot { mark: 77, depth: 2, one_shot: true, stdin: false, name: "app-0".into() };
    let mut bytes = boot.encode();
    assert_eq!(Boot::decode(&bytes), Some(boot));
    assert_eq!(Boot::mark(&bytes), Some(77));
    bytes[8] ^= 1;
    assert_eq!(Boot::decode(&bytes), None);
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let mut report = panic_report();
    report.message = "é".repeat(MAX_PANIC_MESSAGE);
    let mut out = Vec::new();
    put_last_words(&mut out, &report);
    let Some(Report::LastWords(cut)) = Report::decode(body(&out)) else {
        panic!("last words were not understood");
    };
    assert_eq!(cut.message, "é".repeat(MAX_PANIC_MESSAGE / 2));
}
