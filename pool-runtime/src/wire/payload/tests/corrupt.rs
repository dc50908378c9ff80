//! Bytes that are no value, from a worker whose memory is broken.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::marker::PhantomData;

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

#[test]
fn a_list_of_what_takes_no_bytes_comes_to_an_end() {
    for count in [0, 1, 100_000] {
        round(vec![(); count]);
        round(vec![vec![(); count]; 3]);
    }
    round(HashMap::from([((), ())]));
    // At once: nothing is counted where there are too few bytes for any count.
    for length in [MOST_EMPTY + 1, u64::MAX] {
        let error = decode::<Vec<()>>(&length.to_le_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("the bytes end too early"), "{error}");
    }
    let error = encode(&vec![(); usize::MAX], &mut Vec::new()).unwrap_err().to_string();
    let wanted =
        "more than 4294967296 elements that take no bytes: send how many there are instead";
    assert_eq!(error, wanted);

    fn within<T: for<'de> Deserialize<'de>>(bound: u64, bytes: &[u8]) -> bool {
        let mut decoder = de::Decoder::new(bytes);
        decoder.empty = bound;
        T::deserialize(&mut decoder).is_ok()
    }
    let ten = 10u64.to_le_bytes();
    assert!(within::<Vec<()>>(10, &ten) && !within::<Vec<()>>(9, &ten));
    assert!(within::<Vec<[u8; 0]>>(10, &ten) && !within::<Vec<[u8; 0]>>(9, &ten));
    assert!(within::<HashSet<()>>(10, &ten) && !within::<HashSet<()>>(9, &ten));
    assert!(within::<HashMap<(), ()>>(10, &ten) && !within::<HashMap<(), ()>>(9, &ten));
    assert!(within::<Vec<PhantomData<u8>>>(10, &ten));
    // The bound is on the whole message, not on each list in it.
    let lists = bytes_of(&vec![vec![(); 10]; 3]);
    assert!(within::<Vec<Vec<()>>>(30, &lists) && !within::<Vec<Vec<()>>>(29, &lists));
    // What a type has of it is no matter.
    assert!(within::<((), [(); 9])>(0, &[]));
}

/// So that the error comes where the value is.
#[test]
fn what_is_encoded_keeps_to_the_bounds_of_what_is_decoded() {
    fn within<T: Serialize>(bound: u64, value: &T) -> bool {
        let mut bytes = Vec::new();
        let mut encoder = ser::Encoder::new(&mut bytes);
        encoder.empty = bound;
        let encoded = value.serialize(&mut encoder);
        if let Err(error) = &encoded {
            assert!(error.to_string().contains("elements that take no bytes"), "{error}");
        }
        encoded.is_ok()
    }
    assert!(within(10, &vec![(); 10]) && !within(9, &vec![(); 10]));
    assert!(within(30, &vec![vec![(); 10]; 3]) && !within(29, &vec![vec![(); 10]; 3]));
    assert!(within(1, &HashMap::from([((), 1)])) && !within(0, &HashMap::from([((), 1)])));
    assert!(within(0, &HashMap::from([(1, ())])));
    assert!(within(0, &(vec![1_u8; 9], vec![String::new(); 9], [(); 9], vec![None::<u8>; 9])));
}

#[test]
fn a_list_of_what_takes_no_bytes_may_be_long() {
    for count in [(1 << 24) - 1, 1 << 24, (1 << 24) + 1] {
        assert_eq!(decode::<Vec<()>>(&bytes_of(&vec![(); count])).unwrap().len(), count);
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
    assert_eq!(hint(1 << 32), None);
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
