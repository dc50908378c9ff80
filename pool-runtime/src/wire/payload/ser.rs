//! Values to bytes.

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::empty::Empty;
use super::error::{Cause, PayloadError, Result};
use super::{Out, arrays};
use crate::sys::cast::AnyRef;
use crate::sys::headroom::Headroom;

/// Appends what it is given.
pub(super) struct Encoder<'a, O> {
    out: &'a mut O,
    headroom: Headroom,
    pub(super) empty: Empty,
}

impl<'a, O: Out> Encoder<'a, O> {
    #[inline]
    pub(super) fn new(out: &'a mut O) -> Self {
        Encoder { out, headroom: Headroom::begin(), empty: Empty::new() }
    }

    /// To be asked wherever a value begins that has others in it.
    #[inline(always)]
    fn deeper(&mut self) -> Result<()> {
        match self.headroom.check() {
            Ok(()) => Ok(()),
            // Whoever it passes through on its way out counts.
            Err(shortage) => Err(PayloadError::too_deep(0, shortage)),
        }
    }

    /// What is inside of another value.
    #[inline(always)]
    fn inner<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(self).map_err(PayloadError::outwards)
    }

    /// One of as many elements as a length says.
    #[inline(always)]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let before = self.out.len();
        self.inner(value)?;
        if self.out.len() == before {
            self.empty.charge_element(size_of_val(value))?;
        }
        Ok(())
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.put(bytes);
        Ok(())
    }

    #[inline]
    fn put_length(&mut self, length: usize) -> Result<()> {
        self.put(&(length as u64).to_le_bytes())
    }

    #[inline]
    fn put_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.put_length(bytes.len())?;
        self.put(bytes)
    }
}

macro_rules! numbers {
    ($($method:ident($number:ty))*) => {$(
        #[inline]
        fn $method(self, value: $number) -> Result<()> {
            self.put(&value.to_le_bytes())
        }
    )*};
}

impl<'a, 'o, O: Out> Serializer for &'a mut Encoder<'o, O> {
    type Ok = ();
    type Error = PayloadError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Entries<'a, 'o, O>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    numbers! {
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128)
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128)
        serialize_f32(f32) serialize_f64(f64)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<()> {
        self.put(&[u8::from(value)])
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.put(value.encode_utf8(&mut [0; 4]).as_bytes())
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<()> {
        self.put_bytes(value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        self.put_bytes(value)
    }

    fn serialize_unit(self) -> Result<()> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<()> {
        self.put(&index.to_le_bytes())
    }

    #[inline]
    fn serialize_none(self) -> Result<()> {
        self.put(&[0])
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        self.deeper()?;
        self.put(&[1])?;
        self.inner(value)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        self.deeper()?;
        self.inner(value)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        self.deeper()?;
        self.put(&index.to_le_bytes())?;
        self.inner(value)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Self> {
        self.deeper()?;
        let length = length.ok_or(Cause::UnknownLength)?;
        self.put_length(length)?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self> {
        self.deeper()?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self> {
        self.deeper()?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self> {
        self.deeper()?;
        self.put(&index.to_le_bytes())?;
        Ok(self)
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Entries<'a, 'o, O>> {
        Ok(Entries { encoder: self.serialize_seq(length)?, key: (0, 0) })
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self> {
        self.deeper()?;
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self> {
        self.deeper()?;
        self.put(&index.to_le_bytes())?;
        Ok(self)
    }

    /// Vectors, slices, and all that is made of them come here.
    #[inline]
    fn collect_seq<I>(self, items: I) -> Result<()>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        let mut items = items.into_iter();
        if let Some((length, bytes)) = arrays::whole(AnyRef::new(&items)) {
            self.put_length(length)?;
            return self.put(bytes);
        }
        if let Some(units) = arrays::units(AnyRef::new(&items)) {
            self.empty.charge_units(units)?;
            return self.put_length(units);
        }
        let length = match items.size_hint() {
            (least, Some(most)) if least == most => Some(most),
            _ => None,
        };
        let sequence = self.serialize_seq(length)?;
        items.try_for_each(|item| sequence.element(&item))
    }
}

/// Elements and fields follow each other with nothing between them.
macro_rules! parts {
    ($($compound:ident: $($method:ident by $way:ident),+;)*) => {$(
        impl<O: Out> $compound for &mut Encoder<'_, O> {
            type Ok = ();
            type Error = PayloadError;

            $(#[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                Encoder::$way(self, value)
            })+

            #[inline]
            fn end(self) -> Result<()> {
                Ok(())
            }
        }
    )*};
}

parts! {
    SerializeSeq: serialize_element by element;
    SerializeTuple: serialize_element by inner;
    SerializeTupleStruct: serialize_field by inner;
    SerializeTupleVariant: serialize_field by inner;
}

/// A map, an element of which is a key and its value.
pub(super) struct Entries<'a, 'o, O> {
    encoder: &'a mut Encoder<'o, O>,
    /// How many bytes there were before the last key, and its size in memory.
    key: (usize, usize),
}

impl<O: Out> SerializeMap for Entries<'_, '_, O> {
    type Ok = ();
    type Error = PayloadError;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = (self.encoder.out.len(), size_of_val(key));
        self.encoder.inner(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.encoder.inner(value)?;
        let (before, size) = self.key;
        if self.encoder.out.len() == before {
            self.encoder.empty.charge_element(size + size_of_val(value))?;
        }
        Ok(())
    }

    #[inline]
    fn end(self) -> Result<()> {
        Ok(())
    }
}

macro_rules! named_parts {
    ($($compound:ident)*) => {$(
        impl<O: Out> $compound for &mut Encoder<'_, O> {
            type Ok = ();
            type Error = PayloadError;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _: &'static str,
                value: &T,
            ) -> Result<()> {
                self.inner(value)
            }

            /// Decoding will expect the field, and take the next one's bytes for it.
            fn skip_field(&mut self, name: &'static str) -> Result<()> {
                Err(Cause::SkippedField(name).into())
            }

            #[inline]
            fn end(self) -> Result<()> {
                Ok(())
            }
        }
    )*};
}

named_parts!(SerializeStruct SerializeStructVariant);
