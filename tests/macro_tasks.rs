//! Every form of function that can be a task, called plainly and in processes.

#![forbid(unsafe_code)]
#![deny(
    deprecated,
    missing_docs,
    non_local_definitions,
    nonstandard_style,
    private_interfaces,
    rust_2018_idioms,
    unreachable_pub,
    unused,
    clippy::all,
    clippy::pedantic
)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use pool_runtime::{Error, Pool, Task, TaskInput, pool_task};
use serde::{Deserialize, Serialize};

type Outcome = Result<(), Error>;

/// Twice the number.
#[pool_task]
fn doubler(n: u64) -> u64 {
    n * 2
}

#[test]
fn a_task_is_called_plainly_and_in_processes() -> Outcome {
    assert_eq!(doubler(21), 42);
    assert_eq!(doubler.pmap(0..4, 2)?, [0, 2, 4, 6]);
    assert_eq!(doubler.pmap([7], &Pool::new(1)?)?, [14]);
    assert_eq!(doubler.pmap(vec![1_u64], 1)?, [2]);
    assert_eq!(doubler.spawn(21)?.join()?, 42);
    Ok(())
}

#[test]
fn a_task_stands_where_a_function_is_wanted() {
    let doubled: Vec<u64> = (0..3).map(*doubler).collect();
    assert_eq!(doubled, [0, 2, 4]);
    let function: fn(u64) -> u64 = *doubler;
    assert_eq!(function(1), 2);
    let copy = doubler;
    assert_eq!(copy(1), doubler(1));
    assert_eq!(format!("{copy:?}"), "doubler");
}

#[test]
fn code_can_be_generic_over_tasks() -> Outcome {
    fn first<T: Task, I: TaskInput<T>>(task: T, item: I) -> Result<T::Output, Error> {
        Pool::new(1)?.apply(task, item)
    }
    assert_eq!(first(doubler, 4)?, 8);
    assert_eq!(first(add, (1, 2))?, 3);
    Ok(())
}

#[pool_task]
fn nothing() {}

#[pool_task]
fn answer() -> u8 {
    42
}

#[test]
fn no_argument_takes_units() -> Outcome {
    nothing();
    nothing.pmap([(), ()], 2)?;
    assert_eq!(answer(), 42);
    assert_eq!(answer.pmap([(), ()], 2)?, [42, 42]);
    nothing.spawn(())?.join()
}

#[pool_task]
fn add(a: i32, b: i32) -> i32 {
    a + b
}

#[pool_task]
#[allow(clippy::many_single_char_names, clippy::too_many_arguments)]
fn sixteen(
    a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8, m: u8,
    n: u8, o: &str, p: u8,
) -> String {
    format!("{}{o}", [a, b, c, d, e, f, g, h, i, j, k, l, m, n, p].map(|n| n.to_string()).concat())
}

#[test]
fn several_arguments_take_tuples() -> Outcome {
    assert_eq!(add(1, 2), 3);
    assert_eq!(add.pmap([(1, 2), (3, 4)], 2)?, [3, 7]);
    assert_eq!(add.pmap((0..2).zip(5..), 2)?, [5, 7]);
    let item = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, "o", 16);
    assert_eq!(sixteen.pmap([item], 1)?, ["123456789101112131416o"]);
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

#[pool_task]
fn norm((x, y): (f64, f64)) -> f64 {
    x.hypot(y)
}

#[pool_task]
fn swapped(Point { x, y }: Point) -> Point {
    Point { x: y, y: x }
}

#[pool_task]
fn counted_down(mut n: u8) -> u8 {
    while n > 3 {
        n -= 1;
    }
    n
}

#[pool_task]
fn ignoring(_: u8, _unused: &str, [first, ..]: [u8; 3]) -> u8 {
    first
}

#[pool_task]
fn copied(&n: &u16, whole @ (left, _): (u8, u8)) -> (u16, u8, (u8, u8)) {
    (n, left, whole)
}

#[test]
fn arguments_may_be_patterns() -> Outcome {
    assert!((norm((3.0, 4.0)) - 5.0).abs() < 1e-9);
    assert!((norm.pmap([(3.0, 4.0)], 2)?[0] - 5.0).abs() < 1e-9);
    let point = Point { x: 1.0, y: 2.0 };
    assert_eq!(swapped.pmap([point], 1)?, [swapped(point)]);
    assert_eq!(counted_down.pmap([1, 9], 1)?, [1, 3]);
    assert_eq!(ignoring.pmap([(1, "", [7, 8, 9])], 1)?, [ignoring(1, "", [7, 8, 9])]);
    assert_eq!(copied.pmap([(5, (1, 2))], 1)?, [copied(&5, (1, 2))]);
    Ok(())
}

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
    let wanted = described(
        Some("a"),
        Some(b"b"),
        Some(&[1]),
        Some(&point),
        Some(Path::new("c")),
        Some(2),
    );
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
#[allow(clippy::needless_lifetimes)]
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

#[pool_task]
fn parsed(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

#[pool_task]
#[allow(clippy::unused_unit)]
fn unit() -> () {}

#[pool_task]
fn owned_cow() -> Cow<'static, str> {
    Cow::Borrowed("a")
}

#[pool_task]
fn endless(message: String) -> ! {
    std::panic::panic_any(message)
}

#[test]
fn any_owned_type_is_a_result() -> Outcome {
    assert_eq!(parsed.pmap(["1", "x"], 1)?, [Ok(1), Err("`x` is no number".to_owned())]);
    unit.pmap([()], 1)?;
    assert_eq!(owned_cow.pmap([()], 1)?, ["a"]);
    let _: fn(String) -> ! = *endless;
    Ok(())
}

#[pool_task]
fn fibonacci(n: u64) -> u64 {
    if n < 2 { n } else { fibonacci(n - 1) + fibonacci(n - 2) }
}

#[test]
fn a_task_calls_itself() -> Outcome {
    assert_eq!(fibonacci.pmap([10], 1)?, [55]);
    Ok(())
}

#[pool_task]
fn nested(depth: u32) -> u32 {
    if depth == 0 {
        return 1;
    }
    nested.pmap([depth - 1, depth - 1], 2).map_or(0, |counts| counts.iter().sum::<u32>() + 1)
}

#[test]
fn a_task_maps_itself_from_its_body() -> Outcome {
    assert_eq!(nested.pmap([1], 1)?, [3]);
    Ok(())
}

/// Tasks, each alone in a module: in one module, the name of one would be in the
/// way of the others' arguments.
macro_rules! alone {
    ($($(#[$attribute:meta])* fn $name:ident($($arguments:tt)*) -> $output:ty $body:block)*) => {$(
        pub(crate) mod $name {
            #[pool_runtime::pool_task]
            $(#[$attribute])*
            pub(crate) fn $name($($arguments)*) -> $output $body
        }
    )*};
}

/// Names that generated code might use too.
mod odd_names {
    alone! {
        fn a(args: u8) -> u8 {
            args + 1
        }
        fn args(a: u8) -> u8 {
            a + 1
        }
        fn n(n: u64) -> u64 {
            n + 1
        }
        fn self_(item: u8, pool: &str, call: &[u8]) -> usize {
            usize::from(item) + pool.len() + call.len()
        }
        fn f(write: u8, lend: u8) -> u8 {
            write + lend
        }
        fn pool(f: u8, items: u8, workers: u8) -> u8 {
            f + items + workers
        }
        fn item(output: &u8) -> u8 {
            *output
        }
        fn items() -> u8 {
            1
        }
        fn workers(x: Option<&str>) -> usize {
            x.map_or(0, str::len)
        }
        fn call(r#type: u8) -> u8 {
            r#type
        }
        fn r#type(r#type: u8) -> u8 {
            r#type
        }
        fn write() -> u8 {
            1
        }
        fn deref(clone: u8) -> u8 {
            clone
        }
        fn pmap(spawn: u8) -> u8 {
            spawn
        }
        fn name(key: u8, place: u8) -> u8 {
            key + place
        }
        fn sum(numbers: Vec<u64>) -> u64 {
            let mut sum = 0;
            for number in numbers {
                sum += number;
            }
            sum
        }
        fn largest((largest, rest): (u8, Vec<u8>)) -> u8 {
            rest.into_iter().fold(largest, |largest, n| largest.max(n))
        }
    }
}

#[test]
fn no_name_is_in_the_way() -> Outcome {
    use odd_names as odd;
    assert_eq!(odd::a::a.pmap([1], 1)?, [odd::a::a(1)]);
    assert_eq!(odd::args::args.pmap([1], 1)?, [odd::args::args(1)]);
    assert_eq!(odd::n::n.pmap([1], 1)?, [odd::n::n(1)]);
    assert_eq!(odd::self_::self_.pmap([(1, "ab", vec![1])], 1)?, [odd::self_::self_(1, "ab", &[1])]);
    assert_eq!(odd::f::f.pmap([(1, 2)], 1)?, [odd::f::f(1, 2)]);
    assert_eq!(odd::pool::pool.pmap([(1, 2, 3)], 1)?, [odd::pool::pool(1, 2, 3)]);
    assert_eq!(odd::item::item.pmap([1], 1)?, [odd::item::item(&1)]);
    assert_eq!(odd::items::items.pmap([()], 1)?, [odd::items::items()]);
    assert_eq!(odd::workers::workers.pmap([Some("a")], 1)?, [odd::workers::workers(Some("a"))]);
    assert_eq!(odd::call::call.pmap([1], 1)?, [odd::call::call(1)]);
    assert_eq!(odd::r#type::r#type.pmap([1], 1)?, [odd::r#type::r#type(1)]);
    assert_eq!(odd::write::write.pmap([()], 1)?, [odd::write::write()]);
    assert_eq!(odd::deref::deref.pmap([1], 1)?, [odd::deref::deref(1)]);
    assert_eq!(odd::pmap::pmap.pmap([1], 1)?, [odd::pmap::pmap(1)]);
    assert_eq!(odd::name::name.pmap([(1, 2)], 1)?, [odd::name::name(1, 2)]);
    assert_eq!(odd::sum::sum.pmap([vec![1, 2]], 1)?, [3]);
    assert_eq!(odd::largest::largest.pmap([(1, vec![2])], 1)?, [2]);
    Ok(())
}

/// Types that are called like those of generated code.
mod odd_types {
    use pool_runtime::pool_task;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(crate) struct Option(pub(crate) u8);
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(crate) struct Vec;
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(crate) struct Result;

    #[pool_task]
    pub(crate) fn all(option: Option, vec: &Vec, _: std::option::Option<&Vec>) -> Result {
        let _ = (option, vec);
        Result
    }
}

#[test]
fn generated_code_does_not_see_the_users_types() -> Outcome {
    use odd_types::{Option, Result, Vec, all};
    assert_eq!(all.pmap([(Option(1), Vec, Some(Vec))], 1)?, [Result]);
    Ok(())
}

mod elsewhere {
    pub(crate) mod deep {
        use pool_runtime::pool_task;

        const FACTOR: u64 = 3;

        #[pool_task]
        pub(crate) fn tripled(n: u64) -> u64 {
            n * FACTOR * super::one()
        }

        #[pool_task]
        pub(in crate::elsewhere) fn hidden(n: u64) -> u64 {
            n
        }

        #[pool_task]
        pub(super) fn above(n: u64) -> u64 {
            n
        }
    }

    fn one() -> u64 {
        1
    }

    pub(crate) fn hidden() -> Result<Vec<u64>, pool_runtime::Error> {
        deep::above.pmap(deep::hidden.pmap([1], 1)?, 1)
    }
}

#[test]
fn a_task_lives_in_any_module_under_any_visibility() -> Outcome {
    assert_eq!(elsewhere::deep::tripled.pmap([2], 1)?, [6]);
    assert_eq!(elsewhere::hidden()?, [1]);
    Ok(())
}

#[test]
fn a_task_lives_in_a_function() -> Outcome {
    #[derive(Serialize, Deserialize)]
    struct Local(u8);

    #[pool_task]
    fn local(Local(n): Local, text: &str) -> usize {
        usize::from(n) + text.len()
    }

    assert_eq!(local(Local(1), "a"), 2);
    assert_eq!(local.pmap([(Local(1), "a")], 1)?, [2]);
    Ok(())
}

#[test]
fn tasks_of_one_name_in_two_functions_stay_apart() -> Outcome {
    fn one() -> Result<Vec<u8>, Error> {
        #[pool_task]
        fn same(n: u8) -> u8 {
            n + 1
        }
        same.pmap([0], 1)
    }
    fn two() -> Result<Vec<u8>, Error> {
        #[pool_task]
        fn same(n: u8) -> u8 {
            n + 2
        }
        same.pmap([0], 1)
    }
    assert_eq!((one()?, two()?), (vec![1], vec![2]));
    Ok(())
}

#[cfg(unix)]
#[pool_task]
fn by_platform(n: u8) -> u8 {
    n
}

#[pool_task]
#[cfg(not(unix))]
fn by_platform(_: Missing) -> Missing {}

#[pool_task]
#[cfg_attr(all(), cfg(any()))]
fn never_there(_: Missing) -> Missing {}

#[test]
fn a_task_may_depend_on_cfg() -> Outcome {
    assert_eq!(by_platform.pmap([1], 1)?, [1]);
    Ok(())
}

#[pool_task]
#[inline]
#[must_use]
#[track_caller]
#[cfg_attr(all(), allow(clippy::needless_pass_by_value), doc = "Documented under a condition.")]
#[expect(non_snake_case, dead_code, reason = "the paper names it so")]
fn Attributed(#[allow(unused_variables)] text: String) -> u8 {
    1
}

#[pool_task]
#[deprecated = "for a test"]
fn old(n: u8) -> u8 {
    if n == 0 { 0 } else { old(n - 1) }
}

#[test]
fn attributes_go_where_they_belong() -> Outcome {
    assert_eq!(Attributed(String::new()), 1);
    assert_eq!(Attributed.pmap([String::new()], 1)?, [1]);
    #[allow(deprecated)]
    let done = old.pmap([2], 1)?;
    assert_eq!(done, [0]);
    Ok(())
}

macro_rules! tasks {
    ($($name:ident($($argument:ident: $type:ty),*) -> $output:ty $body:block)*) => {$(
        #[pool_task]
        fn $name($($argument: $type),*) -> $output $body
    )*};
}

tasks! {
    squared(n: u64) -> u64 { n * n }
    first_word(text: &str, n: Option<&u8>) -> String {
        format!("{} {n:?}", text.split(' ').next().unwrap_or_default())
    }
    measure(measure: &[u8]) -> usize { measure.len() }
}

macro_rules! hygienic {
    ($name:ident, $literal:literal) => {
        #[pool_task(name = $literal, crate = ::pool_runtime)]
        fn $name(n: u64) -> u64 {
            let m = n + 1;
            m
        }
    };
}

hygienic!(one_more, "one more, by a macro");

#[test]
fn a_macro_writes_tasks() -> Outcome {
    assert_eq!(squared.pmap([3], 1)?, [9]);
    assert_eq!(first_word.pmap([("a b", Some(1))], 1)?, ["a Some(1)"]);
    assert_eq!(measure.pmap(["ab".as_bytes()], 1)?, [2]);
    assert_eq!(one_more.pmap([3], 1)?, [4]);
    assert_eq!(one_more::def().name, "one more, by a macro");
    Ok(())
}

#[pool_task(name = "shop::price")]
fn named(n: u64) -> u64 {
    n
}

#[test]
fn a_name_is_the_users_or_the_path() -> Outcome {
    assert_eq!(named::def().name, "shop::price");
    assert_eq!(named::def().key, "shop::price");
    assert_eq!(named.pmap([1], 1)?, [1]);

    assert_eq!(doubler::def().name, concat!(module_path!(), "::doubler"));
    let key = doubler::def().key;
    assert!(key.starts_with(doubler::def().name), "{key}");
    assert!(key.ends_with(doubler::def().place), "{key}");
    assert!(odd_names::r#type::r#type::def().name.ends_with("::type"));
    Ok(())
}

#[pool_task] fn placed() -> u32 { line!() }

#[test]
fn the_place_is_the_attribute_in_the_users_file() {
    assert_eq!(placed::def().place, format!("{}:{}:1", file!(), placed()));
}

/// Where a program has its own names for what it depends on.
mod rt {
    pub(crate) use ::pool_runtime;
    pub(crate) use pool_runtime as renamed;
}

#[rt::pool_runtime::pool_task(crate = rt::pool_runtime)]
fn re_exported(n: u64) -> u64 {
    n
}

#[rt::renamed::pool_task(crate = crate::rt::renamed, name = "renamed")]
fn renamed(text: &str, n: &[u64]) -> usize {
    text.len() + n.len()
}

#[test]
fn the_runtime_may_be_elsewhere() -> Outcome {
    assert_eq!(re_exported.pmap([1], 1)?, [1]);
    assert_eq!(renamed.pmap([("a", [1, 2])], 1)?, [3]);
    Ok(())
}
