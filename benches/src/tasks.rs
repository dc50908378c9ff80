//! The tasks that the rows run. The peers run the same functions.

use std::time::Duration;

use pool_runtime::pool_task;

/// As little work as a call can be.
#[pool_task]
pub fn double(n: u64) -> u64 {
    n * 2
}

/// Bytes in, nearly nothing out.
#[pool_task]
pub fn length(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

/// The same by a task that wants to own its bytes.
#[pool_task]
pub fn length_owned(bytes: Vec<u8>) -> u64 {
    bytes.len() as u64
}

/// Bytes in and out.
#[pool_task]
pub fn echo(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

/// Numbers in and out.
#[pool_task]
pub fn numbers(values: Vec<f64>) -> Vec<f64> {
    values
}

/// The same by a task that borrows what it is given.
#[pool_task]
pub fn numbers_borrowed(values: &[f64]) -> Vec<f64> {
    values.to_vec()
}

/// Work for the processor alone: primes in `from..to`, by trial division.
#[pool_task]
pub fn count_primes(from: u64, to: u64) -> u64 {
    let is_prime =
        |&n: &u64| n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    (from..to).filter(is_prime).count() as u64
}

/// A worker that is taken, and a processor that is not.
#[pool_task]
pub fn sleep(micros: u64) {
    std::thread::sleep(Duration::from_micros(micros));
}
