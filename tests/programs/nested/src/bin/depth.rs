//! A pool in a worker of a pool in a worker …, as deep as the argument says.

use pool_runtime::{Pool, pool_task};

/// Below a pool at depth `depth`, makes those down to `deepest`. Gives the depth
/// that was reached.
#[pool_task]
fn descend(depth: u32, deepest: u32) -> Result<u32, String> {
    if depth == deepest {
        return Ok(depth);
    }
    let pool = Pool::new(1).map_err(|error| format!("{:?}: {error}", error.kind()))?;
    pool.apply(descend, (depth + 1, deepest)).map_err(|error| error.to_string())?
}

fn main() {
    let deepest = std::env::args().nth(1).and_then(|arg| arg.parse().ok()).expect("a depth");
    println!("{:?}", descend(0, deepest));
}
