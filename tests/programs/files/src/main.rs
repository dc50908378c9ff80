//! Needs a new worker after something has happened to its file.

use std::io::stdin;

use pool_runtime::{Error, Pool, pool_task};

#[pool_task]
fn doubler(n: u64) -> u64 {
    n * 2
}

#[pool_task]
fn die() {
    std::process::abort()
}

fn main() -> Result<(), Error> {
    let pool = Pool::new(1)?;
    println!("before: {}", pool.apply(doubler, 1)?);
    stdin().read_line(&mut String::new()).unwrap();
    let death = pool.apply(die, ()).unwrap_err();
    println!("{:?} by signal {:?}", death.kind(), death.signal());
    println!("a new worker: {}", pool.apply(doubler, 2)?);
    println!("a new pool: {:?}", doubler.pmap(3..5, 2)?);
    Ok(())
}
