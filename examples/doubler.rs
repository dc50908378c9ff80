//! How do I run a plain function in other processes?

use pool_runtime::{Error, pool_task};

#[pool_task]
fn doubler(n: u64) -> u64 {
    let result = n * 2;
    println!("{n} doubled to {result} by process id: {}", std::process::id());
    result
}

fn main() -> Result<(), Error> {
    let doubled = doubler.pmap(0..10, 3)?;
    println!("{doubled:?}");
    Ok(())
}
