//! What a borrowed slice refers to during a call.

use std::fmt;
use std::marker::PhantomData;
use std::mem::size_of;
use std::ops::Deref;

use bytemuck::{Pod, try_cast_slice};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::arrays::{copied, for_each_number};
use crate::sys::cast::{self, Primitive};

/// The name under which [`Slice`] asks the decoder for the bytes of an array; the
/// number of fields is the size of an element. No type can have this name.
pub(super) const NUMBERS: &str = "[number]";

/// Elements of a `&[T]`: numbers where they lie in the message, if they are
/// aligned there, anything else decoded for the call.
#[derive(Debug)]
pub enum Slice<'de, T> {
    /// In the message.
    Borrowed(&'de [T]),
    /// Decoded, or copied to where they are aligned.
    Owned(Vec<T>),
}

impl<T> Deref for Slice<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Slice::Borrowed(elements) => elements,
            Slice::Owned(elements) => elements,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Slice<'de, T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        for_each_number!(Of => if cast::is::<Of, T>() {
            let visitor = Numbers::<Of, T>(PhantomData);
            return deserializer.deserialize_tuple_struct(NUMBERS, size_of::<Of>(), visitor);
        });
        Vec::deserialize(deserializer).map(Slice::Owned)
    }
}

/// Makes a slice of the bytes of numbers of type `E`, which is `T`.
struct Numbers<E, T>(PhantomData<(E, T)>);

impl<'de, E: Primitive + Pod, T: 'de> Visitor<'de> for Numbers<E, T> {
    type Value = Slice<'de, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of numbers")
    }

    fn visit_borrowed_bytes<R: de::Error>(self, bytes: &'de [u8]) -> Result<Self::Value, R> {
        Ok(match try_cast_slice::<u8, E>(bytes) {
            Ok(numbers) => Slice::Borrowed(cast::slice(numbers)),
            Err(_) => Slice::Owned(cast::Vector::new(copied::<E>(bytes)).take()),
        })
    }
}
