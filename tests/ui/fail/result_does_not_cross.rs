use pool_runtime::pool_task;

struct Local(u8);

#[pool_task]
fn made(n: u8) -> Local {
    Local(n)
}

#[pool_task]
fn size(path: &str) -> std::io::Result<u64> {
    Ok(std::fs::metadata(path)?.len())
}

fn main() {
    // Its uses give no errors of their own.
    let _ = made(1);
    let _ = made.pmap([1], 1);
    let _ = made.spawn(1);
}
