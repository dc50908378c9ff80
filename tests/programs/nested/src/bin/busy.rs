//! A pool is terminated while a worker's own pool is busy.

use std::io::stdin;

use pool_runtime::{Error, Pool, pool_task};

#[pool_task]
fn endless() {
    println!("{}", std::process::id());
    loop {
        std::hint::spin_loop();
    }
}

#[pool_task]
fn waits_for_ever() {
    let _never = Pool::new(1).unwrap().apply(endless, ());
}

fn main() -> Result<(), Error> {
    let pool = Pool::new(1)?;
    let result = pool.apply_async(waits_for_ever, ())?;
    stdin().read_line(&mut String::new()).unwrap();
    pool.terminate();
    println!("{:?}", result.get().unwrap_err().kind());
    Ok(())
}
