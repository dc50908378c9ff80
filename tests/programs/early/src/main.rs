//! A program whose pool is made by a static constructor, in each of its processes.

use std::ffi::c_int;
use std::sync::OnceLock;

use pool_runtime::{Error, Pool, pool_task};

unsafe extern "C" {
    safe fn linked() -> c_int;
}

#[pool_task]
fn square(n: u64) -> u64 {
    n * n
}

/// What became of the pool here, in words.
#[pool_task]
fn made() -> Option<String> {
    POOL.get().map(|pool| pool.as_ref().map_or_else(ToString::to_string, |_| "a pool".into()))
}

#[pool_task]
fn square_in_a_pool_of_its_own(n: u64) -> u64 {
    Pool::new(1).unwrap().apply(square, n).unwrap()
}

static POOL: OnceLock<Result<Pool, Error>> = OnceLock::new();

// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
extern "C" fn make_pool(before_the_hook: c_int) {
    let place = std::env::var("EARLY_COUNT").expect("a directory to count processes in");
    std::fs::write(format!("{place}/{}", std::process::id()), "").unwrap();
    let asked = std::env::var_os("EARLY_BEFORE_THE_HOOK").is_some();
    if asked == (before_the_hook == 1) {
        POOL.get_or_init(|| Pool::new(2));
    }
}

fn main() -> Result<(), Error> {
    assert_eq!(linked(), 1);
    let pool = POOL.get().expect("a constructor has made it").as_ref().unwrap();
    println!("{:?}", pool.apply(square, 3)?);
    println!("{}", pool.apply(made, ())?.unwrap_or_default());
    println!("{:?}", pool.apply(square_in_a_pool_of_its_own, 4)?);
    Ok(())
}
