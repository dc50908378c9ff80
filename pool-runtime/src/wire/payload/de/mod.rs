//! Bytes to values.

mod access;

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor,
};

use super::empty::Empty;
use super::error::{Cause, PayloadError, Result};
use super::{arrays, slice};
use crate::sys::headroom::Headroom;
use access::Entries;

/// Takes values off the front of what is left.
pub(super) struct Decoder<'de> {
    rest: &'de [u8],
    pub(super) empty: Empty,
    headroom: Headroom,
    /// How many values the one is in that is decoded. Set back by who goes on to the next
    /// element, and not by who returns: what passes a value on takes stack for it in a
    /// debug build.
    level: u32,
}

impl<'de> Decoder<'de> {
    #[inline]
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Decoder { rest: bytes, empty: Empty::new(), headroom: Headroom::begin(), level: 0 }
    }

    /// To be asked wherever a value begins that has others in it.
    #[inline(always)]
    fn deeper(&mut self) -> Result<()> {
        self.level = self.level.wrapping_add(1);
        match self.headroom.check() {
            Ok(()) => Ok(()),
            Err(shortage) => Err(PayloadError::too_deep(self.level.into(), shortage)),
        }
    }

    #[inline]
    pub(super) fn end(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(Cause::Trailing.into()) }
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'de [u8]> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(Cause::TooShort)?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Cause::TooShort)?;
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A length on the wire; it may be anything.
    #[inline]
    fn length(&mut self) -> Result<usize> {
        let length = u64::from_le_bytes(self.array()?);
        // A length that is no `usize` is one that no message can hold.
        Ok(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// The bytes of this many elements of this size, if they are all there.
    #[inline]
    pub(super) fn elements(&mut self, count: usize, size: usize) -> Result<&'de [u8]> {
        self.take(count.checked_mul(size).ok_or(Cause::TooShort)?)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'de [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    fn character(&mut self) -> Result<char> {
        let width = match self.rest.first().ok_or(Cause::TooShort)? {
            0..0x80 => 1,
            0x80..0xe0 => 2,
            0xe0..0xf0 => 3,
            _ => 4,
        };
        let text = std::str::from_utf8(self.take(width)?).map_err(|_| Cause::Char)?;
        Ok(text.chars().next().ok_or(Cause::Char)?)
    }
}

macro_rules! numbers {
    ($($method:ident: $visit:ident($number:ty))*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            visitor.$visit(<$number>::from_le_bytes(self.array()?))
        }
    )*};
}

macro_rules! self_describing {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value> {
            Err(Cause::NotSelfDescribing(stringify!($method)).into())
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = PayloadError;

    numbers! {
        deserialize_u8: visit_u8(u8)
        deserialize_u16: visit_u16(u16)
        deserialize_u32: visit_u32(u32)
        deserialize_u64: visit_u64(u64)
        deserialize_u128: visit_u128(u128)
        deserialize_i8: visit_i8(i8)
        deserialize_i16: visit_i16(i16)
        deserialize_i32: visit_i32(i32)
        deserialize_i64: visit_i64(i64)
        deserialize_i128: visit_i128(i128)
        deserialize_f32: visit_f32(f32)
        deserialize_f64: visit_f64(f64)
    }

    self_describing!(deserialize_any deserialize_identifier deserialize_ignored_any);

    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            byte => Err(Cause::Bool(byte).into()),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_char(self.character()?)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_str(std::str::from_utf8(self.bytes()?).map_err(Cause::Utf8)?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        // Copied first, since checking is faster where it is aligned.
        let text = String::from_utf8(self.bytes()?.to_vec());
        visitor.visit_string(text.map_err(|error| Cause::Utf8(error.utf8_error()))?)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_byte_buf(self.bytes()?.to_vec())
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.byte()? {
            0 => visitor.visit_none(),
            1 => {
                self.deeper()?;
                visitor.visit_some(self)
            }
            byte => Err(Cause::OptionTag(byte).into()),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        // No level of its own: what ends depends on something that is read inside.
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let count = self.length()?;
        match arrays::vector::<V>(self, count) {
            Some(vector) => vector,
            None => {
                self.deeper()?;
                visitor.visit_seq(self.counted(count)?)
            }
        }
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let count = self.length()?;
        self.deeper()?;
        visitor.visit_map(Entries::of(self.counted(count)?))
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value> {
        self.deeper()?;
        visitor.visit_seq(self.fixed(count))
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value> {
        if name == slice::NUMBERS {
            let elements = self.length()?;
            return visitor.visit_borrowed_bytes(self.elements(elements, count)?);
        }
        self.deeper()?;
        visitor.visit_seq(self.fixed(count))
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deeper()?;
        visitor.visit_seq(self.fixed(fields.len()))
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deeper()?;
        visitor.visit_enum(self)
    }
}

impl<'de> EnumAccess<'de> for &mut Decoder<'de> {
    type Error = PayloadError;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self)> {
        let index = u32::from_le_bytes(self.array()?);
        let index: U32Deserializer<PayloadError> = index.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Decoder<'de> {
    type Error = PayloadError;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(self.fixed(count))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_seq(self.fixed(fields.len()))
    }
}
