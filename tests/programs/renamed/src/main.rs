//! The dependency has another name in `Cargo.toml`.

use rt::{Error, pool_task};

#[pool_task(crate = rt)]
fn doubler(n: u64) -> u64 {
    n * 2
}

fn main() -> Result<(), Error> {
    println!("renamed: {:?}", doubler.pmap(0..3, 2)?);
    Ok(())
}
