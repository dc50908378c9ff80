//! Arrays of bytes and numbers through real workers: arguments, results, and
//! whatever they are part of.

use std::borrow::Cow;
use std::collections::BTreeMap;

use pool_runtime::{Error, ErrorKind, Pool, pool_task};
use serde::{Deserialize, Serialize};

type Outcome = Result<(), Error>;

/// Numbers that differ from their neighbours in every byte.
fn numbers(count: u32) -> Vec<f64> {
    (0..count).map(|n| f64::from(n).sqrt()).collect()
}

fn bytes(count: u32) -> Vec<u8> {
    (0..count).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

#[pool_task]
fn echo(data: Vec<u8>) -> Vec<u8> {
    data
}

#[pool_task]
fn halves(numbers: Vec<f64>) -> Vec<f64> {
    numbers.into_iter().map(|n| n / 2.0).collect()
}

#[test]
fn arrays_come_back_at_every_length() -> Outcome {
    let pool = Pool::new(2)?;
    for count in [0, 1, 7, 8, 9, 1 << 20, (1 << 20) + 1] {
        assert!(pool.apply(echo, bytes(count))? == bytes(count), "{count} bytes");
        let wanted: Vec<f64> = numbers(count).into_iter().map(|n| n / 2.0).collect();
        assert!(pool.apply(halves, numbers(count))? == wanted, "{count} numbers");
    }
    let many: Vec<Vec<u8>> = (0..200).map(bytes).collect();
    assert_eq!(pool.map(echo, many.clone())?, many);
    assert_eq!(pool.job(echo).chunk_size(13).map(many.clone())?, many);
    Ok(())
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Measurement {
    name: String,
    raw: Vec<u8>,
    values: Option<Vec<f64>>,
    rows: Vec<Vec<f32>>,
    flags: Vec<bool>,
    by_name: BTreeMap<String, Vec<i64>>,
}

fn measurement(count: u32) -> Measurement {
    Measurement {
        name: "é".into(),
        raw: bytes(count),
        values: count.is_multiple_of(2).then(|| numbers(count)),
        rows: (0..count % 5).map(|n| vec![1.5; n as usize]).collect(),
        flags: (0..count).map(|n| n % 3 == 0).collect(),
        by_name: BTreeMap::from([("a".into(), vec![-1; count as usize])]),
    }
}

/// Arrays beside and inside of what else a result may be.
type Mixed = (Vec<f64>, (u8, Vec<u8>), Option<Vec<i16>>, Result<Measurement, Vec<u64>>);

#[pool_task]
fn parts(small: u8, data: Vec<u8>, values: Vec<f64>, all: (Vec<i16>, Measurement)) -> Mixed {
    (values, (small, data), Some(all.0), Ok(all.1))
}

#[test]
fn arrays_travel_beside_and_inside_of_other_values() -> Outcome {
    let pool = Pool::new(2)?;
    let counts = [0, 1, 2, 3, 100, 12_345];
    let items =
        counts.map(|count| (1, bytes(count), numbers(count), (vec![-7; 5], measurement(count))));
    let results = pool.map(parts, items)?;
    for (count, result) in counts.into_iter().zip(results) {
        let wanted = (numbers(count), (1, bytes(count)), Some(vec![-7; 5]), Ok(measurement(count)));
        assert!(result == wanted, "with {count}");
    }
    Ok(())
}

type Real = f64;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Point(i32, i32);

#[pool_task]
fn borrowed(
    small: u8,
    reals: &[Real],
    text: &str,
    wide: &[u128],
    maybe: Option<&[i32]>,
    flags: &[bool],
    points: &[Point],
) -> String {
    assert!(reals.as_ptr().is_aligned() && wide.as_ptr().is_aligned());
    format!("{small} {reals:?} {text} {wide:?} {maybe:?} {flags:?} {points:?}")
}

#[test]
fn a_borrowed_slice_is_what_was_given_wherever_it_lies() -> Outcome {
    let item = |count: u8| {
        let count = usize::from(count);
        (
            7,
            vec![1.5; count],
            "a".repeat(count),
            vec![u128::MAX; count],
            (count % 2 == 0).then(|| vec![-1; count]),
            vec![true; count],
            (0..count).map(|_| Point(1, -1)).collect::<Vec<_>>(),
        )
    };
    let wanted = |count| {
        let (small, reals, text, wide, maybe, flags, points) = item(count);
        let maybe = maybe.as_deref();
        borrowed(small, &reals, &text, &wide, maybe, &flags, &points)
    };
    let results = borrowed.pmap((0..20).map(item), 2)?;
    assert_eq!(results, (0..20).map(wanted).collect::<Vec<_>>());
    Ok(())
}

#[pool_task]
fn largest(numbers: &[f64]) -> f64 {
    assert!(numbers.as_ptr().is_aligned());
    numbers.iter().copied().fold(0.0, f64::max)
}

#[pool_task]
fn owned_or_not(numbers: Cow<'_, [u32]>) -> usize {
    numbers.len()
}

#[test]
fn one_borrowed_slice_takes_all_owners_of_numbers() -> Outcome {
    let pool = Pool::new(2)?;
    assert_eq!(pool.map(largest, [numbers(10), numbers(101), vec![]])?, [3.0, 10.0, 0.0]);
    assert_eq!(pool.map(largest, [&numbers(101)[..]])?, [10.0]);
    assert_eq!(pool.map(largest, numbers(101).chunks(50))?.len(), 3);
    assert_eq!(pool.map(owned_or_not, [Cow::Borrowed(&[1, 2][..])])?, [2]);
    Ok(())
}

#[derive(Debug, Serialize, Deserialize)]
struct Sparse {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<f64>,
    last: u64,
}

#[pool_task]
fn last(sparse: Sparse) -> u64 {
    sparse.last
}

#[test]
fn a_field_left_out_is_an_error_that_names_it() -> Outcome {
    assert_eq!(last.pmap([Sparse { values: vec![1.5], last: 3 }], 1)?, [3]);
    let error = last.pmap([Sparse { values: vec![], last: 3 }], 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    let text = error.to_string();
    assert!(text.contains("`values`") && text.contains("skip_serializing_if"), "{text}");
    Ok(())
}
