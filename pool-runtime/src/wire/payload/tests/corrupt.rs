//! Bytes that are no value, from a worker whose memory is broken.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::*;

const HUGE: [u64; 6] = [1 << 24, 1 << 33, 1 << 40, 1 << 60, 1 << 61, u64::MAX];

/// A huge length before four bytes: whoever believed it would end the process.
#[test]
fn a_corrupt_length_is_an_error() {
    fn refused<T: for<'de> Deserialize<'de> + Debug>() {
        for length in HUGE {
            let mut bytes = length.to_le_bytes().to_vec();
            bytes.extend_from_slice(&[1, 0, 0, 0]);
            decode::<T>(&bytes).unwrap_err();
            let some = [&[1], &bytes[..]].concat();
            decode::<Option<T>>(&some).unwrap_err();
        }
    }
    refused::<Vec<u8>>();
    refused::<Vec<u16>>();
    refused::<Vec<u64>>();
    refused::<Vec<f64>>();
    refused::<Vec<u128>>();
    refused::<Vec<bool>>();
    refused::<Vec<char>>();
    refused::<Vec<Vec<f64>>>();
    refused::<Vec<[u64; 32]>>();
    refused::<Vec<Option<[u64; 32]>>>();
    refused::<Vec<String>>();
    refused::<String>();
    refused::<Box<[f64]>>();
    refused::<HashSet<u8>>();
    refused::<HashMap<u8, u8>>();
    refused::<BTreeMap<String, Vec<u8>>>();
    for length in HUGE {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(&[1, 0, 0, 0]);
        decode::<Slice<'_, u8>>(&bytes).unwrap_err();
        decode::<Slice<'_, f64>>(&bytes).unwrap_err();
        decode::<Slice<'_, String>>(&bytes).unwrap_err();
    }
}

/// What `size_hint` said, of which users make room; the elements are left.
struct Hint(Option<usize>);

impl<'de> Deserialize<'de> for Hint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct See;
        impl<'de> Visitor<'de> for See {
            type Value = Hint;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a sequence")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Hint, A::Error> {
                Ok(Hint(sequence.size_hint()))
            }
        }
        deserializer.deserialize_seq(See)
    }
}

#[test]
fn a_hint_is_no_larger_than_the_message() {
    let hint = |length: u64| {
        let bytes = [&length.to_le_bytes()[..], &[1, 2]].concat();
        Hint::deserialize(&mut de::Decoder::new(&bytes)).unwrap().0
    };
    assert_eq!(hint(1), Some(1));
    assert_eq!(hint(2), Some(2));
    assert_eq!(hint(3), None);
    assert_eq!(hint(1 << 20), None);
}

#[test]
fn what_is_no_bool_or_text_is_an_error_in_words() {
    let error = decode::<Vec<bool>>(&bytes_of(&[1u8, 0, 7, 9][..])).unwrap_err().to_string();
    assert!(error.contains("expected 0 or 1, found 7"), "{error}");
    let error = decode::<bool>(&[7]).unwrap_err().to_string();
    assert!(error.contains("expected 0 or 1, found 7"), "{error}");
    let error = decode::<String>(&bytes_of(&[0xffu8][..])).unwrap_err().to_string();
    assert!(error.contains("not valid utf8"), "{error}");
    decode::<&str>(&bytes_of(&[0xffu8][..])).unwrap_err();
    for bytes in [&[0x80][..], &[0xc3], &[0xe2, 0x86], &[0xff, 0, 0, 0], &[0xed, 0xa0, 0x80], &[]] {
        decode::<char>(bytes).unwrap_err();
    }
    let error = decode::<Option<u8>>(&[2, 0]).unwrap_err().to_string();
    assert!(error.contains("found 2"), "{error}");
}
