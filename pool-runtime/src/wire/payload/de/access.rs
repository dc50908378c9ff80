//! What a visitor takes the parts of a value from.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use super::super::error::{Cause, PayloadError, Result};
use super::Decoder;

impl<'de> Decoder<'de> {
    /// As many elements as the type has.
    #[inline]
    pub(super) fn fixed(&mut self, count: usize) -> Fixed<'_, 'de> {
        let level = self.level;
        Fixed { decoder: self, left: count, level }
    }

    /// As many elements as a length on the wire says, if there can be so many.
    #[inline]
    pub(super) fn counted(&mut self, count: usize) -> Result<Counted<'_, 'de>> {
        if count as u64 > self.empty.most() + self.rest.len() as u64 {
            return Err(Cause::TooShort.into());
        }
        let level = self.level;
        Ok(Counted { decoder: self, left: count, level })
    }

    /// One of as many elements as a length on the wire says.
    #[inline]
    fn element<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        let before = self.rest.len();
        let value = seed.deserialize(&mut *self)?;
        if self.rest.len() == before {
            self.empty.charge_element(size_of::<S::Value>())?;
        }
        Ok(value)
    }
}

/// As many elements as the type has.
pub(super) struct Fixed<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: usize,
    level: u32,
}

impl<'de> SeqAccess<'de> for Fixed<'_, 'de> {
    type Error = PayloadError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.decoder.level = self.level;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// As many elements as a length on the wire says.
pub(super) struct Counted<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: usize,
    level: u32,
}

impl Counted<'_, '_> {
    /// What room may be made for: what is left could hold it.
    #[inline]
    fn hint(&self) -> Option<usize> {
        (self.left <= self.decoder.rest.len()).then_some(self.left)
    }
}

impl<'de> SeqAccess<'de> for Counted<'_, 'de> {
    type Error = PayloadError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.decoder.level = self.level;
        self.decoder.element(seed).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

/// The same of a map, an element of which is a key and its value.
pub(super) struct Entries<'a, 'de> {
    counted: Counted<'a, 'de>,
    /// How many bytes were left before the last key, and its size in memory.
    key: (usize, usize),
}

impl<'a, 'de> Entries<'a, 'de> {
    #[inline]
    pub(super) fn of(counted: Counted<'a, 'de>) -> Self {
        Entries { counted, key: (0, 0) }
    }
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = PayloadError;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.counted.left == 0 {
            return Ok(None);
        }
        self.counted.left -= 1;
        let decoder = &mut *self.counted.decoder;
        decoder.level = self.counted.level;
        self.key = (decoder.rest.len(), size_of::<S::Value>());
        seed.deserialize(decoder).map(Some)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        let decoder = &mut *self.counted.decoder;
        decoder.level = self.counted.level;
        let value = seed.deserialize(&mut *decoder)?;
        let (before, size) = self.key;
        if decoder.rest.len() == before {
            decoder.empty.charge_element(size + size_of::<S::Value>())?;
        }
        Ok(value)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.counted.hint()
    }
}
