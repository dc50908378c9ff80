//! A bench without a harness: its `main` is an ordinary one.

use std::time::Instant;

use pool_runtime::{Error, Pool};
use user::square;

fn main() -> Result<(), Error> {
    let pool = Pool::new(2)?;
    let start = Instant::now();
    let sum: u64 = pool.map(square, 0..1000)?.iter().sum();
    println!("1000 squares, their sum {sum}, in {:?}", start.elapsed());
    Ok(())
}
