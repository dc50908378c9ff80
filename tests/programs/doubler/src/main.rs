//! A task in `main.rs`, run by the processes of a pool.

use pool_runtime::{Error, pool_task};

#[pool_task]
fn doubler(n: u64) -> u64 {
    n * 2
}

#[pool_task]
fn own_pid(_: u64) -> u32 {
    std::process::id()
}

fn main() -> Result<(), Error> {
    println!("main");
    println!("{:?}", doubler.pmap(0..10, 3)?);
    let elsewhere = own_pid.pmap(0..10, 3)?.iter().all(|&pid| pid != std::process::id());
    println!("elsewhere: {elsewhere}");
    Ok(())
}
