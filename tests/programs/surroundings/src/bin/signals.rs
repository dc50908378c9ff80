//! What the program has done to its signals is not its workers' business.

use std::mem::zeroed;

use pool_runtime::{Error, Pool, pool_task};

#[pool_task]
fn signals() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let of_interest = ["SigBlk:", "SigIgn:", "SigCgt:"];
    let line = |head| status.lines().find(|line| line.starts_with(head)).unwrap();
    of_interest.map(|head| line(head).replace('\t', " ")).into()
}

extern "C" fn handler(_: libc::c_int) {}

fn main() -> Result<(), Error> {
    let handler: extern "C" fn(libc::c_int) = handler;
    // SAFETY: the handler does nothing; the set is initialised before it is used.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        libc::signal(libc::SIGUSR1, handler as libc::sighandler_t);
        libc::signal(libc::SIGRTMIN() + 3, libc::SIG_IGN);
        let mut set = zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGTERM);
        libc::sigaddset(&mut set, libc::SIGUSR2);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
    // A first thread, since with it the C library takes signals 32 and 33.
    std::thread::spawn(|| ()).join().unwrap();
    let before = signals();
    let pool = Pool::new(1)?;
    println!("{}", pool.apply(signals, ())?.join("\n"));
    println!("the program's own: {}", if before == signals() { "kept" } else { "lost" });
    Ok(())
}
