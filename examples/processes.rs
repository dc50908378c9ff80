//! How do I give each call a process of its own?

use pool_runtime::{Error, Process, pool_task};

#[pool_task]
fn doubler(n: u64) -> u64 {
    let result = n * 2;
    println!("{n} doubled to {result} by process id: {}", std::process::id());
    result
}

fn main() -> Result<(), Error> {
    let mut processes = Vec::new();
    for n in [5, 10, 20] {
        processes.push(doubler.spawn(n)?);
    }
    // All three are running by now.
    let doubled: Vec<u64> = processes.iter_mut().map(Process::join).collect::<Result<_, _>>()?;
    println!("{doubled:?}");
    Ok(())
}
