use std::fmt::Debug;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserializer, Serializer};

use super::*;

mod corrupt;
mod deep;
mod empty;
mod reference;

fn bytes_of<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes).unwrap();
    bytes
}

fn round<T: Serialize + for<'de> Deserialize<'de> + PartialEq + Debug>(value: T) {
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
fn text_and_bytes_are_borrowed_from_the_message() {
    let bytes = bytes_of("abc");
    let text: &str = decode(&bytes).unwrap();
    assert!(bytes.as_ptr_range().contains(&text.as_ptr()));
    let text: &[u8] = decode(&bytes).unwrap();
    assert!(bytes.as_ptr_range().contains(&text.as_ptr()));
}

#[test]
fn a_slice_of_numbers_is_borrowed_where_it_is_aligned() {
    let numbers = [1.5f64, -2.0, f64::MIN];
    let encoded = bytes_of(&numbers[..]);
    let mut words = vec![0u64; encoded.len() / 8 + 2];
    let room: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
    for offset in 0..=8 {
        room[offset..][..encoded.len()].copy_from_slice(&encoded);
        let slice: Slice<'_, f64> = decode(&room[offset..][..encoded.len()]).unwrap();
        assert_eq!(&*slice, numbers);
        assert_eq!(matches!(slice, Slice::Borrowed(_)), offset % 8 == 0, "at {offset}");
    }
}

#[test]
fn a_slice_of_anything_is_what_a_vector_is() {
    fn same<T>(values: &[T])
    where
        T: Serialize + for<'de> Deserialize<'de> + PartialEq + Debug,
    {
        for count in 0..=values.len() {
            let bytes = bytes_of(&values[..count]);
            assert_eq!(&*decode::<Slice<'_, T>>(&bytes).unwrap(), &values[..count]);
            let some = bytes_of(&Some(&values[..count]));
            let some: Option<Slice<'_, T>> = decode(&some).unwrap();
            assert_eq!(some.as_deref(), Some(&values[..count]));
            for cut in 0..bytes.len() {
                decode::<Slice<'_, T>>(&bytes[..cut]).map(drop).unwrap_err();
            }
        }
    }
    same(&[1u8, 2, 255]);
    same(&[1i16, -2]);
    same(&[1u128, u128::MAX]);
    same(&[1usize, usize::MAX]);
    same(&[true, false]);
    same(&[String::from("a"), String::new()]);
    same(&[(1u8, vec![1.5f32])]);
    same(&['a', 'é', '→', '𝄞']);
    assert!(decode::<Option<Slice<'_, f64>>>(&[0]).unwrap().is_none());
}

#[test]
fn missing_and_trailing_bytes_are_errors() {
    let mut bytes = bytes_of(&1u64);
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

#[test]
fn what_no_compact_codec_carries_is_an_error_that_names_the_attribute() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Skips {
        #[serde(skip_serializing_if = "Option::is_none")]
        maybe: Option<u8>,
        rest: u8,
    }
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        A(u8),
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        skips: Skips,
    }
    let says = |error: PayloadError, what: &str| {
        let error = error.to_string();
        assert!(error.contains(what), "{error}");
    };
    bytes_of(&Skips { maybe: Some(1), rest: 2 });
    let error = encode(&Skips { maybe: None, rest: 2 }, &mut Vec::new()).unwrap_err();
    says(error, "field `maybe` is left out (likely cause: `#[serde(skip_serializing_if)]`)");
    says(decode::<Untagged>(&bytes_of(&Untagged::A(1))).unwrap_err(), "#[serde(untagged)]");
    let flat = Flat { a: 1, skips: Skips { maybe: Some(1), rest: 1 } };
    says(encode(&flat, &mut Vec::new()).unwrap_err(), "#[serde(flatten)]");
    says(decode::<Flat>(&bytes_of(&(1u64, "a", 1u8))).unwrap_err(), "#[serde(flatten)]");
}

/// Bytes, each one off, to and fro.
#[derive(Debug, PartialEq)]
struct Shifted(Vec<u8>);

impl Serialize for Shifted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|byte| byte + 1))
    }
}

impl<'de> Deserialize<'de> for Shifted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Back;
        impl<'de> Visitor<'de> for Back {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = sequence.next_element::<u8>()? {
                    bytes.push(byte - 1);
                }
                Ok(bytes)
            }
        }
        deserializer.deserialize_seq(Back).map(Shifted)
    }
}

#[test]
fn a_users_own_way_of_an_array_is_kept_to() {
    assert_eq!(bytes_of(&Shifted(vec![1, 2]))[8..], [2, 3]);
    round(Shifted(vec![1, 2]));
    round(vec![(Shifted(vec![1, 2]), vec![1u8, 2])]);
}
