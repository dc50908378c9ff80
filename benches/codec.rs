//! The codec beside bincode, whose bytes it writes, and beside a plain copy:
//!
//! ```sh
//! cargo bench -p pool-benches --bench codec
//! cargo bench -p pool-benches --bench codec -- --quick
//! ```
//!
//! A worker's result is encoded and decoded by functions that a user can reach,
//! so the codec is measured through them.

use std::fmt::Debug;

use bincode::{DefaultOptions, Options as _};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use pool_runtime::Returns;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fn main() {
    pool_benches::parts::run("codec");
}

/// A way to bytes and back.
trait Codec {
    fn encode<T: Serialize + DeserializeOwned + 'static>(value: &T, into: &mut Vec<u8>);
    fn decode<T: Serialize + DeserializeOwned + 'static>(bytes: &[u8]) -> T;
}

/// This library's.
struct Ours;

impl Codec for Ours {
    fn encode<T: Serialize + DeserializeOwned + 'static>(value: &T, into: &mut Vec<u8>) {
        <() as Returns<T>>::encode_output(value, into).unwrap();
    }

    fn decode<T: Serialize + DeserializeOwned + 'static>(bytes: &[u8]) -> T {
        <() as Returns<T>>::decode_output(bytes).unwrap()
    }
}

struct Bincode;

impl Bincode {
    fn options() -> impl bincode::Options {
        DefaultOptions::new().with_fixint_encoding().reject_trailing_bytes()
    }
}

impl Codec for Bincode {
    fn encode<T: Serialize + DeserializeOwned + 'static>(value: &T, into: &mut Vec<u8>) {
        Bincode::options().serialize_into(into, value).unwrap();
    }

    fn decode<T: Serialize + DeserializeOwned + 'static>(bytes: &[u8]) -> T {
        Bincode::options().deserialize(bytes).unwrap()
    }
}

/// A value to measure with.
trait Sample: Serialize + DeserializeOwned + Debug + 'static {
    fn sample() -> Self;
}

impl Sample for Vec<u8> {
    fn sample() -> Self {
        (0..1 << 20).map(|n| n as u8).collect()
    }
}

impl Sample for Vec<f64> {
    fn sample() -> Self {
        (0..1_000_000).map(f64::from).collect()
    }
}

impl Sample for (Vec<u8>, Vec<f64>) {
    fn sample() -> Self {
        (Sample::sample(), Sample::sample())
    }
}

/// The numbers are not aligned in the message.
impl Sample for (u8, Vec<f64>) {
    fn sample() -> Self {
        (1, Sample::sample())
    }
}

/// As a user would write it.
#[derive(Debug, Serialize, Deserialize)]
struct Measurement {
    name: String,
    raw: Vec<u8>,
    values: Option<Vec<f64>>,
    rows: Vec<Vec<f32>>,
}

impl Sample for Measurement {
    fn sample() -> Self {
        Measurement {
            name: "a measurement".into(),
            raw: Sample::sample(),
            values: Some(Sample::sample()),
            rows: vec![vec![1.5; 1000]; 100],
        }
    }
}

impl Sample for Vec<bool> {
    fn sample() -> Self {
        (0..1 << 20).map(|n| n % 3 == 0).collect()
    }
}

/// No array of numbers: it goes element by element.
impl Sample for Vec<[f64; 3]> {
    fn sample() -> Self {
        (0..100_000).map(|n| [f64::from(n); 3]).collect()
    }
}

impl Sample for Vec<String> {
    fn sample() -> Self {
        (0..10_000).map(|n| format!("text number {n}")).collect()
    }
}

impl Sample for u64 {
    fn sample() -> Self {
        7
    }
}

impl Sample for (u32, f64, bool) {
    fn sample() -> Self {
        (1, 2.5, true)
    }
}

impl Sample for String {
    fn sample() -> Self {
        "a text of a common length".into()
    }
}

/// Ten numbers.
#[derive(Debug, Serialize, Deserialize)]
struct Few(Vec<f64>);

impl Sample for Few {
    fn sample() -> Self {
        Few(vec![1.5; 10])
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum Shape {
    Circle { x: f64, y: f64, radius: f64 },
    Named(String, Option<u32>),
}

impl Sample for Vec<Shape> {
    fn sample() -> Self {
        vec![Shape::Circle { x: 1.0, y: 2.0, radius: 3.0 }, Shape::Named("square".into(), Some(4))]
    }
}

macro_rules! rows {
    ($($codec:ident in $name:ident),*: $types:tt) => {$(
        mod $name {
            use super::*;

            #[divan::bench(types = $types)]
            fn encode<T: Sample>(bencher: Bencher<'_, '_>) {
                let value = T::sample();
                let mut bytes = Vec::new();
                $codec::encode(&value, &mut bytes);
                bencher.counter(BytesCount::new(bytes.len())).bench_local(|| {
                    bytes.clear();
                    $codec::encode(black_box(&value), &mut bytes);
                    black_box(bytes.last().copied())
                });
            }

            #[divan::bench(types = $types)]
            fn decode<T: Sample>(bencher: Bencher<'_, '_>) {
                let mut bytes = Vec::new();
                $codec::encode(&T::sample(), &mut bytes);
                bencher
                    .counter(BytesCount::new(bytes.len()))
                    .bench_local(|| drop(black_box($codec::decode::<T>(black_box(&bytes)))));
            }
        }
    )*};
}

rows!(Bincode in bincode_1, Ours in ours: [
    Vec<u8>,
    Vec<f64>,
    (Vec<u8>, Vec<f64>),
    (u8, Vec<f64>),
    Measurement,
    Vec<bool>,
    Vec<[f64; 3]>,
    Vec<String>,
    u64,
    (u32, f64, bool),
    String,
    Few,
    Vec<Shape>,
]);

/// What an array costs at least: into warm memory, as encoding does it, and into
/// a new vector, as decoding does.
#[divan::bench(args = [1 << 20, 8_000_000])]
fn copy(bencher: Bencher<'_, '_>, length: usize) {
    let (from, mut to) = (vec![1_u8; length], vec![0_u8; length]);
    bencher.counter(BytesCount::new(length)).bench_local(|| to.copy_from_slice(black_box(&from)));
}

#[divan::bench(args = [1 << 20, 8_000_000])]
fn copy_into_new(bencher: Bencher<'_, '_>, length: usize) {
    let from = vec![1_u8; length];
    bencher
        .counter(BytesCount::new(length))
        .bench_local(|| drop(black_box(black_box(&from).to_vec())));
}
