//! Whether two threads of this process have the same filters of system calls (seccomp).
//!
//! The kernel says how many a thread has, and not which. A thread begins with those of
//! the thread that starts it, adds to them, and never loses one; so does `exec`. If it
//! takes over those of another thread (`SECCOMP_FILTER_FLAG_TSYNC`), then only as they
//! contain all of its own. So of one thread the number tells all: as long as it is the
//! same, the filters are.
//!
//! Of two threads it does not: each may have added as many by itself. So a thread that
//! has more than all threads of the process had when somebody first asked is taken to
//! have filters that no other thread has. Those that all had are of before the threads
//! parted, as in a container, in a program that restricts itself before it starts
//! threads, or all of them at once. What is not seen is a program where by then *every*
//! thread, the first too, had added filters of its own.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many all threads have, once that is known.
static IN_COMMON: AtomicU64 = AtomicU64::new(u64::MAX);

/// The filters of the calling thread, given its file `status`: what is equal if they are.
pub(super) fn of_this_thread(status: &[u8]) -> io::Result<[u64; 2]> {
    let count = count(status)?;
    let mut in_common = IN_COMMON.load(Ordering::Relaxed);
    if in_common == u64::MAX {
        in_common = if count == 0 { 0 } else { fewest(count)? };
        IN_COMMON.store(in_common, Ordering::Relaxed);
    }
    Ok(known_by(count, in_common, this_thread()))
}

fn known_by(count: u64, in_common: u64, thread: u64) -> [u64; 2] {
    [count, if count > in_common { thread } else { 0 }]
}

/// How many the thread has that has the fewest; the calling one has `own`.
fn fewest(own: u64) -> io::Result<u64> {
    let mut fewest = own;
    for thread in std::fs::read_dir("/proc/self/task")? {
        match std::fs::read(thread?.path().join("status")) {
            Ok(status) => fewest = fewest.min(count(&status)?),
            // It has ended meanwhile.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(fewest)
}

/// How many filters a file `status` tells of. A kernel that knows of filters and does
/// not count them (before Linux 5.9) is an error where there are any.
fn count(status: &[u8]) -> io::Result<u64> {
    let line = |name: &[u8]| {
        let value = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(name))?;
        str::from_utf8(value).ok()?.trim().parse().ok()
    };
    match line(b"Seccomp_filters:") {
        Some(count) => Ok(count),
        None if line(b"Seccomp:").unwrap_or(0) == 0 => Ok(0),
        None => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// A number that no other thread of the process has, nor will have.
fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static NUMBER: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_threads_have_is_nobodys_own_and_what_one_has_added_is() {
        assert_eq!(known_by(0, 0, 7), known_by(0, 0, 8));
        assert_eq!(known_by(2, 2, 7), known_by(2, 2, 8));
        assert_ne!(known_by(1, 0, 7), known_by(1, 0, 8));
        assert_ne!(known_by(3, 2, 7), known_by(3, 2, 8));
        assert_eq!(known_by(3, 2, 7), known_by(3, 2, 7));
        assert_ne!(known_by(4, 2, 7), known_by(3, 2, 7));
        let other = std::thread::spawn(this_thread).join().unwrap();
        assert_ne!(other, this_thread());
        assert_eq!(this_thread(), this_thread());
    }

    #[test]
    fn a_number_that_is_not_told_is_an_error_where_there_are_filters() {
        assert_eq!(count(b"NoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t3\nX:\t1\n").unwrap(), 3);
        assert_eq!(count(b"Seccomp:\t0\nX:\t1\n").unwrap(), 0);
        assert_eq!(count(b"X:\t1\n").unwrap(), 0);
        assert!(count(b"Seccomp:\t2\nX:\t1\n").is_err());
        let own = count(&std::fs::read("/proc/thread-self/status").unwrap()).unwrap();
        assert!(fewest(own).unwrap() <= own && fewest(u64::MAX).unwrap() < u64::MAX);
    }
}
