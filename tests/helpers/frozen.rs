//! A program that is stopped with its workers by a test in `frozen`, and goes on.
//!
//! `frozen DIR`: its item says in the directory that it has begun, and waits there for a
//! file.

use std::path::Path;
use std::time::Duration;

use pool_runtime::{Pool, pool_task};
use pool_tests::tasks::forever;
use pool_tests::wait;

/// Far longer than the item runs beside its stop, which is longer than this.
const LIMIT: Duration = Duration::from_secs(4);

#[pool_task]
fn wait_in(dir: &Path) {
    std::fs::write(dir.join("begun"), "").unwrap();
    wait::until("to go on", || dir.join("go").exists());
}

fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let pool = Pool::new(1).unwrap();
    let limited = pool.job(wait_in).timeout(LIMIT).apply(Path::new(&dir));
    println!("{:?}", limited.map_err(|error| error.kind()));
    // The rule is still there.
    let endless = pool.job(forever).timeout(Duration::from_millis(100)).apply(());
    println!("{:?}", endless.map_err(|error| error.kind()));
}
