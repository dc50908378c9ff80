//! `word_count`, against counting in one go.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::program::example;

/// What the program should print for these texts.
fn serially(texts: &[&[u8]]) -> String {
    let mut counts = HashMap::<String, u64>::new();
    for text in texts {
        for word in String::from_utf8_lossy(text).split_whitespace() {
            *counts.entry(word.to_owned()).or_default() += 1;
        }
    }
    let total: u64 = counts.values().sum();
    let different = counts.len();
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(word, count)| (Reverse(*count), word.clone()));
    counts.truncate(10);
    let mut lines: Vec<String> =
        counts.iter().map(|(word, count)| format!("{count:>12} {word}\n")).collect();
    lines.push(format!("{total:>12} words, {different} different\n"));
    lines.concat()
}

/// Counts these texts as files, cut into ranges of this size.
#[track_caller]
fn assert_counted(texts: &[&[u8]], range: usize) {
    let dir = tempdir().unwrap();
    let names = 0..texts.len();
    let paths: Vec<_> = names.map(|n| dir.path().join(n.to_string())).collect();
    for (path, text) in paths.iter().zip(texts) {
        fs::write(path, text).unwrap();
    }
    let output = example("word_count").args(["--range", &range.to_string()]).args(&paths).run();
    output.assert_quiet();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, serially(texts), "with ranges of {range} bytes");
}

/// Text in lines of all lengths, from few words, so that each is frequent.
fn generated(bytes: usize) -> Vec<u8> {
    let words: [&[u8]; 12] = [
        b"the",
        b"of",
        b"The",
        b"and,",
        b"gr\xc3\xbc\xc3\x9fe",
        b"\xff\xfe",
        b"\xc3",
        b"x",
        b"longer-than-most-of-the-others",
        b"\xe2\x80\x94",
        b"\0",
        b"7",
    ];
    let gaps: [&[u8]; 9] =
        [b" ", b" ", b"  ", b"\n", b"\r\n", b"\n\n\n", b"\t", b"\xc2\xa0", b"\xe2\x80\xa8"];
    let mut state = 1_u64;
    let mut draw = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut text = Vec::new();
    while text.len() < bytes {
        text.extend_from_slice(words[draw(words.len())]);
        text.extend_from_slice(gaps[draw(gaps.len())]);
        // Now and then a line that is longer than most ranges.
        if draw(500) == 0 {
            for _ in 0..300 {
                text.extend_from_slice(words[draw(words.len())]);
                text.push(b' ');
            }
        }
    }
    text
}

#[test]
fn ranges_of_every_size_count_what_one_read_counts() {
    let text = generated(50_000);
    for range in [1, 2, 7, 64, 1_000, 49_999, 50_000, 1 << 20] {
        assert_counted(&[&text], range);
    }
}

#[test]
fn odd_files_are_counted() {
    let long_line = b"word ".repeat(10_000);
    let texts: [&[u8]; 11] = [
        b"",
        b"\n",
        b"\n\n\n\n\n",
        b"   ",
        b"no newline at the end",
        b"one newline at the end\n",
        b"\nfirst line empty",
        b"a\nb\nc\nd",
        b"\xff\xff \xff\n\xff",
        &long_line,
        b"end\n",
    ];
    for range in [1, 3, 4, 100, 1 << 20] {
        assert_counted(&texts, range);
        for text in texts {
            assert_counted(&[text], range);
        }
    }
}

#[test]
fn ranges_may_end_anywhere_about_a_line_end() {
    for length in 0..=4 {
        let text = [&b"ab cd".repeat(length)[..], b"\nef gh\n"].concat();
        for range in 1..=text.len() + 2 {
            assert_counted(&[&text], range);
        }
    }
}

#[test]
fn a_large_file_is_counted() {
    let text = generated(3 << 20);
    assert_counted(&[&text, b"and,", &text], 256 << 10);
}

#[test]
fn without_a_range_it_is_large() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("text");
    fs::write(&path, "b a\na").unwrap();
    let output = example("word_count").arg(&path).run();
    assert_eq!(
        output.lines(),
        ["           2 a", "           1 b", "           3 words, 2 different"]
    );
}

#[test]
fn what_cannot_be_counted_is_named() {
    let dir = tempdir().unwrap();
    let good = dir.path().join("good");
    fs::write(&good, "good").unwrap();
    let complaint = |arguments: &[&Path]| {
        let output = example("word_count").args(arguments).run();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(output.stdout, b"", "a partial count was printed");
        output.stderr.strip_suffix('\n').unwrap().to_owned()
    };
    let missing = dir.path().join("missing");
    assert_eq!(
        complaint(&[&good, &missing]),
        format!("word_count: {}: No such file or directory (os error 2)", missing.display())
    );
    assert_eq!(
        complaint(&[dir.path()]),
        format!("word_count: {}: not a regular file, so it cannot be cut", dir.path().display())
    );
    let usage = "word_count: expected word_count [--range BYTES] FILE…";
    assert_eq!(complaint(&[]), usage);
    assert_eq!(complaint(&["--range".as_ref()]), usage);
    let zero = complaint(&["--range".as_ref(), "0".as_ref(), &good]);
    assert!(zero.starts_with("word_count: --range 0: "), "{zero}");
    let word = complaint(&["--range".as_ref(), "many".as_ref(), &good]);
    assert!(word.starts_with("word_count: --range many: "), "{word}");
}
