//! The list of mistakes, as text.
//!
//! ```text
//! # Name breaks Promise
//! What is wrong, in words.
//! @ file.rs
//!  a line that stays
//! -a line that goes
//! +a line that comes
//! ```
//!
//! The lines that stay and that go must be in the file exactly once, together.

use std::fs;
use std::path::Path;

/// Lines of one file, replaced by others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Within `scheduler/`.
    pub(crate) file: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

impl Change {
    /// The text of the file after the change.
    pub(crate) fn apply(&self, text: &str) -> Result<String, String> {
        let Change { file, before, after } = self;
        let starts = || std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        let places: Vec<usize> = starts().filter(|&at| text[at..].starts_with(before)).collect();
        match *places {
            [at] => Ok([&text[..at], after, &text[at + before.len()..]].concat()),
            _ => Err(format!("{file} has these lines {} times, not once:\n{before}", places.len())),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) name: String,
    /// The promise by which the simulator must find it; see `sim/broken.rs`.
    pub(crate) breaks: String,
    pub(crate) what: String,
    pub(crate) changes: Vec<Change>,
}

/// All mistakes, in the order of the files' names and of their places there.
pub(crate) fn read(dir: &Path) -> Vec<Mistake> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.collect();
    files.sort();
    files.iter().flat_map(|file| parse(&fs::read_to_string(file).unwrap())).collect()
}

fn parse(text: &str) -> Vec<Mistake> {
    let mut mistakes: Vec<Mistake> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("# ") {
            let (name, breaks) = title.split_once(" breaks ").expect("what the mistake breaks");
            let (name, breaks) = (name.to_owned(), breaks.to_owned());
            mistakes.push(Mistake { name, breaks, what: String::new(), changes: Vec::new() });
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let mistake = mistakes.last_mut().expect("a name before all else");
        if let Some(file) = line.strip_prefix("@ ") {
            mistake.changes.push(Change { file: file.to_owned(), ..Change::default() });
        } else if let Some(change) = mistake.changes.last_mut() {
            let (mark, rest) = line.split_at(1);
            assert!([" ", "-", "+"].contains(&mark), "{}: {line}", mistake.name);
            if mark != "+" {
                change.before += &format!("{rest}\n");
            }
            if mark != "-" {
                change.after += &format!("{rest}\n");
            }
        } else {
            mistake.what += &format!("{line}\n");
        }
    }
    mistakes
}

#[test]
fn a_change_is_made_to_whole_lines_that_are_there_once() {
    let text = "# A breaks B\nWhat.\n@ f.rs\n x\n-y\n+z\n+\n@ g.rs\n-y\n";
    let [mistake] = parse(text).try_into().unwrap();
    assert_eq!((&*mistake.name, &*mistake.breaks, &*mistake.what), ("A", "B", "What.\n"));
    let [first, second] = mistake.changes.try_into().unwrap();
    assert_eq!((&*first.file, first.apply("y\nx\ny\n")), ("f.rs", Ok("y\nx\nz\n\n".to_owned())));
    assert_eq!((&*second.file, second.apply("xy\ny\nyx\n")), ("g.rs", Ok("xy\nyx\n".to_owned())));
    assert!(first.apply("x\ny\nx\ny\n").unwrap_err().contains("2 times"));
    assert!(first.apply("x\nyx\n").unwrap_err().contains("0 times"));
}
