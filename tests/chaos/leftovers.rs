//! What must be as it was when a round is over. Children and descriptors are for
//! `pool_tests::clean`.

use pool_tests::wait;

/// Waits until this many threads are left.
pub(crate) fn await_threads(count: usize) {
    wait::until("all threads of the round to be gone", || threads() <= count);
}

/// The threads of this process.
pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Channels that this process has mapped.
pub(crate) fn channels() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains("memfd:pool-channel")).count()
}

/// Has every large piece of memory given back to the kernel when it is freed, and not
/// kept for another of that size, as it is once there was one: else what this process
/// has in memory says nothing of what it holds.
pub(crate) fn keep_no_memory() {
    // SAFETY: it takes integers and may be called at any time.
    let done = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10) };
    assert_eq!(done, 1, "mallopt");
}

/// Bytes that this process has in memory.
pub(crate) fn memory() -> usize {
    // SAFETY: it takes an integer and may be called at any time.
    unsafe { libc::malloc_trim(0) };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}
