//! Lifetimes that are left out in paths, and types whose arguments only they know how to
//! carry.

// What this is about.
#![allow(elided_lifetimes_in_paths)]

use std::borrow::Cow;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::path::Path;

use pool_runtime::{Pool, pool_task};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Outcome;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct View<'a> {
    text: &'a str,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Both<'a, T> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    value: T,
}

type Short<'a> = Vec<View<'a>>;

#[pool_task]
fn length(text: Cow<str>) -> usize {
    text.len()
}

#[pool_task]
fn sum(numbers: Cow<[u64]>) -> u64 {
    numbers.iter().sum()
}

#[pool_task]
fn depth(path: Cow<Path>) -> usize {
    path.components().count()
}

#[pool_task]
fn pairs(pairs: Vec<(std::borrow::Cow<str>, u8)>) -> usize {
    pairs.len()
}

#[pool_task]
fn whole(view: View) -> usize {
    view.text.len()
}

#[pool_task]
fn lent(view: &View<'_>) -> usize {
    view.text.len()
}

#[pool_task]
fn slice(views: &[View]) -> usize {
    views.iter().map(|view| view.text.len()).sum()
}

#[pool_task]
fn optional(view: Option<&View>) -> usize {
    view.map_or(0, |view| view.text.len())
}

#[pool_task]
fn several(both: Both<u8>, views: Short, more: &str, map: HashMap<u8, View>) -> usize {
    both.name.len() + usize::from(both.value) + views.len() + more.len() + map.len()
}

#[pool_task]
fn named<'a>(one: View<'a>, two: View<'a>, other: View) -> usize {
    one.text.len() * two.text.len() * other.text.len()
}

#[test]
fn a_lifetime_may_be_left_out_in_a_path() -> Outcome {
    let pool = Pool::new(1)?;
    let text = String::from("abc");
    let abc = || View { text: &text };
    assert_eq!(pool.map(length, [Cow::Borrowed("ab"), Cow::Owned("abc".into())])?, [2, 3]);
    assert_eq!(pool.map(sum, [Cow::Borrowed(&[1, 2][..]), Cow::Owned(vec![3])])?, [3, 3]);
    assert_eq!(pool.apply(depth, Cow::Borrowed(Path::new("a/b")))?, 2);
    assert_eq!(pool.apply(pairs, vec![(Cow::Borrowed("a"), 1), ("b".into(), 2)])?, 2);
    assert_eq!(whole.pmap([abc()], &pool)?, [3]);
    assert_eq!(pool.map(lent, [&abc()])?, [3]);
    assert_eq!(pool.map(lent, [abc()])?, [3]);
    assert_eq!(pool.map(slice, [vec![abc(), abc()]])?, [6]);
    assert_eq!(pool.map(optional, [Some(abc()), None])?, [3, 0]);
    let both = Both { name: "ab".into(), value: 5 };
    let given = (both.clone(), vec![abc()], "x", HashMap::from([(1, abc())]));
    assert_eq!(pool.map(several, [given.clone()])?, [10]);
    assert_eq!(several(given.0, given.1, given.2, given.3), 10);
    assert_eq!(pool.map(named, [(abc(), abc(), abc())])?, [27]);
    assert_eq!(whole(abc()) + length("ab".into()), 5);
    Ok(())
}

/// A type that has none, spelled as one that might.
#[pool_task]
fn shout(word: Word) -> String {
    word.0.to_uppercase()
}

#[derive(Serialize, Deserialize)]
struct Word(String);

type Count = u64;

#[pool_task]
fn half(n: Count) -> u64 {
    n / 2
}

#[test]
fn literals_still_take_the_type_of_an_argument_under_another_name() -> Outcome {
    assert_eq!(half.pmap(0..4, 1)?, [0, 0, 1, 1]);
    assert_eq!(shout.pmap([Word("a".into())], 1)?, ["A"]);
    Ok(())
}

/// What a crate such as typetag gives a trait.
trait Shape {
    fn area(&self) -> f64;
}

struct Square(f64);

impl Shape for Square {
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}

impl Serialize for dyn Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.area().sqrt().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Box<dyn Shape> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Box::new(Square(f64::deserialize(deserializer)?)))
    }
}

/// A number, whatever it is of.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Id<T: ?Sized>(u32, PhantomData<T>);

impl<T: ?Sized> Id<T> {
    fn new(id: u32) -> Self {
        Id(id, PhantomData)
    }
}

#[pool_task]
fn areas(shapes: Vec<Box<dyn Shape>>) -> f64 {
    shapes.iter().map(|shape| shape.area()).sum()
}

#[pool_task]
fn doubled(shape: Box<dyn Shape>) -> Box<dyn Shape> {
    Box::new(Square(shape.area().sqrt() * 2.0))
}

#[pool_task]
fn of_function(id: Id<fn() -> String>) -> u32 {
    id.0
}

#[pool_task]
fn of_reader(id: Id<for<'a> fn(&'a str, &[u8]) -> &'a str>) -> Id<fn(&str) -> View> {
    Id::new(id.0)
}

#[pool_task]
fn of_closure(id: &Id<dyn Fn(&str) -> bool>) -> Id<*const u8> {
    Id::new(id.0)
}

#[test]
fn types_know_how_to_carry_their_arguments() -> Outcome {
    let pool = Pool::new(1)?;
    assert!((pool.apply(areas, vec![Box::new(Square(2.0)) as Box<dyn Shape>])? - 4.0).abs() < 1e-9);
    let four = pool.apply(doubled, Box::new(Square(2.0)) as Box<dyn Shape>)?;
    assert!((four.area() - 16.0).abs() < 1e-9);
    assert_eq!(pool.apply(of_function, Id::new(7))?, 7);
    assert_eq!(pool.apply(of_reader, Id::new(7))?.0, 7);
    assert_eq!(pool.apply(of_closure, Id::new(7))?.0, 7);
    Ok(())
}
