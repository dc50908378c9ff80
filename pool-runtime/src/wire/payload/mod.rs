//! Values to bytes and back: the one room that knows the codec.
//!
//! The bytes are those of bincode 1 with fixed-width little-endian integers:
//! numbers as they are in memory, lengths and `usize` as `u64`, variants as
//! `u32`, an `Option` behind a byte, structs and tuples as their fields and
//! nothing else. It is a codec of our own, since an array of numbers is in
//! memory what it is on the wire and should move as one copy ([`arrays`]), which
//! takes hold of serde at two methods that a codec has and a user has not.
//!
//! A corrupt length is a clean error: bytes are read from a slice, which knows
//! how much is left, and nothing is allocated that the rest of it cannot fill, but for
//! elements that take no bytes, which are few ([`empty`]).
//!
//! A value may be nested as deep as there is stack to follow it: both ways look at
//! every level whether there is ([`Headroom`](crate::sys::headroom::Headroom)), at those
//! of tuples and structs too, since a `Serialize` by hand may come back to itself
//! through nothing else.

mod arrays;
mod de;
mod empty;
mod error;
mod ser;
mod slice;

use std::ops::DerefMut;

use serde::{Deserialize, Serialize};

pub use error::PayloadError;
pub use slice::Slice;

/// Bytes that grow at their end.
pub(crate) trait Out: DerefMut<Target = [u8]> {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Forgets what is behind the first `length` bytes.
    fn truncate(&mut self, length: usize);
}

impl Out for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn truncate(&mut self, length: usize) {
        Vec::truncate(self, length);
    }
}

/// Appends `value` to `into`; on an error `into` is as it was.
pub(crate) fn encode<T: Serialize + ?Sized, O: Out>(
    value: &T,
    into: &mut O,
) -> Result<(), PayloadError> {
    let start = into.len();
    value.serialize(&mut ser::Encoder::new(into)).inspect_err(|_| into.truncate(start))
}

/// Decodes exactly all of `bytes`.
pub(crate) fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, PayloadError> {
    let mut decoder = de::Decoder::new(bytes);
    let value = T::deserialize(&mut decoder)?;
    decoder.end()?;
    Ok(value)
}

#[cfg(test)]
mod tests;
