//! What this process does on a signal.

/// What a process does on one signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disposition {
    handler: usize,
    flags: i32,
    /// The signals from 1 to 64 that are blocked meanwhile, one bit each.
    blocks: u64,
}

/// What this process does on each of the signals 1 to 64, in their order; `None` for
/// the two that the C library keeps for itself.
#[must_use]
pub fn dispositions() -> Vec<Option<Disposition>> {
    (1..=64).map(disposition).collect()
}

fn disposition(signal: i32) -> Option<Disposition> {
    // SAFETY: `old` is a struct of integers, for which zeros are valid, and is written
    // by the call, which changes nothing.
    let (result, old) = unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, std::ptr::null(), &raw mut old), old)
    };
    let has = |signal: i32| {
        // SAFETY: the set was written above, and the signal is one that it may have.
        unsafe { libc::sigismember(&raw const old.sa_mask, signal) == 1 }
    };
    let blocks = (1..=64).filter(|&signal| has(signal)).map(|signal| 1 << (signal - 1)).sum();
    (result == 0).then_some(Disposition { handler: old.sa_sigaction, flags: old.sa_flags, blocks })
}
