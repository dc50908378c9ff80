//! A task sees the arguments of the program.

use pool_runtime::{Error, pool_task};

#[pool_task]
fn arguments() -> Vec<String> {
    std::env::args().collect()
}

fn main() -> Result<(), Error> {
    println!("here: {:?}", arguments());
    println!("in a worker: {:?}", arguments.pmap([()], 1)?[0]);
    Ok(())
}
