//! Tasks of other crates: re-exported, hidden, under another runtime's name.

use facade::processes::{self, Error, Pool, pool_task};
use middle::tripler;

/// `pool_runtime` is a dependency, but nothing here names it.
#[pool_task(crate = processes)]
fn add_one(n: u64) -> u64 {
    n + 1
}

fn main() -> Result<(), Error> {
    let pool = Pool::new(2)?;
    println!("re-exported: {:?}", tripler.pmap(0..4, &pool)?);
    println!("hidden: {}", my_tasks::reverse(&pool, "desserts")?);
    println!("of a facade: {:?}", facade::halve.pmap([2, 4], &pool)?);
    println!("through a facade: {:?}", add_one.pmap([2, 4], &pool)?);
    Ok(())
}
