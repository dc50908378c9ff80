//! Values that are nested deep: the stack bounds them, and nothing else does.

use std::collections::BTreeMap;

use serde::ser::SerializeTuple;

use super::*;
use crate::sys::headroom::{near_the_end, on_a_thread};

/// A type that is nested in itself in one way.
trait Shape: Serialize + for<'de> Deserialize<'de> {
    /// What a level is on the wire before the one inside of it.
    fn level() -> Vec<u8>;
    fn innermost() -> Self;
    fn around(inner: Self) -> Self;
    fn into_inner(self) -> Option<Self>;
}

/// The same for each of them.
macro_rules! for_each_shape {
    ($check:ident) => {
        $check::<Field>("a field");
        $check::<Newtype>("a newtype");
        $check::<NewtypeVariant>("a newtype variant");
        $check::<TupleVariant>("a tuple variant");
        $check::<StructVariant>("a struct variant");
        $check::<List>("a sequence");
        $check::<Map>("a map");
        $check::<Wide>("a wide struct");
        $check::<ByHand>("a tuple by hand");
    };
}

macro_rules! shape {
    ($(#[$attribute:meta])* $name:ident $level:expr; $innermost:expr; |$inner:ident| $around:expr;
        $whole:pat => $taken:expr) => {
        impl Shape for $name {
            fn level() -> Vec<u8> {
                $level
            }
            fn innermost() -> Self {
                $innermost
            }
            fn around($inner: Self) -> Self {
                $around
            }
            fn into_inner(self) -> Option<Self> {
                match self {
                    $whole => $taken,
                    #[allow(unreachable_patterns)]
                    _ => None,
                }
            }
        }
    };
}

#[derive(Serialize, Deserialize)]
struct Field {
    id: u8,
    next: Option<Box<Field>>,
}
shape!(Field vec![7, 1]; Field { id: 7, next: None }; |inner| Field { id: 7, next: Some(inner.into()) };
    Field { next, .. } => next.map(|next| *next));

#[derive(Serialize, Deserialize)]
struct Newtype(Option<Box<Newtype>>);
shape!(Newtype vec![1]; Newtype(None); |inner| Newtype(Some(inner.into()));
    Newtype(next) => next.map(|next| *next));

#[derive(Serialize, Deserialize)]
enum NewtypeVariant {
    More(Box<NewtypeVariant>),
    End,
}
shape!(NewtypeVariant vec![0; 4]; NewtypeVariant::End; |inner| NewtypeVariant::More(inner.into());
    NewtypeVariant::More(next) => Some(*next));

#[derive(Serialize, Deserialize)]
enum TupleVariant {
    More(u8, Box<TupleVariant>),
    End,
}
shape!(TupleVariant vec![0, 0, 0, 0, 7]; TupleVariant::End;
    |inner| TupleVariant::More(7, inner.into()); TupleVariant::More(_, next) => Some(*next));

#[derive(Serialize, Deserialize)]
enum StructVariant {
    More { next: Box<StructVariant> },
    End,
}
shape!(StructVariant vec![0; 4]; StructVariant::End;
    |inner| StructVariant::More { next: inner.into() };
    StructVariant::More { next } => Some(*next));

#[derive(Serialize, Deserialize)]
struct List(Vec<List>);
shape!(List 1_u64.to_le_bytes().into(); List(vec![]); |inner| List(vec![inner]);
    List(mut list) => list.pop());

#[derive(Serialize, Deserialize)]
struct Map(BTreeMap<u8, Map>);
shape!(Map [&1_u64.to_le_bytes()[..], &[7]].concat(); Map(BTreeMap::new());
    |inner| Map(BTreeMap::from([(7, inner)])); Map(mut map) => map.remove(&7));

#[derive(Serialize, Deserialize)]
struct Wide {
    next: Option<Box<Wide>>,
    names: [String; 8],
    numbers: ([u64; 32], [u64; 32], [u64; 32]),
}
impl Wide {
    fn new(next: Option<Box<Wide>>) -> Wide {
        Wide { next, names: Default::default(), numbers: ([1; 32], [2; 32], [3; 32]) }
    }
}
shape!(Wide vec![1]; Wide::new(None); |inner| Wide::new(Some(inner.into()));
    Wide { next, .. } => next.map(|next| *next));

/// Goes through nothing but a tuple, the first of whose elements says whether there is
/// another.
struct ByHand(Option<Box<ByHand>>);
shape!(ByHand vec![1]; ByHand(None); |inner| ByHand(Some(inner.into()));
    ByHand(next) => next.map(|next| *next));

impl Serialize for ByHand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&u8::from(self.0.is_some()))?;
        match &self.0 {
            Some(next) => tuple.serialize_element(next)?,
            None => tuple.serialize_element(&())?,
        }
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for ByHand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair;
        impl<'de> Visitor<'de> for Pair {
            type Value = ByHand;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a pair")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<ByHand, A::Error> {
                match pair.next_element::<u8>()? {
                    Some(1) => pair.next_element().map(ByHand),
                    _ => Ok(ByHand(None)),
                }
            }
        }
        deserializer.deserialize_tuple(2, Pair)
    }
}

fn deep<S: Shape>(levels: usize) -> S {
    (0..levels).fold(S::innermost(), |inner, _| S::around(inner))
}

/// How deep it is; drops it level by level.
fn levels<S: Shape>(whole: S) -> usize {
    let (mut next, mut levels) = (whole.into_inner(), 0);
    while let Some(inner) = next {
        next = inner.into_inner();
        levels += 1;
    }
    levels
}

/// As it is on the wire.
fn wire<S: Shape>(levels: usize) -> Vec<u8> {
    let innermost = bytes_of(&S::innermost());
    let one = bytes_of(&S::around(S::innermost()));
    let (level, rest) = one.split_at(S::level().len());
    assert_eq!(level, S::level());
    // What follows the inner value, the same at each level.
    let tail = &rest[innermost.len()..];
    [level.repeat(levels), innermost, tail.repeat(levels)].concat()
}

/// The largest number for which `holds`, which holds up to somewhere.
fn most(holds: impl Fn(usize) -> bool) -> usize {
    let (mut yes, mut no) = (0, 16);
    while holds(no) {
        (yes, no) = (no, 2 * no);
    }
    while no - yes > 1 {
        let middle = (yes + no) / 2;
        if holds(middle) { yes = middle } else { no = middle }
    }
    yes
}

fn is_refused(error: &PayloadError, size: usize) {
    assert!(error.is_too_deep(), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("it is nested too deep for the stack: after "), "{text}");
    assert!(text.ends_with("bytes are left; make the call on a thread with a larger one, see `thread::Builder::stack_size`"), "{text}");
    let words: Vec<&str> = text.split(' ').collect();
    let after = |word| words[words.iter().position(|one| *one == word).unwrap() + 1];
    let (levels, of): (usize, usize) =
        (after("after").parse().unwrap(), after("of").parse().unwrap());
    // The C library may reuse one that is larger, up to four times.
    assert!((size - (16 << 10)..=5 * size).contains(&of), "{of} of {size}: {text}");
    assert!(levels > 0 && levels < of, "{text}");
}

const SIZES: [usize; 3] = [128 << 10, 1 << 20, 2 << 20];

#[test]
fn too_deep_is_an_error_of_both_ways_on_any_thread() {
    fn check<S: Shape + 'static>(what: &str) {
        // Some 1 GiB else.
        let far = if size_of::<S>() > 512 { 50_000 } else { 1_000_000 };
        for size in SIZES {
            on_a_thread(size, move || {
                for depth in [0, 1, 2, 5] {
                    let value = decode::<S>(&wire::<S>(depth)).unwrap();
                    assert_eq!(bytes_of(&value), wire::<S>(depth));
                    assert_eq!(levels(value), depth);
                }
                let value = deep::<S>(far);
                let mut bytes = vec![7];
                is_refused(&encode(&value, &mut bytes).unwrap_err(), size);
                assert_eq!((bytes, levels(value)), (vec![7], far));
                is_refused(&decode::<S>(&wire::<S>(far)).map(levels).unwrap_err(), size);
            });
        }
        eprintln!("{what}: refused");
    }
    for_each_shape!(check);
}

/// What is begun with little stack left ends in an error too, and so does what is done with
/// what came of it.
#[test]
fn too_deep_is_an_error_wherever_on_a_stack_it_begins() {
    fn check<S: Shape + 'static>(what: &str) {
        on_a_thread(2 << 20, || {
            let is_wide = size_of::<S>() > 512;
            let (few, far) = if is_wide { (0, 10_000) } else { (1, 100_000) };
            let (value, bytes, few) = (deep::<S>(far), wire::<S>(far), wire::<S>(few));
            for kibibytes in [32, 40, 64, 128, 256] {
                let (shallow, errors) = near_the_end(kibibytes << 10, || {
                    // What is not deep comes through.
                    let shallow = decode::<S>(&few).and_then(|few| encode(&few, &mut Vec::new()));
                    let decoded = decode::<S>(&bytes).map(|value| assert!(levels(value) < far));
                    (shallow, [encode(&value, &mut Vec::new()), decoded])
                });
                // A wide one takes 20 KiB in a debug build.
                assert!(shallow.is_ok() || is_wide && kibibytes < 64, "{shallow:?}");
                errors.into_iter().for_each(|error| is_refused(&error.unwrap_err(), 2 << 20));
            }
            levels(value);
        });
        eprintln!("{what}: refused");
    }
    for_each_shape!(check);
}

/// Dropping takes less for a level than decoding, so what could be decoded can be dropped
/// there, and so can what was decoded before an error.
#[test]
fn the_deepest_that_can_be_decoded_can_be_dropped() {
    fn check<S: Shape + 'static>(what: &str) {
        for size in SIZES {
            let depth = on_a_thread(size, || {
                let depth = most(|depth| decode::<S>(&wire::<S>(depth)).map(levels).is_ok());
                drop(decode::<S>(&wire::<S>(depth)).unwrap());
                // A list whose second element is broken, for which the first is dropped.
                let mut two = 2_u64.to_le_bytes().to_vec();
                two.extend(wire::<S>(depth / 2));
                two.push(wire::<S>(1)[0]);
                decode::<Vec<S>>(&two).map(|_| ()).unwrap_err();
                depth
            });
            eprintln!("{what}: {depth} levels in {size} bytes");
            assert!(depth >= 5, "{what} in {size} bytes: {depth}");
        }
    }
    for_each_shape!(check);
}

/// Holds 32 KiB, which in a debug build take five times as much of the stack for a level.
#[derive(Serialize, Deserialize)]
struct Fat {
    next: Option<Box<Fat>>,
    room: Room,
}

struct Room([u64; 4096]);

impl Serialize for Room {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0[0].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Room {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|n| Room([n; 4096]))
    }
}

#[test]
fn levels_that_take_more_than_the_reserve_are_refused_in_time() {
    let wire = |depth| [vec![1; depth], vec![0; 1 + 8 * (depth + 1)]].concat();
    for size in [1 << 20, 2 << 20, 16 << 20] {
        let most = on_a_thread(size, move || {
            for depth in 1..1_000 {
                match decode::<Fat>(&wire(depth)) {
                    Ok(value) => assert_eq!(bytes_of(&value), wire(depth)),
                    Err(error) => {
                        is_refused(&error, size);
                        return depth;
                    }
                }
            }
            panic!("nothing was refused in {size} bytes");
        });
        eprintln!("{most} levels in {size} bytes");
        assert!(most >= size >> 20, "{most} in {size} bytes");
    }
}

/// A large stack takes what a fixed count of levels would refuse. That many take 200 MiB
/// of it in a debug build.
#[test]
fn any_depth_comes_through_where_there_is_stack() {
    fn check<S: Shape + 'static>(_: &str) {
        let depth = if size_of::<S>() > 512 { 10_000 } else { 100_000 };
        on_a_thread(1 << 30, move || {
            let value = deep::<S>(depth);
            let bytes = bytes_of(&value);
            assert_eq!(levels(value), depth);
            assert!(bytes == wire::<S>(depth));
            assert_eq!(levels(decode::<S>(&bytes).unwrap()), depth);
        });
    }
    for_each_shape!(check);
}

#[test]
fn advice_is_for_who_can_follow_it() {
    on_a_thread(128 << 10, || {
        let value = deep::<Field>(100_000);
        let error = encode(&value, &mut Vec::new()).unwrap_err().in_worker().to_string();
        levels(value);
        assert!(error.ends_with("bytes are left; see `stack_size` for a larger one"), "{error}");
    });
}
