//! The machine's clock, on which processes agree.

/// Nanoseconds on the monotonic clock, which is the one of `Instant` too.
pub(crate) fn monotonic() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // By the C library, which reads the clock where the kernel has put it for everybody to
    // read, or asks. rustix has a reader of its own for that, which valgrind breaks.
    // SAFETY: it writes the time that it is given.
    let read = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    assert_eq!(read, 0, "every kernel has this clock");
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_goes_on_as_that_of_instant_does() {
        let (began, since) = (monotonic(), std::time::Instant::now());
        std::thread::sleep(Duration::from_millis(5));
        let inside = since.elapsed();
        let outside = Duration::from_nanos(monotonic() - began);
        assert!(inside <= outside && inside >= Duration::from_millis(5), "{inside:?} {outside:?}");
    }
}
