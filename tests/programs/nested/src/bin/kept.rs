//! A worker that keeps a pool of its own, and leaves while it is there.

use std::sync::OnceLock;

use pool_runtime::{Error, Pool, pool_task};

#[pool_task]
fn square(n: u64) -> u64 {
    n * n
}

#[pool_task]
fn sum_of_squares(n: u64) -> u64 {
    static POOL: OnceLock<Pool> = OnceLock::new();
    let pool = POOL.get_or_init(|| Pool::new(2).unwrap());
    square.pmap(0..n, pool).unwrap().iter().sum()
}

fn main() -> Result<(), Error> {
    let pool = Pool::new(2)?;
    println!("{:?}", pool.map(sum_of_squares, [1, 2, 3, 4])?);
    pool.close();
    pool.join()?;
    println!("joined");
    Ok(())
}
