#![allow(unused)]

use pool_runtime::pool_task;

#[pool_task]
fn checksum(data: &[u8]) -> u8 {
    let checksum = data.iter().fold(0, |checksum, byte| checksum ^ byte);
    checksum
}

struct Path(u8);

#[pool_task]
fn own_path(path: &Path) -> u8 {
    path.0
}

fn main() {
    // The task's own body may; elsewhere the name is the task's.
    let checksum = checksum(b"a");
}
