use pool_runtime::pool_task;

#[pool_task]
fn doubler(n: u64) -> u64 {
    n * 2
}

fn main() -> Result<(), pool_runtime::Error> {
    let doubled = doubler.pmap(0..10, 3)?;      // three child processes
    assert_eq!(doubled, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
    assert_eq!(doubler(21), 42);                // still a plain call, right here
    Ok(())
}
