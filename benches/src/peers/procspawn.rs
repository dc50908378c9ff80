//! procspawn, which has a pool and calls, but no map.
//!
//! Submitting all calls and then joining them deadlocks: a worker's monitor
//! hands its result over only to a join, and large arguments are sent only when
//! a worker takes them. So calls are joined in a window that moves.

use std::collections::VecDeque;

use procspawn::{Pool, SpawnError};
use serde::{Serialize, de::DeserializeOwned};

/// A pool, with all of its workers started.
pub(crate) fn pool(workers: usize) -> Result<Pool, String> {
    Pool::new(workers).map_err(said)
}

/// Calls `function` on every item, with at most `window` calls begun and not yet
/// joined.
pub(crate) fn map<A, R>(
    pool: &Pool,
    window: usize,
    items: impl IntoIterator<Item = A>,
    function: fn(A) -> R,
) -> Result<Vec<R>, String>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let mut begun = VecDeque::new();
    let mut results = Vec::new();
    for item in items {
        if begun.len() == window
            && let Some(oldest) = begun.pop_front()
        {
            results.push(join(oldest)?);
        }
        begun.push_back(pool.spawn(item, function));
    }
    for call in begun {
        results.push(join(call)?);
    }
    Ok(results)
}

pub(crate) fn join<R>(call: procspawn::JoinHandle<R>) -> Result<R, String>
where
    R: Serialize + DeserializeOwned,
{
    call.join().map_err(said)
}

fn said(error: SpawnError) -> String {
    error.to_string()
}
