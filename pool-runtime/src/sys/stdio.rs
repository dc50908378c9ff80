//! The output streams of the C library, which libraries in C print to.
//!
//! Never all of its streams, as `fflush(NULL)` does: that waits for each of them, also for
//! one that another thread reads from, which may be for ever.

unsafe extern "C" {
    static mut stdout: *mut libc::FILE;
    static mut stderr: *mut libc::FILE;

    fn __fpending(stream: *mut libc::FILE) -> usize;
    fn ftrylockfile(stream: *mut libc::FILE) -> libc::c_int;
    fn fflush_unlocked(stream: *mut libc::FILE) -> libc::c_int;
    fn funlockfile(stream: *mut libc::FILE);
}

fn streams() -> [*mut libc::FILE; 2] {
    // SAFETY: the C library opened both before any initialiser ran; the pointers are read,
    // and nobody but a task that asks for trouble writes them.
    unsafe { [stdout, stderr] }
}

/// Whether the C library keeps something that is printed and not written. It takes no lock
/// and makes no system call.
#[inline]
pub(crate) fn is_pending() -> bool {
    // SAFETY: the streams live for ever. The function compares two pointers that the stream
    // holds. If another thread prints at this moment the answer may be that of a moment
    // before or after, which is all that is asked.
    streams().into_iter().any(|stream| unsafe { __fpending(stream) } > 0)
}

/// Writes out what the C library keeps of standard output and error; not of one that
/// another thread has locked. Tells whether neither was.
pub(crate) fn try_flush() -> bool {
    let mut flushed = true;
    for stream in streams() {
        // SAFETY: the stream lives for ever. It is flushed only by the thread that holds its
        // lock, and unlocked as often as it was locked.
        unsafe {
            if ftrylockfile(stream) == 0 {
                fflush_unlocked(stream);
                funlockfile(stream);
            } else {
                flushed = false;
            }
        }
    }
    flushed
}

/// The same, but waits for whoever holds a lock.
pub(crate) fn flush() {
    for stream in streams() {
        // SAFETY: the stream lives for ever; `fflush` locks it.
        unsafe {
            libc::fflush(stream);
        }
    }
}

/// Has the C library write out standard output at the end of each line, as it does on
/// a terminal, and not by the page.
pub(crate) fn by_line() {
    let [stream, _] = streams();
    // SAFETY: the stream lives for ever; without a buffer of the caller's the library uses
    // its own.
    unsafe {
        libc::setvbuf(stream, std::ptr::null_mut(), libc::_IOLBF, 0);
    }
}
