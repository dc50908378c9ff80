//! A program whose workers print, line by line under a prefix, for the tests in
//! `output/relayed`.
//!
//! `printer DIR HOW [NUMBER]`: does what HOW says, and leaves a file `done` in DIR
//! before its pool goes, and `gone` after that.

#![allow(unsafe_code)]

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use pool_runtime::{Output, Pool, pool_task};
use pool_tests::fault::Fault;
use pool_tests::left::leave_behind;
use pool_tests::tasks::double;
use pool_tests::wait;
use rustix::fs::OFlags;

/// Prints by every way there is, the last line without an end.
#[pool_task]
fn print(item: u64) {
    println!("rust {item}");
    // SAFETY: a C string.
    unsafe { libc::puts(c"c".as_ptr()) };
    eprint!("half ");
    eprintln!("and half {item}");
    Command::new("sh").arg("-c").arg(format!("echo child {item}")).status().unwrap();
    print!("rest {item}");
    eprint!("error's rest");
}

#[pool_task]
fn print_and(item: u64, fault: Fault) {
    println!("line {item}");
    print!("rest {item}");
    std::io::stdout().flush().unwrap();
    let _ = fault.commit();
}

/// Prints so many numbered lines.
#[pool_task]
fn count(lines: u64) {
    for line in 0..lines {
        println!("line {line}");
    }
}

/// Fills the worker's output until nothing more goes in for a while, without waiting
/// itself; the item after it prints as usual.
#[pool_task]
fn fill(item: u64, dir: &str) {
    let stdout = rustix::stdio::stdout();
    if item > 0 {
        rustix::fs::fcntl_setfl(stdout, OFlags::empty()).unwrap();
        return println!("after that");
    }
    rustix::fs::fcntl_setfl(stdout, OFlags::NONBLOCK).unwrap();
    let mut refused = 0;
    while refused < 20 {
        if rustix::io::write(stdout, b"x\n").is_err() {
            refused += 1;
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    std::fs::write(PathBuf::from(dir).join("filled"), "").unwrap();
}

/// Leaves behind a process that holds the worker's output, and whose pid it prints.
#[pool_task]
fn leave_somebody() {
    println!("left {}", leave_behind());
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (dir, how) = (args.next().expect("DIR"), args.next().expect("HOW"));
    let number: u64 = args.next().map_or(0, |number| number.parse().unwrap());
    let leave = |name: &str| std::fs::write(PathBuf::from(&dir).join(name), "").unwrap();
    if how == "broken" {
        // What Rust's runtime does not want, and many a program does.
        // SAFETY: the default disposition is a valid one.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        wait::until("the output to be broken", || PathBuf::from(&dir).join("go").exists());
    }
    let pool = Pool::builder().workers(2).output(Output::Prefix).build().unwrap();
    match &*how {
        "map" => {
            let chunk = usize::try_from(number).unwrap();
            pool.job(print).chunk_size(chunk).map(0..100).unwrap();
        }
        "single" => pool.apply(print, number).unwrap(),
        "die" => {
            let fault = [Fault::Panic, Fault::Abort, Fault::Exit7, Fault::Kill, Fault::Segv];
            let items = (0..number).map(|item| (item, fault[item as usize % fault.len()]));
            let results = pool.job(print_and).chunk_size(3).imap(items);
            assert_eq!(results.filter(Result::is_err).count(), number as usize);
        }
        "count" | "broken" => pool.apply(count, number).unwrap(),
        "stuck" => {
            // One worker prints, and the other has much to do that prints nothing.
            let prints = pool.apply_async(count, number).unwrap();
            let doubled = pool.job(double).chunk_size(1).map(0..20_000).unwrap();
            assert_eq!(doubled.last(), Some(&39_998));
            assert!(!prints.ready(), "nobody reads what it prints");
            leave("doubled");
            prints.get().unwrap();
        }
        "locked" => {
            let mut lock = std::io::stdout().lock();
            pool.apply(count, number).unwrap();
            writeln!(lock, "unlocked").unwrap();
        }
        "fill" => {
            pool.job(fill).chunk_size(2).map((0..2).map(|item| (item, dir.clone()))).unwrap();
        }
        "leave" => pool.apply(leave_somebody, ()).unwrap(),
        other => panic!("{other:?} is nothing to do"),
    }
    leave("done");
    drop(pool);
    leave("gone");
}
