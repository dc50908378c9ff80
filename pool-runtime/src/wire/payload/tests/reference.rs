//! The bytes are those of bincode, whatever moved them.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use bincode::{DefaultOptions, Options};

use super::*;

fn bincode() -> impl Options {
    DefaultOptions::new().with_fixint_encoding().reject_trailing_bytes()
}

/// Each writes what the other writes and reads what the other wrote, from any
/// alignment.
#[track_caller]
fn same<T: Serialize + for<'de> Deserialize<'de> + PartialEq + Debug>(value: &T) {
    let bytes = bytes_of(value);
    assert_eq!(bytes, bincode().serialize(value).unwrap(), "{value:?}");
    assert_eq!(&bincode().deserialize::<T>(&bytes).unwrap(), value);
    let mut room = vec![0; bytes.len() + 16];
    for offset in 0..=16 {
        let place = &mut room[offset..][..bytes.len()];
        place.copy_from_slice(&bytes);
        assert_eq!(&decode::<T>(place).unwrap(), value, "at {offset}");
    }
}

#[test]
fn single_values() {
    same(&(1u8, 2u16, 3u32, 4u64, 5u128, 6usize));
    same(&(-1i8, -2i16, -3i32, -4i64, -5i128, -6isize));
    same(&(1.5f32, -0.0f64, f64::MAX, true, false, ()));
    same(&['a', 'é', '→', '𝄞', '\0', char::MAX]);
    same(&(String::from("é"), String::new(), Some(1u8), None::<String>));
    same(&(Ok::<u8, ()>(1), Err::<u8, String>("no".into())));
    same(&std::time::Duration::new(1, 2));
    same(&std::path::PathBuf::from("a/b"));
    same(&(1..4_u8, std::num::NonZero::<u16>::MIN));
}

#[test]
fn arrays_of_every_number() {
    macro_rules! each {
        ($($number:ty)*) => {$({
            let numbers: Vec<$number> = (0..100).map(|n| n as u8 as $number).collect();
            for count in [0, 1, 2, 3, 7, 8, 100] {
                let numbers = &numbers[..count];
                same(&numbers.to_vec());
                same(&Some(numbers.to_vec()));
                same(&vec![numbers.to_vec(); 3]);
                same(&(1u8, numbers.to_vec(), numbers.to_vec(), 2u8));
                same(&Box::<[$number]>::from(numbers));
                same(&VecDeque::from(numbers.to_vec()));
            }
        })*};
    }
    each!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64);
    same(&vec![true, false, true]);
    same(&vec![(); 5]);
    same(&vec![[1.5f64; 3]; 4]);
    assert_eq!(bytes_of(&vec![&1.5f64, &2.5]), bytes_of(&vec![1.5f64, 2.5]));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Marker;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(Vec<f64>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Transparent {
    numbers: Vec<u32>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Generic<T> {
    values: T,
    more: Vec<T>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Line(Vec<f64>),
    Segment(u8, Vec<u8>),
    Polygon { name: Cow<'static, str>, corners: Cow<'static, [i64]>, inner: Vec<Shape> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    bytes: Vec<u8>,
    numbers: (Vec<f64>, Option<Vec<f32>>, Box<[i16]>),
    rows: Vec<Vec<u16>>,
    bools: Vec<bool>,
    texts: Vec<String>,
    letters: Vec<char>,
    marker: Marker,
    wrapped: Wrapped,
    transparent: Transparent,
    generic: Generic<Vec<i8>>,
    map: BTreeMap<String, Vec<u128>>,
    empty: Option<Marker>,
    fixed: [f64; 3],
    shapes: Vec<Shape>,
    last: Result<Vec<u64>, usize>,
}

/// Xorshift: a seed gives the same values for ever.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, most: usize) -> usize {
        (self.next() >> 16) as usize % most
    }

    fn list<T>(&mut self, most: usize, mut element: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| element(self)).collect()
    }

    fn text(&mut self) -> String {
        self.list(5, |random| ['a', 'é', '→', '𝄞'][random.below(4)]).into_iter().collect()
    }

    fn float(&mut self) -> f64 {
        self.next() as i64 as f64 / 1e9
    }

    fn shape(&mut self, depth: usize) -> Shape {
        match self.below(4) {
            0 => Shape::Point,
            1 => Shape::Line(self.list(9, Self::float)),
            2 => Shape::Segment(self.next() as u8, self.list(9, |random| random.next() as u8)),
            _ => Shape::Polygon {
                name: self.text().into(),
                corners: self.list(9, |random| random.next() as i64).into(),
                inner: if depth == 0 {
                    Vec::new()
                } else {
                    self.list(3, |random| random.shape(depth - 1))
                },
            },
        }
    }

    fn everything(&mut self) -> Everything {
        Everything {
            bytes: self.list(20, |random| random.next() as u8),
            numbers: (
                self.list(9, Self::float),
                (self.below(2) == 0).then(|| self.list(9, |random| random.float() as f32)),
                self.list(9, |random| random.next() as i16).into(),
            ),
            rows: self.list(4, |random| random.list(5, |random| random.next() as u16)),
            bools: self.list(20, |random| random.below(2) == 0),
            texts: self.list(4, Self::text),
            letters: self.list(4, |random| ['a', 'é', '→', '𝄞'][random.below(4)]),
            marker: Marker,
            wrapped: Wrapped(self.list(9, Self::float)),
            transparent: Transparent { numbers: self.list(9, |random| random.next() as u32) },
            generic: Generic {
                values: self.list(9, |random| random.next() as i8),
                more: self.list(3, |random| random.list(9, |random| random.next() as i8)),
            },
            map: (0..self.below(4))
                .map(|_| (self.text(), self.list(3, |random| u128::from(random.next()) << 9)))
                .collect(),
            empty: (self.below(2) == 0).then_some(Marker),
            fixed: [self.float(), self.float(), self.float()],
            shapes: self.list(3, |random| random.shape(2)),
            last: if self.below(2) == 0 {
                Ok(self.list(9, Self::next))
            } else {
                Err(self.next() as usize)
            },
        }
    }
}

#[test]
fn random_values() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..300 {
        same(&random.everything());
    }
}

/// What one refuses the other refuses, and what both accept is the same value;
/// neither panics or takes memory that is not there.
#[test]
fn random_values_with_bytes_torn_out_and_turned() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..200 {
        let whole = bytes_of(&random.everything());
        for _ in 0..30 {
            let mut bytes = whole.clone();
            if random.below(2) == 0 {
                bytes.truncate(random.below(whole.len()));
            }
            for _ in 0..random.below(3) {
                let place = random.below(bytes.len().max(1));
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = [0, 1, 0x80, 0xff, random.next() as u8][random.below(5)];
                }
            }
            match decode::<Everything>(&bytes) {
                Ok(value) => {
                    // Compared as bytes, since a number may have become NaN.
                    let theirs: Everything = bincode().deserialize(&bytes).unwrap();
                    assert_eq!(bytes_of(&value), bytes_of(&theirs));
                }
                Err(_) => assert!(bincode().deserialize::<Everything>(&bytes).is_err()),
            }
        }
    }
}
