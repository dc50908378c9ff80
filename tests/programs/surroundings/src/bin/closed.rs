//! A program closes some of its standard streams before it makes a pool.

use std::fs::{File, read_link};
use std::io::{Write, pipe};
use std::os::fd::FromRawFd;

use pool_runtime::{Error, Pool, pool_task};

#[pool_task]
fn print_and_add(a: u32, b: u32) -> u32 {
    // Into /dev/null, where the program has closed the stream.
    println!("a task prints");
    eprintln!("a task prints");
    a + b
}

#[pool_task]
fn streams() -> String {
    let stream = |fd| match read_link(format!("/proc/self/fd/{fd}")) {
        Ok(target) => target.display().to_string().split(':').next().unwrap().to_owned(),
        Err(_) => "closed".into(),
    };
    [0, 1, 2].map(stream).join(" ")
}

fn main() -> Result<(), Error> {
    // Where the report goes: no standard stream, and not inherited.
    // SAFETY: the duplicate is new, so nobody else closes it.
    let mut report = unsafe { File::from_raw_fd(libc::fcntl(1, libc::F_DUPFD_CLOEXEC, 10)) };
    for fd in std::env::args().skip(1) {
        // SAFETY: the standard streams' owners take a closed one for an empty one.
        unsafe { libc::close(fd.parse().unwrap()) };
    }
    let before = streams();
    let pool = Pool::new(2)?;
    let sums = pool.map(print_and_add, [(1, 2), (3, 4)])?;
    writeln!(report, "sums: {sums:?}").unwrap();
    writeln!(report, "in a worker: {}", pool.apply(streams, ())?).unwrap();
    // What a daemon does next: whatever it opens lands on the closed streams.
    let _landed: Vec<_> = (0..2).map(|_| pipe().unwrap()).collect();
    writeln!(report, "in the program: {before}, then {}", streams()).unwrap();
    writeln!(report, "sum: {}", pool.apply(print_and_add, (5, 6))?).unwrap();
    Ok(())
}
