//! A task reads nothing and prints where the program prints.

use std::io::{Read, stdin};

use pool_runtime::{Error, Pool, pool_task};

#[pool_task]
fn talk() -> (String, String) {
    println!("a task on stdout");
    eprintln!("a task on stderr");
    let mut read = String::new();
    stdin().read_to_string(&mut read).unwrap();
    (read, std::fs::read_link("/proc/self/fd/0").unwrap().display().to_string())
}

fn main() -> Result<(), Error> {
    let pool = Pool::new(1)?;
    println!("a task read {:?}", pool.apply(talk, ())?);
    let mut read = String::new();
    stdin().read_to_string(&mut read).unwrap();
    println!("the program read {read:?}");
    Ok(())
}
