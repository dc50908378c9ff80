//! A task sees the environment and the directory as they were when its pool was
//! built, in a worker that was started later too; the umask is inherited.

use std::env;

use pool_runtime::{Error, Pool, pool_task};

#[pool_task]
fn surroundings() -> String {
    let colour = env::var("COLOUR").unwrap_or_else(|_| "no colour".into());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap().trim();
    let mark = env::var_os("POOL_RUNTIME_WORKER").map_or("unmarked", |_| "marked");
    format!("{colour} in {} with {umask}, {mark}", env::current_dir().unwrap().display())
}

#[pool_task]
fn change_own() {
    enter("/", "of the task");
}

#[pool_task]
fn die() {
    std::process::abort()
}

fn enter(dir: &str, colour: &str) {
    env::set_current_dir(dir).unwrap();
    // SAFETY: the programs' other threads do not touch the environment.
    unsafe { env::set_var("COLOUR", colour) };
}

fn main() -> Result<(), Error> {
    // SAFETY: a system call without preconditions.
    unsafe { libc::umask(0o027) };
    enter("/proc", "red");
    let pool = Pool::new(1)?;
    enter("/sys", "blue");
    println!("first: {}", pool.apply(surroundings, ())?);
    pool.apply(change_own, ())?;
    println!("the program: {}", surroundings());
    pool.apply(die, ()).unwrap_err();
    println!("replacement: {}", pool.apply(surroundings, ())?);
    println!("new pool: {}", surroundings.pmap([()], 1)?[0]);
    Ok(())
}
