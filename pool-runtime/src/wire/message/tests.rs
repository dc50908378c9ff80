use super::*;
use crate::wire::settings::Settings;

fn panic_report() -> PanicReport {
    PanicReport {
        phase: Phase::Encode,
        message: "no".into(),
        location: Some("a.rs:1:2".into()),
        backtrace: None,
    }
}

fn failures() -> [Failure; 4] {
    [
        Failure::Panicked(panic_report()),
        Failure::Undecodable("a".into()),
        Failure::Unencodable("b".into()),
        Failure::UnknownTask,
    ]
}

/// One of every kind that a worker says, but a result, whose body is anything.
fn reports() -> Vec<(u8, Vec<u8>)> {
    let mut ready = Vec::new();
    put_ready(&mut ready, true);
    let mut last_words = Vec::new();
    put_last_words(&mut last_words, &panic_report());
    let mut unfit = Vec::new();
    put_unfit(&mut unfit, "could not");
    let mut reports =
        vec![(report::READY, ready), (report::LAST_WORDS, last_words), (report::UNFIT, unfit)];
    for failure in failures() {
        let mut out = Vec::new();
        put_failure(&mut out, &failure);
        reports.push((report::FAILED, out));
    }
    reports
}

#[test]
fn reports_come_back() {
    let reports = reports();
    let decode = |index: usize| {
        let (tag, body): &(u8, Vec<u8>) = &reports[index];
        Report::decode(*tag, body).unwrap()
    };
    assert_eq!(decode(0), Report::Ready { reads: true });
    assert_eq!(decode(1), Report::LastWords(panic_report()));
    assert_eq!(decode(2), Report::Unfit("could not".into()));
    for (index, failure) in failures().into_iter().enumerate() {
        assert_eq!(decode(index + 3), Report::Failed(failure));
    }
    assert_eq!(Report::decode(report::RETURNED, b"result"), Some(Report::Returned(b"result")));
}

#[test]
fn a_report_cut_short_or_too_long_is_refused() {
    for (tag, body) in reports() {
        for cut in 0..body.len() {
            assert_eq!(Report::decode(tag, &body[..cut]), None, "tag {tag} cut at {cut}");
        }
        let mut longer = body.clone();
        longer.push(0);
        assert_eq!(Report::decode(tag, &longer), None, "tag {tag}");
    }
}

#[test]
fn no_byte_of_a_report_can_make_decoding_panic() {
    for (tag, whole) in reports() {
        for position in 0..whole.len() {
            for byte in 0..=255 {
                let mut bytes = whole.clone();
                bytes[position] = byte;
                let _ = Report::decode(tag, &bytes);
                let _ = Report::decode(byte, &bytes);
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
    put_chunk_head(&mut bytes, "app::task", 40, 3);
    assert!(bytes.len().is_multiple_of(8), "items begin aligned");
    bytes.extend_from_slice(&items);
    let mut chunk = Chunk::decode(&bytes, None).unwrap();
    assert_eq!((chunk.task, chunk.first, chunk.count), ("app::task", 40, 3));
    let texts: Vec<&[u8]> = chunk.by_ref().collect();
    assert_eq!(texts, [&b""[..], b"ab", b"c"]);

    let head = bytes.len() - items.len();
    let lent = Chunk::decode(&bytes[..head], Some(&items)).unwrap();
    assert_eq!(lent.collect::<Vec<_>>(), texts, "they may lie elsewhere");
    assert!(Chunk::decode(&bytes, Some(&items)).is_none(), "but then nowhere else");
}

#[test]
fn a_boot_message_comes_back_and_another_protocol_is_refused() {
    let name = "app-0".into();
    let lifespan = Lifespan { tasks: Some(3), age: None, memory: Some(1 << 40) };
    let seal = Some(*b"0123456789abcdef");
    let (one_shot, arena, stdin, spin) = (true, true, false, true);
    let settings = Settings { nice: Some(5), ..Settings::default() };
    let boot =
        Boot { mark: 77, depth: 2, one_shot, arena, stdin, spin, lifespan, seal, name, settings };
    let plain = Boot { seal: None, ..boot.clone() };
    assert_eq!(Boot::decode(&plain.encode()), Some(plain));
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
    let Some(Report::LastWords(cut)) = Report::decode(report::LAST_WORDS, &out) else {
        panic!("last words were not understood");
    };
    assert_eq!(cut.message, "é".repeat(MAX_PANIC_MESSAGE / 2));
}
