//! Borrowed arguments lie in the memory that the worker shares with the program:
//! nothing is copied for them.

use pool_runtime::{Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::mapping::{AREA, Lies, lies};
use pool_tests::pools::{self, idle, pids};
use pool_tests::rng::{Rng, seed};

/// From nothing to half of what the ring holds, aligned and not.
const SIZES: [usize; 12] =
    [0, 1, 7, 8, 9, 100, 4095, 4096, (64 << 10) + 1, 1 << 20, (3 << 20) + 5, 4 << 20];

fn bytes(length: usize) -> Vec<u8> {
    let mut rng = Rng::new(seed() ^ length as u64);
    let words = std::iter::repeat_with(|| rng.any().to_ne_bytes());
    let mut bytes: Vec<u8> = words.take(length.div_ceil(8)).flatten().collect();
    bytes.truncate(length);
    bytes
}

fn text(length: usize) -> String {
    bytes(length).into_iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

fn numbers(length: usize) -> Vec<f64> {
    let bytes = bytes(length * 4);
    bytes
        .chunks_exact(4)
        .map(|four| f64::from(u32::from_ne_bytes(four.try_into().unwrap())))
        .collect()
}

/// A number that other bytes hardly have. Eight at a time, since tests are slow.
fn check(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_ne_bytes(word)
    });
    words.fold(bytes.len() as u64, |sum, word| (sum ^ word).rotate_left(5).wrapping_mul(31))
}

fn check_numbers(numbers: &[f64]) -> u64 {
    numbers.iter().fold(7, |sum, number| (sum ^ number.to_bits()).rotate_left(5).wrapping_mul(31))
}

/// Whether the argument is lent.
fn holds<T>(data: &[T]) -> bool {
    lies(data) != Lies::Elsewhere
}

/// Whether the argument is lent, and its check.
type Seen = (bool, u64);

#[pool_task]
fn see_bytes(data: &[u8]) -> Seen {
    (holds(data), check(data))
}

#[pool_task]
fn see_text(data: &str) -> Seen {
    (holds(data.as_bytes()), check(data.as_bytes()))
}

#[pool_task]
fn see_numbers(data: &[f64]) -> Seen {
    (holds(data), check_numbers(data))
}

#[pool_task]
fn see_all(flag: bool, text: &str, numbers: &[f64], id: u16, bytes: &[u8]) -> (bool, [Seen; 3]) {
    let seen = [see_text(text), see_numbers(numbers), see_bytes(bytes)];
    (flag && id == 7, seen)
}

#[test]
fn a_borrowed_argument_lies_in_shared_memory() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    // Again and again, so that they come to lie at all kinds of places.
    let sizes = || SIZES.into_iter().chain(SIZES);
    let bytes: Vec<_> = sizes().map(bytes).collect();
    let texts: Vec<_> = sizes().map(text).collect();
    let numbers: Vec<_> = sizes().map(|size| numbers(size / 8)).collect();
    let lent = |check: u64| (true, check);
    let of_bytes: Vec<Seen> = bytes.iter().map(|bytes| lent(check(bytes))).collect();
    let of_texts: Vec<Seen> = texts.iter().map(|text| lent(check(text.as_bytes()))).collect();
    let of_numbers: Vec<Seen> = numbers.iter().map(|these| lent(check_numbers(these))).collect();
    for chunk in [1, 3, 100] {
        assert_eq!(pool.job(see_bytes).chunk_size(chunk).map(&bytes).unwrap(), of_bytes);
        assert_eq!(pool.job(see_text).chunk_size(chunk).map(&texts).unwrap(), of_texts);
        assert_eq!(pool.job(see_numbers).chunk_size(chunk).map(&numbers).unwrap(), of_numbers);
    }
}

#[test]
fn every_borrowed_argument_of_a_tuple_lies_in_shared_memory() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    // Odd lengths before the numbers, which are aligned all the same.
    let sizes =
        [(0, 0, 0), (1, 1, 1), (3, 0, 5), (0, 9, 0), (100, 1000, 77), (1 << 20, 1 << 16, 3)];
    for chunk in [1, 6] {
        let items = sizes.map(|(a, b, c)| (true, text(a), numbers(b), 7, bytes(c)));
        let seen = pool.job(see_all).chunk_size(chunk).map(items).unwrap();
        for ((a, b, c), (sane, seen)) in sizes.into_iter().zip(seen) {
            assert!(sane);
            let checks = [check(text(a).as_bytes()), check_numbers(&numbers(b)), check(&bytes(c))];
            assert_eq!(seen, checks.map(|check| (true, check)), "{a} {b} {c}");
        }
    }
}

#[test]
fn where_all_is_sent_what_fills_the_ring_is_lent_and_what_is_longer_is_right_all_the_same() {
    let _clean = clean();
    let pool = pools::that_sends(Pool::builder().workers(1));
    let before = idle(&pool, 1);
    // What is around the argument takes less than a kibibyte.
    let sizes = [AREA - 1024, AREA, AREA + 1, 20 << 20, 100, AREA - 1024, 3 * AREA];
    let seen: Vec<_> = pool.job(see_bytes).chunk_size(1).map(sizes.map(bytes)).unwrap();
    for (size, (lent, seen)) in sizes.into_iter().zip(seen) {
        assert_eq!(seen, check(&bytes(size)), "{size} bytes");
        assert_eq!(lent, size < AREA, "{size} bytes");
    }
    let long = (true, text(20 << 20), numbers(1 << 20), 7, bytes(9 << 20));
    let (sane, seen) = pool.apply(see_all, (true, &*long.1, &*long.2, 7, &*long.4)).unwrap();
    let checks = [check(long.1.as_bytes()), check_numbers(&long.2), check(&long.4)];
    assert!(sane);
    assert_eq!(seen.map(|(_, check)| check), checks);
    assert_eq!(pids(&pool), before);
}
