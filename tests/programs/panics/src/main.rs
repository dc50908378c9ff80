//! A panic that cannot unwind: the program is built with `panic = "abort"`.

use pool_runtime::{Error, Pool, pool_task};

#[pool_task]
fn halve(n: u32) -> u32 {
    if n % 2 == 1 {
        panic!("{n} is odd");
    }
    n / 2
}

fn main() -> Result<(), Error> {
    let pool = Pool::new(2)?;
    for result in pool.job(halve).chunk_size(1).imap([2, 4, 7, 8, 10]) {
        match result {
            Ok(half) => println!("{half}"),
            Err(error) => println!(
                "{:?} item {:?} signal {:?} message {:?} at {}",
                error.kind(),
                error.item(),
                error.signal(),
                error.panic_message(),
                error.panic_location().unwrap_or("nowhere"),
            ),
        }
    }
    println!("then {}", pool.apply(halve, 12)?);
    Ok(())
}
