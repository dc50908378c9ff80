//! A program that is interrupted and stopped by the tests in `signals`.
//!
//! `keyboard DIR HOW`: maps over items with two workers. Each item leaves two files
//! in DIR: `begun-N`, with the worker's pid, and `ended-N`; the first two end when
//! there is a file `go`. In the end there is a file `results`, which says what the
//! program has seen.
//!
//! HOW is `handles`, for a handler of SIGINT, which makes a file `interrupted-N`, or
//! `plain`.

#![allow(unsafe_code)]

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use pool_runtime::{Pool, pool_task};
use pool_tests::pools::pids;
use pool_tests::wait;

#[pool_task]
fn square(dir: &Path, item: u64) -> u64 {
    // In one step, so that nobody finds half of it.
    let (new, begun) = (dir.join(format!("new-{item}")), dir.join(format!("begun-{item}")));
    std::fs::write(&new, std::process::id().to_string()).unwrap();
    std::fs::rename(new, begun).unwrap();
    if item < 2 {
        wait::until("the word", || dir.join("go").exists());
    }
    std::fs::write(dir.join(format!("ended-{item}")), "").unwrap();
    item * item
}

/// The name of the file that the handler makes, but for the digit at its end.
static FILE: OnceLock<Vec<u8>> = OnceLock::new();
static INTERRUPTS: AtomicU8 = AtomicU8::new(0);

extern "C" fn interrupted(_signal: i32) {
    let count = INTERRUPTS.fetch_add(1, Ordering::Relaxed) + 1;
    let mut path = [0; 1024];
    let file = FILE.get().expect("it is set before the handler");
    path[..file.len()].copy_from_slice(file);
    path[file.len()] = b'0' + count;
    // SAFETY: both calls may be made in a handler; the path ends with a zero.
    unsafe { libc::close(libc::open(path.as_ptr().cast(), libc::O_CREAT | libc::O_WRONLY, 0o600)) };
}

fn main() {
    let [_, dir, how] = Vec::from_iter(std::env::args()).try_into().expect("DIR HOW");
    let dir = PathBuf::from(dir);
    if how == "handles" {
        FILE.set(dir.join("interrupted-").as_os_str().as_bytes().to_vec()).unwrap();
        let handler = interrupted as extern "C" fn(i32);
        // SAFETY: the handler makes system calls only.
        unsafe { libc::signal(libc::SIGINT, handler as libc::sighandler_t) };
    }
    let pool = Pool::new(2).unwrap();
    let before = pids(&pool);
    std::fs::write(dir.join("pid"), std::process::id().to_string()).unwrap();
    let results = pool.job(square).chunk_size(1).map((0..40).map(|item| (&*dir, item)));
    let right = results.is_ok_and(|results| results.into_iter().eq((0..40).map(|n| n * n)));
    let kept = pids(&pool) == before;
    let words = format!("right: {right}, workers kept: {kept}");
    std::fs::write(dir.join("new"), words).unwrap();
    std::fs::rename(dir.join("new"), dir.join("results")).unwrap();
}
