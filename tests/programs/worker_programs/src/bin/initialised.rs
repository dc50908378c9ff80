//! Calls `init`, which a program needs only where the hook was dropped.

use pool_runtime::{Error, pool_task};

#[pool_task]
fn doubler(n: u64) -> u64 {
    n * 2
}

fn main() -> Result<(), Error> {
    pool_runtime::init();
    println!("main");
    pool_runtime::init();
    println!("{:?}", doubler.pmap(0..3, 2)?);
    Ok(())
}
