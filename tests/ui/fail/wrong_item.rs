use pool_runtime::pool_task;

#[pool_task]
fn doubler(n: u64) -> u64 {
    n * 2
}

#[pool_task]
fn add(a: u64, b: u64) -> u64 {
    a + b
}

#[pool_task]
fn without_body(n: u64) -> u64;

fn main() {
    let _ = doubler.pmap(["a"], 1);
    let _ = add.pmap([1, 2], 1);
    let _ = doubler("a");
}
