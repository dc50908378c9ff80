//! The machine's clock, on which processes agree.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds on the monotonic clock, which is the one of `Instant` too.
pub(crate) fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
