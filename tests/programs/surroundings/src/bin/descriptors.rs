//! A worker holds the standard streams and its channel.

use std::os::fd::AsRawFd;

use pool_runtime::{Error, Pool, pool_task};

#[pool_task]
fn descriptors() -> Vec<(i32, String)> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = entries
        .filter_map(|path| {
            // The one that lists the directory is gone by now.
            let target = std::fs::read_link(&path).ok()?.display().to_string();
            Some((path.file_name()?.to_str()?.parse().ok()?, target))
        })
        .filter(|(_, target)| *target != format!("/proc/{}/fd", std::process::id()))
        .collect();
    all.sort();
    all
}

fn main() -> Result<(), Error> {
    let file = std::fs::File::open("/etc/passwd").unwrap();
    // SAFETY: duplicates a descriptor that is open; the duplicate is inheritable.
    let inheritable = unsafe { libc::dup(file.as_raw_fd()) };
    assert!(inheritable > 2);
    // A second pool, whose descriptors are no business of the first one's workers.
    let _other = Pool::new(2)?;
    let pool = Pool::new(2)?;
    for (fd, target) in pool.apply(descriptors, ())? {
        println!("{fd} {target}");
    }
    Ok(())
}
