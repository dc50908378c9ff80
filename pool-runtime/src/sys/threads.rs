//! Whether a process has ever had another thread than this one.
//!
//! Only then can a lock be held for ever by somebody else. Threads that have ended count:
//! one may have left without giving its lock back.

use std::sync::atomic::{AtomicU8, Ordering};

/// What tells whether this process has had one thread only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Threads {
    /// A byte of glibc 2.32 and later: not 0 until a thread is made.
    single: Option<&'static AtomicU8>,
}

impl Threads {
    pub(crate) fn of_process() -> Threads {
        let name = c"__libc_single_threaded";
        // SAFETY: the name ends with a NUL byte; the call looks it up in what is loaded.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        // SAFETY: null, or the address of a `char` of the C library, which is never
        // unloaded. The library itself writes the byte while other threads may read it, and
        // says in its manual that they may.
        let single = (!found.is_null()).then(|| unsafe { AtomicU8::from_ptr(found.cast()) });
        Threads { single }
    }

    /// Whether the process has surely had this thread only: one load. Never with a C library
    /// that does not say so.
    #[inline]
    pub(crate) fn are_surely_one(self) -> bool {
        self.single.is_some_and(|single| single.load(Ordering::Relaxed) != 0)
    }

    /// The same with any C library; it may take three system calls.
    pub(crate) fn are_one(self) -> bool {
        match self.single {
            Some(_) => self.are_surely_one(),
            None => have_run_alone(),
        }
    }
}

/// Whether this thread has used all the processor time that the process has used. The
/// kernel counts it to the nanosecond, and a thread that has taken a lock has run for some
/// microseconds.
fn have_run_alone() -> bool {
    let before = used(libc::CLOCK_THREAD_CPUTIME_ID);
    let by_all = used(libc::CLOCK_PROCESS_CPUTIME_ID);
    let after = used(libc::CLOCK_THREAD_CPUTIME_ID);
    before <= by_all && by_all <= after
}

fn used(clock: libc::clockid_t) -> (libc::time_t, libc::c_long) {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the time where it is told to.
    unsafe {
        libc::clock_gettime(clock, &raw mut time);
    }
    (time.tv_sec, time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_has_ended_counts() {
        std::thread::spawn(|| ()).join().unwrap();
        assert!(!Threads::of_process().are_one());
        assert!(!have_run_alone());
    }
}
