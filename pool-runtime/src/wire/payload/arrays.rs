//! Arrays of bytes and numbers, which move as one copy, and of `()`, which are no more than
//! their length.
//!
//! serde shows a codec one element after another. But it shows types too, and
//! two of them give an array away, wherever in a value it is: every slice and
//! vector is encoded through the iterator of a slice, and every vector of `f64`
//! is decoded by the visitor that `Vec<f64>` itself has. Who serializes in a way
//! of their own has an iterator or a visitor of their own, and is served element
//! by element. All this is decided when the program is compiled.

use std::any::TypeId;
use std::fmt;
use std::mem::size_of;

use bytemuck::{Pod, cast_slice, pod_read_unaligned, try_cast_slice};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::de::Decoder;
use super::error::{Cause, Result};
use crate::sys::cast::{AnyRef, Primitive, Vector};

/// The same for each type of number, by the name of `$number`. What is in memory
/// is on the wire, on the little-endian 64-bit machines that are supported.
macro_rules! for_each_number {
    ($number:ident => $body:expr) => {
        for_each_number!(@ $number $body;
            u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64)
    };
    (@ $number:ident $body:expr; $($type:ty)*) => {
        $({ type $number = $type; $body })*
    };
}
pub(super) use for_each_number;

/// How many elements an iterator has and their bytes, if it is one over a slice
/// of numbers, or of `bool`, whose one byte is a number too.
///
/// Like [`reader`] it is inlined whatever it looks like: once the type is known,
/// nothing is left of it.
#[inline(always)]
pub(super) fn whole(items: AnyRef<'_>) -> Option<(usize, &[u8])> {
    for_each_number!(Of => if let Some(numbers) = items.rest_of::<Of>() {
        return Some((numbers.len(), cast_slice(numbers)));
    });
    items.rest_of::<bool>().map(|bools| (bools.len(), cast_slice(bools)))
}

/// How many elements an iterator has, if it is one over a slice of `()`.
#[inline(always)]
pub(super) fn units(items: AnyRef<'_>) -> Option<usize> {
    items.rest_of::<()>().map(<[()]>::len)
}

/// The vector that a visitor is to make of the next `count` elements, if it is
/// the visitor of a vector of numbers, or of `()`.
#[inline]
pub(super) fn vector<'de, V: Visitor<'de>>(
    decoder: &mut Decoder<'de>,
    count: usize,
) -> Option<Result<V::Value>> {
    let read = reader(typeid::of::<V::Value>(), typeid::of::<V>())?;
    Some(read(decoder, count).map(Vector::take))
}

type Reader = fn(&mut Decoder<'_>, usize) -> Result<Vector>;

/// How to read what a visitor makes, if it is the visitor of such a vector.
/// That it makes such vectors is not enough: a visitor of the user's may make
/// them of anything.
#[inline(always)]
fn reader(made: TypeId, visitor: TypeId) -> Option<Reader> {
    for_each_number!(Of => if made == TypeId::of::<Vec<Of>>() {
        return (visitor_of_vector::<Of>() == Some(visitor)).then_some(numbers::<Of> as Reader);
    });
    if made == TypeId::of::<Vec<()>>() {
        return (visitor_of_vector::<()>() == Some(visitor)).then_some(unit_vector as Reader);
    }
    let bool = made == TypeId::of::<Vec<bool>>() && visitor_of_vector::<bool>() == Some(visitor);
    bool.then_some(bools as Reader)
}

fn numbers<E: Primitive + Pod>(decoder: &mut Decoder<'_>, count: usize) -> Result<Vector> {
    Ok(Vector::new(copied::<E>(decoder.elements(count, size_of::<E>())?)))
}

/// Numbers out of their bytes.
pub(super) fn copied<E: Pod>(bytes: &[u8]) -> Vec<E> {
    match try_cast_slice::<u8, E>(bytes) {
        Ok(numbers) => numbers.to_vec(),
        // Not aligned. The compiler makes one wide copy of this too.
        Err(_) => bytes.chunks_exact(size_of::<E>()).map(pod_read_unaligned).collect(),
    }
}

/// All bytes are looked at before any is refused: that takes many at a time.
fn bools(decoder: &mut Decoder<'_>, count: usize) -> Result<Vector> {
    let bytes = decoder.elements(count, 1)?;
    if bytes.iter().fold(0, |all, byte| all | byte) > 1 {
        let wrong = bytes.iter().find(|byte| **byte > 1);
        return Err(Cause::Bool(*wrong.expect("one of them has that bit")).into());
    }
    Ok(Vector::new(bytes.iter().map(|byte| *byte == 1).collect::<Vec<bool>>()))
}

fn unit_vector(decoder: &mut Decoder<'_>, count: usize) -> Result<Vector> {
    decoder.empty.charge_units(count)?;
    Ok(Vector::new(vec![(); count]))
}

/// The type of the visitor that a vector passes to a deserializer. It has no name
/// outside serde, but any deserializer gets to see it.
#[inline]
fn visitor_of_vector<'de, E: Deserialize<'de>>() -> Option<TypeId> {
    Vec::<E>::deserialize(Probe).err().and_then(|Seen(visitor)| visitor)
}

/// A deserializer that sees the visitor of a sequence, and leaves it at that.
struct Probe;

#[derive(Debug)]
struct Seen(Option<TypeId>);

impl<'de> Deserializer<'de> for Probe {
    type Error = Seen;

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> std::result::Result<V::Value, Seen> {
        Err(Seen(Some(typeid::of::<V>())))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> std::result::Result<V::Value, Seen> {
        Err(Seen(None))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct newtype_struct tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seen")
    }
}

impl std::error::Error for Seen {}

impl de::Error for Seen {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Seen(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_still_gives_arrays_away() {
        struct OfTheUsers;
        for_each_number!(Of => assert!(visitor_of_vector::<Of>().is_some()));
        assert!(visitor_of_vector::<()>().is_some());
        let by = |visitor| reader(TypeId::of::<Vec<u8>>(), visitor).is_some();
        assert!(by(visitor_of_vector::<u8>().unwrap()));
        assert!(!by(visitor_of_vector::<i8>().unwrap()));
        assert!(!by(TypeId::of::<OfTheUsers>()));

        fn is_whole<I: Iterator>(items: I) -> bool {
            whole(AnyRef::new(&items)).is_some()
        }
        assert!(is_whole(IntoIterator::into_iter(&vec![1.5_f64])));
        assert!(is_whole([1_u8, 2].iter()));
        assert_eq!(units(AnyRef::new(&[(), ()].iter())), Some(2));
        assert_eq!(units(AnyRef::new(&[[(); 0]].iter())), None);
        assert!(!is_whole([1_u8, 2].iter().rev()));
        assert!(!is_whole(['a'].iter()));
    }
}
