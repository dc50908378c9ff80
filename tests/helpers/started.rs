//! A program that is started in unusual ways: says in lines how its pools fare.

use std::io::stdin;
use std::time::Duration;

use pool_runtime::{Error, ErrorKind, Pool, pool_task, shutdown};
use pool_tests::started::WAIT;

#[pool_task]
fn doubler(n: u64) -> u64 {
    n * 2
}

#[pool_task]
fn crash(n: u32) -> u32 {
    if n == 1 {
        std::process::abort()
    }
    n
}

#[pool_task]
fn sleep() {
    std::thread::sleep(Duration::MAX)
}

#[allow(clippy::needless_pass_by_value)] // as map_err gives it
fn told(error: Error) -> String {
    error.to_string()
}

fn main() -> Result<(), Error> {
    let pool = Pool::new(2)?;
    println!("{:?}", pool.map(doubler, 0..10)?);
    for result in pool.imap(crash, 0..3) {
        println!("{:?}", result.map_err(|error| (error.kind(), error.signal())));
    }
    let late = pool.job(sleep).timeout(Duration::from_millis(100)).apply(());
    println!("{:?}", late.map_err(|error| error.kind()));
    let mut process = sleep.spawn(())?;
    process.kill()?;
    println!("{:?}", process.join().map_err(|error| (error.kind(), error.signal())));
    if std::env::var_os(WAIT).is_some() {
        let pool = Pool::new(1)?;
        println!("waits");
        stdin().read_line(&mut String::new()).expect("standard input is a pipe");
        // From here on workers are executed anew.
        shutdown();
        assert_eq!(pool.apply(crash, 1).unwrap_err().kind(), ErrorKind::Died);
        println!("a new worker: {:?}", pool.apply(doubler, 2).map_err(told));
        println!("a new pool: {:?}", doubler.pmap(3..5, 2).map_err(told));
    }
    Ok(())
}
