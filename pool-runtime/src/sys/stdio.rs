//! The output streams of the C library, which libraries in C print to.

unsafe extern "C" {
    static mut stdout: *mut libc::FILE;
    static mut stderr: *mut libc::FILE;
}

/// Writes out what the C library keeps of standard output and error.
///
/// Not of all its streams, as `fflush(NULL)` does: that waits for each of them, also
/// for one that another thread reads from, which may be for ever.
pub(crate) fn flush() {
    // SAFETY: both are streams that the C library opened before any initialiser ran;
    // the pointers are read, and nobody but a task that asks for trouble writes them.
    // `fflush` locks the stream that it is given.
    unsafe {
        libc::fflush(stdout);
        libc::fflush(stderr);
    }
}

/// Has the C library write out standard output at the end of each line, as it does on
/// a terminal, and not by the page.
pub(crate) fn by_line() {
    // SAFETY: as in `flush`; without a buffer of the caller's the library uses its own.
    unsafe {
        libc::setvbuf(stdout, std::ptr::null_mut(), libc::_IOLBF, 0);
    }
}
