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
// Here every form has its turn, also where another would be better.
#![allow(
    clippy::needless_borrows_for_generic_args,
    clippy::needless_lifetimes,
    clippy::needless_pass_by_value,
    clippy::ptr_arg,
    clippy::redundant_closure_for_method_calls,
    clippy::trivially_copy_pass_by_ref,
    clippy::type_complexity
)]

use std::borrow::Cow;

use pool_runtime::{Error, Pool, Task, TaskInput, pool_task};
use serde::{Deserialize, Serialize};

#[path = "macro_tasks/borrowed.rs"]
mod borrowed;
#[path = "macro_tasks/hidden.rs"]
mod hidden;
#[path = "macro_tasks/names.rs"]
mod names;
#[path = "macro_tasks/places.rs"]
mod places;

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
    // As a statement by itself, clippy takes it for the making of a struct.
    let () = nothing();
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
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
    h: u8,
    i: u8,
    j: u8,
    k: u8,
    l: u8,
    m: u8,
    n: u8,
    o: &str,
    p: u8,
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
