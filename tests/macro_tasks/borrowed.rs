//! Arguments that are or hold references, and what may be given for them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use pool_runtime::pool_task;
use serde::{Deserialize, Serialize};

use super::{Outcome, Point};

#[pool_task]
fn count(text: &str) -> usize {
    text.len()
}

#[test]
fn a_borrowed_text_takes_whatever_owns_or_borrows_text() -> Outcome {
    assert_eq!(count("abc"), 3);
    assert_eq!(count.pmap(["a", "bc"], 2)?, [1, 2]);
    assert_eq!(count.pmap(vec![String::new()], 2)?, [0]);
    let words = vec!["a".to_owned(), "bc".to_owned()];
    assert_eq!(count.pmap(&words, 2)?, [1, 2]);
    assert_eq!(count.pmap(words.iter().map(String::as_str), 2)?, [1, 2]);
    let slices = ["a", "bc"];
    assert_eq!(count.pmap(slices.iter(), 2)?, [1, 2]);
    assert_eq!(count.pmap([Box::<str>::from("abc")], 1)?, [3]);
    assert_eq!(count.pmap([Rc::<str>::from("abc")], 1)?, [3]);
    assert_eq!(count.pmap([Arc::<str>::from("abc")], 1)?, [3]);
    assert_eq!(count.pmap([Cow::Borrowed("abc")], 1)?, [3]);
    assert_eq!(count.spawn("abcd")?.join()?, 4);
    Ok(())
}

#[pool_task]
fn repeated(text: &str, times: usize) -> String {
    text.repeat(times)
}

#[test]
fn a_borrowed_position_in_a_tuple_takes_owners_and_borrows() -> Outcome {
    assert_eq!(repeated("ab", 2), "abab");
    assert_eq!(repeated.pmap([("ab", 2)], 2)?, ["abab"]);
    assert_eq!(repeated.pmap(vec![(String::from("ab"), 2)], 2)?, ["abab"]);
    let words = [String::from("ab")];
    assert_eq!(repeated.pmap(words.iter().map(|w| (w, 2)), 2)?, ["abab"]);
    assert_eq!(repeated.pmap(["ab"].iter().map(|w| (w, 2)), 2)?, ["abab"]);
    Ok(())
}

#[pool_task]
fn bytes(data: &[u8]) -> usize {
    data.len()
}

#[pool_task]
fn total(numbers: &[f64]) -> f64 {
    numbers.iter().sum()
}

#[pool_task]
fn longest(words: &[&str]) -> Option<String> {
    words.iter().max_by_key(|word| word.len()).map(ToString::to_string)
}

#[pool_task]
fn scaled(numbers: &[i64], factor: i64) -> Vec<i64> {
    numbers.iter().map(|n| n * factor).collect()
}

#[test]
fn a_slice_takes_vectors_slices_and_arrays() -> Outcome {
    assert_eq!(bytes.pmap([b"abc"], 1)?, [3]);
    assert_eq!(bytes.pmap([vec![1, 2]], 1)?, [2]);
    assert_eq!(bytes.pmap(b"abcde".chunks(2), 1)?, [2, 2, 1]);
    assert_eq!(bytes.pmap([Cow::Borrowed(&b"ab"[..])], 1)?, [2]);

    let close = |sums: Vec<f64>, wanted: f64| assert!((sums[0] - wanted).abs() < 1e-9);
    close(total.pmap([[1.0, 2.0]], 1)?, 3.0);
    close(total.pmap([&[1.0, 2.0]], 1)?, 3.0);
    close(total.pmap([vec![1.0, 2.0]], 1)?, 3.0);
    close(total.pmap([1.0, 2.0, 4.0].windows(2), 1)?, 3.0);
    close(total.pmap([&[1.0, 2.0][..]].iter(), 1)?, 3.0);
    close(total.pmap([&vec![1.0, 2.0]], 1)?, 3.0);
    close(total.pmap([Box::<[f64]>::from([1.0, 2.0])], 1)?, 3.0);
    close(total.pmap([Rc::<[f64]>::from([1.0, 2.0])], 1)?, 3.0);
    close(total.pmap([Arc::<[f64]>::from([1.0, 2.0])], 1)?, 3.0);

    assert_eq!(longest(&["a", "bc"]).as_deref(), Some("bc"));
    assert_eq!(longest.pmap([["a", "bc"]], 1)?, [Some("bc".to_owned())]);
    assert_eq!(longest.pmap([vec!["a"], vec![]], 1)?, [Some("a".to_owned()), None]);

    assert_eq!(scaled.pmap([(vec![1, 2], 3)], 1)?, [[3, 6]]);
    assert_eq!(scaled.pmap([([1, 2], 3)], 1)?, [[3, 6]]);
    assert_eq!(scaled.pmap([(&[1, 2][..], 3)], 1)?, [[3, 6]]);
    Ok(())
}

#[pool_task]
fn stem(path: &Path) -> Option<String> {
    path.file_stem()?.to_str().map(str::to_owned)
}

#[pool_task]
fn below(directory: &std::path::Path, name: &str) -> PathBuf {
    directory.join(name)
}

#[test]
fn a_path_takes_paths_and_texts() -> Outcome {
    let wanted = [Some("a".to_owned())];
    assert_eq!(stem(Path::new("x/a.rs")), wanted[0]);
    assert_eq!(stem.pmap(["x/a.rs"], 1)?, wanted);
    assert_eq!(stem.pmap([String::from("x/a.rs")], 1)?, wanted);
    assert_eq!(stem.pmap([Path::new("x/a.rs")], 1)?, wanted);
    assert_eq!(stem.pmap([PathBuf::from("x/a.rs")], 1)?, wanted);
    assert_eq!(stem.pmap(&[PathBuf::from("x/a.rs")], 1)?, wanted);
    assert_eq!(below.pmap([(Path::new("x"), "y")], 1)?, [PathBuf::from("x/y")]);
    assert_eq!(below.pmap([("x", String::from("y"))], 1)?, [PathBuf::from("x/y")]);
    Ok(())
}

/// A type of the user's that is called like one of the standard library.
mod map {
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Serialize, Deserialize)]
    pub(crate) struct Path(pub(crate) u8);
}

#[pool_task]
fn steps(path: &map::Path) -> u8 {
    path.0
}

#[test]
fn a_path_with_its_module_is_the_users_own_type() -> Outcome {
    assert_eq!(steps.pmap([map::Path(3)], 1)?, [3]);
    Ok(())
}

#[pool_task]
fn mirrored(point: &Point) -> Point {
    Point { x: -point.x, y: -point.y }
}

#[pool_task]
fn successor(n: &u32) -> u32 {
    n + 1
}

#[pool_task]
fn keys(map: &BTreeMap<String, u8>, separator: &String) -> String {
    map.keys().cloned().collect::<Vec<_>>().join(separator)
}

#[test]
fn a_reference_takes_values_and_references() -> Outcome {
    let point = Point { x: 1.0, y: 2.0 };
    assert_eq!(mirrored.pmap([point], 1)?, [mirrored(&point)]);
    assert_eq!(mirrored.pmap(&[point], 1)?, [mirrored(&point)]);
    assert_eq!(successor.pmap([1, 2], 1)?, [2, 3]);
    assert_eq!(successor.pmap(&[1, 2], 1)?, [2, 3]);
    let map = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
    assert_eq!(keys.pmap([(&map, "+".to_owned())], 1)?, ["a+b"]);
    Ok(())
}

#[pool_task]
fn greeting(name: Option<&str>) -> String {
    format!("hello {}", name.unwrap_or("you"))
}

#[pool_task]
fn described(
    text: Option<&str>,
    data: Option<&[u8]>,
    numbers: Option<&[i32]>,
    point: Option<&Point>,
    path: Option<&Path>,
    n: Option<u8>,
) -> String {
    format!("{text:?} {data:?} {numbers:?} {} {path:?} {n:?}", point.is_some())
}

#[test]
fn an_option_of_a_borrow_takes_options() -> Outcome {
    assert_eq!(greeting(None), "hello you");
    assert_eq!(greeting.pmap([Some("a"), None], 1)?, ["hello a", "hello you"]);
    assert_eq!(greeting.pmap([Some(String::from("a"))], 1)?, ["hello a"]);
    let point = Point { x: 1.0, y: 2.0 };
    let some = (Some("a"), Some(b"b"), Some([1]), Some(&point), Some("c"), Some(2));
    let wanted =
        described(Some("a"), Some(b"b"), Some(&[1]), Some(&point), Some(Path::new("c")), Some(2));
    assert_eq!(described.pmap([some], 1)?, [wanted]);
    let none: (Option<&str>, Option<Vec<u8>>, Option<Vec<i32>>, Option<Point>, Option<&str>, _) =
        (None, None, None, None, None, None);
    assert_eq!(described.pmap([none], 1)?, [described(None, None, None, None, None, None)]);
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct View<'a> {
    #[serde(borrow)]
    text: &'a str,
}

#[pool_task]
fn viewed(view: View<'_>) -> usize {
    view.text.len()
}

#[pool_task]
fn viewed_by_reference(view: &View<'_>, text: &&str) -> usize {
    view.text.len() + text.len()
}

#[pool_task]
fn joined(words: Vec<&str>, (last, n): (&str, u64), end: Cow<'_, str>) -> String {
    format!("{}{last}{n}{end}", words.concat())
}

#[pool_task]
fn longer<'a>(a: &'a str, b: &'a str) -> usize {
    let longer: &'a str = if a.len() > b.len() { a } else { b };
    longer.len()
}

#[pool_task]
fn of_two<'a, 'b>(a: &'a str, view: View<'b>, both: Vec<&'b str>) -> usize {
    fn same<'c>(one: &'c str, _: &'c str) -> &'c str {
        one
    }
    same(a, view.text).len() + both.len()
}

#[test]
fn a_value_may_borrow_from_the_message() -> Outcome {
    let text = String::from("abc");
    assert_eq!(viewed(View { text: &text }), 3);
    assert_eq!(viewed.pmap([View { text: &text }], 1)?, [3]);
    assert_eq!(viewed_by_reference.pmap([(View { text: &text }, "de")], 1)?, [5]);
    let item = (vec!["a", &text], ("c", 1), Cow::Borrowed("!"));
    assert_eq!(joined.pmap([item], 1)?, ["aabcc1!"]);
    assert_eq!(longer.pmap([(&text, "de")], 1)?, [3]);
    assert_eq!(of_two.pmap([("a", View { text: &text }, vec![])], 1)?, [1]);
    Ok(())
}
