//! What works in any program works in a task.

use std::panic::catch_unwind;
use std::thread;

use pool_runtime::{Error, Pool, pool_task};

#[pool_task]
fn threads() -> u64 {
    let threads: Vec<_> = (0..4).map(|n| thread::spawn(move || n * n)).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

#[pool_task]
fn scoped_sum(numbers: &[u64]) -> u64 {
    let (left, right) = numbers.split_at(numbers.len() / 2);
    thread::scope(|scope| {
        let left = scope.spawn(|| left.iter().sum::<u64>());
        right.iter().sum::<u64>() + left.join().unwrap()
    })
}

#[pool_task]
fn caught() -> bool {
    catch_unwind(|| panic!("within the task")).is_err()
}

#[pool_task]
fn parallelism() -> Option<usize> {
    thread::available_parallelism().ok().map(Into::into)
}

#[pool_task]
fn runs_a_program() -> String {
    let output = std::process::Command::new("echo").arg("from echo").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The process group and the pid, equal if the process leads its own group.
#[pool_task]
fn group_and_pid() -> (u32, u32) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let group = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(2).unwrap();
    (group.parse().unwrap(), std::process::id())
}

fn main() -> Result<(), Error> {
    let pool = Pool::new(1)?;
    println!("threads: {}", pool.apply(threads, ())?);
    println!("scoped threads: {}", pool.apply(scoped_sum, [1, 2, 3, 4])?);
    println!("a panic was caught: {}", pool.apply(caught, ())?);
    println!("parallelism as here: {}", pool.apply(parallelism, ())? == parallelism());
    print!("a program: {}", pool.apply(runs_a_program, ())?);
    let (group, pid) = pool.apply(group_and_pid, ())?;
    println!("leads its group: {}", group == pid);
    Ok(())
}
