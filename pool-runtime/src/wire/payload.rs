//! Values to bytes and back: the one file that names the codec.
//!
//! bincode 1.3.3 over slices, fixed-width integers, trailing bytes refused. A
//! corrupt length is a clean error there, because a slice knows how much is
//! left; reading from a stream would allocate what the length says.

use std::fmt;

use bincode::{DefaultOptions, ErrorKind, Options};
use serde::{Deserialize, Serialize};

/// What bincode says when bytes are left; its other errors of this kind come
/// from the user's own `Deserialize`.
const TRAILING: &str = "Slice had bytes remaining after deserialization";

fn codec() -> impl Options {
    DefaultOptions::new().with_fixint_encoding().reject_trailing_bytes()
}

/// Why a value could not be turned into bytes, or bytes into a value.
#[derive(Debug)]
pub struct PayloadError {
    cause: bincode::Error,
    hint: Option<&'static str>,
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        match self.hint {
            Some(hint) => write!(f, " (likely cause: {hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PayloadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.cause)
    }
}

/// Appends `value` to `into`; on an error `into` is as it was.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    into: &mut Vec<u8>,
) -> Result<(), PayloadError> {
    let start = into.len();
    codec().serialize_into(&mut *into, value).map_err(|cause| {
        into.truncate(start);
        let hint = match *cause {
            ErrorKind::SequenceMustHaveLength => {
                Some("`#[serde(flatten)]`, or a sequence whose length is not known beforehand")
            }
            _ => None,
        };
        PayloadError { cause, hint }
    })
}

/// Decodes exactly all of `bytes`.
pub(crate) fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, PayloadError> {
    codec().deserialize(bytes).map_err(|cause| {
        let hint = match *cause {
            ErrorKind::Custom(ref text) if text != TRAILING => None,
            ErrorKind::DeserializeAnyNotSupported => Some(
                "`#[serde(untagged)]`, `#[serde(tag)]`, `#[serde(flatten)]` or a type like \
                 `serde_json::Value`, which needs a self-describing format",
            ),
            _ => Some(
                "`Serialize` and `Deserialize` of the type do not match, as under \
                 `#[serde(skip_serializing_if)]`",
            ),
        };
        PayloadError { cause, hint }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round<T: Serialize + for<'de> Deserialize<'de> + PartialEq + fmt::Debug>(value: T) {
        let mut bytes = vec![7];
        encode(&value, &mut bytes).unwrap();
        assert_eq!(bytes[0], 7);
        assert_eq!(decode::<T>(&bytes[1..]).unwrap(), value);
    }

    #[test]
    fn values_come_back() {
        round(0u64);
        round((String::from("é"), vec![1.5f64, f64::INFINITY], Some(-1i8)));
        round(());
        round(Err::<u8, String>("no".into()));
    }

    #[test]
    fn text_is_borrowed_from_the_message() {
        let mut bytes = Vec::new();
        encode("abc", &mut bytes).unwrap();
        let text: &str = decode(&bytes).unwrap();
        assert!(bytes.as_ptr_range().contains(&text.as_ptr()));
    }

    #[test]
    fn a_corrupt_length_is_an_error() {
        let mut bytes = Vec::new();
        encode(&vec![1u8; 4], &mut bytes).unwrap();
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        decode::<Vec<u8>>(&bytes).unwrap_err();
        decode::<String>(&bytes).unwrap_err();
    }

    #[test]
    fn missing_and_trailing_bytes_are_errors() {
        let mut bytes = Vec::new();
        encode(&1u64, &mut bytes).unwrap();
        decode::<u64>(&bytes[1..]).unwrap_err();
        bytes.push(0);
        let error = decode::<u64>(&bytes).unwrap_err().to_string();
        assert!(error.contains("skip_serializing_if"), "{error}");
    }

    #[test]
    fn a_failed_encode_leaves_nothing() {
        struct Bad;
        impl Serialize for Bad {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                use serde::ser::{Error, SerializeTuple};
                let mut tuple = s.serialize_tuple(2)?;
                tuple.serialize_element(&1u64)?;
                Err(S::Error::custom("no"))
            }
        }
        let mut bytes = vec![1];
        let error = encode(&Bad, &mut bytes).unwrap_err();
        assert_eq!(error.to_string(), "no");
        assert_eq!(bytes, [1]);
    }
}
