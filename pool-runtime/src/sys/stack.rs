//! What a handler can tell of the stack that a signal has interrupted: whether it has
//! overflowed, and whether a function is on it.
//!
//! For the latter an unwinder would tell, but it follows what stands on the stack, and the
//! signal may have come because that makes no sense any more (`__stack_chk_fail` aborts). So
//! this looks at the words above the stack's end one by one, asks the kernel first whether
//! they can be read, and takes for a return address whatever leads into the function.
//! That is for functions that do not return: of those no old address is left anywhere.

use std::alloc::Layout;
use std::ffi::c_void;

/// How far above the end of the stack is looked, in bytes. From `abort` to who called
/// it it is less than 1 KiB.
const FAR: usize = 16 << 10;

/// Bytes of the function that a return address may be in: more than it has.
const LONGEST: usize = 256;

/// The least that a page of memory can be.
const PAGE: usize = 4 << 10;

/// Whether a function which does not return has been called and is below what was
/// interrupted. `context` is the third argument of a signal's handler. Safe in one.
pub(super) fn is_below(context: *mut c_void, function: fn(Layout) -> !) -> bool {
    let function = function as *const () as usize;
    let end = stack_pointer(context) & !(size_of::<usize>() - 1);
    let words = (end..end.saturating_add(FAR)).step_by(size_of::<usize>());
    let mut readable = 0;
    for place in words {
        // Each page once.
        if place & !(PAGE - 1) != readable {
            if !is_readable(place) {
                return false;
            }
            readable = place & !(PAGE - 1);
        }
        // SAFETY: aligned, and the kernel has just read there. Volatile, since it is
        // no object of ours, and other threads may write to it.
        let word = unsafe { std::ptr::with_exposed_provenance::<usize>(place).read_volatile() };
        if leads_into(word, function) {
            return true;
        }
    }
    false
}

/// Whether a word is the address of an instruction after a call in the function.
fn leads_into(word: usize, function: usize) -> bool {
    if word <= function || word - function > LONGEST {
        return false;
    }
    unsafe extern "C-unwind" {
        /// Of the unwinder that every Rust program is linked to.
        safe fn _Unwind_FindEnclosingFunction(pc: *const c_void) -> *const c_void;
    }
    // The call may be the function's last instruction; some unwinders see to that
    // themselves, and a call is longer than two bytes.
    _Unwind_FindEnclosingFunction(std::ptr::without_provenance(word - 1)).addr() == function
}

/// Whether the kernel can read a word there.
fn is_readable(place: usize) -> bool {
    /// Not one of the ways to change a signal mask. The kernel looks at the mask first.
    const NO_WAY: i32 = -1;
    let none = std::ptr::null_mut::<u64>();
    // SAFETY: the kernel reads eight bytes if they are there, and changes nothing, since
    // it does not know how.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, NO_WAY, place, none, 8_usize);
        *libc::__errno_location() != libc::EFAULT
    }
}

/// How far below the end of the stack a call or a push touches memory, in bytes, and how far
/// above it a function does that has just made room for itself without looking whether there
/// is any: as much as it wanted.
const BELOW: usize = 64 << 10;
const ABOVE: usize = 1 << 30;

/// Whether a fault at an address is an overflow of the stack. Then the address is just below
/// the stack's end, or the end itself has left the stack, for the guard page or what is
/// below the limit. Safe in a handler.
pub(super) fn has_overflowed(context: *mut c_void, address: usize) -> bool {
    is_overflow(stack_pointer(context), address)
}

fn is_overflow(end: usize, address: usize) -> bool {
    let is_below = (end.saturating_sub(BELOW)..end).contains(&address);
    let is_above = (end..end.saturating_add(ABOVE)).contains(&address);
    is_below || is_above && !is_readable(end & !(size_of::<usize>() - 1))
}

/// How large the stack may be that this thread runs on, in KiB, if it is the first of its
/// process; `u32::MAX` if it may be as large as it likes, 0 for another thread, which does
/// not tell. Safe in a handler.
pub(super) fn kibibytes() -> u32 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the calls take nothing, or write the limit where they are told to; both are
    // plain system calls.
    let (is_first, told) = unsafe {
        let told = libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) == 0;
        (libc::gettid() == libc::getpid(), told)
    };
    match is_first && told {
        true => u32::try_from(limit.rlim_cur >> 10).unwrap_or(u32::MAX).max(1),
        false => 0,
    }
}

fn stack_pointer(context: *mut c_void) -> usize {
    // SAFETY: the kernel gives a handler the registers as they were interrupted.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
    #[cfg(target_arch = "x86_64")]
    let pointer = registers.gregs[libc::REG_RSP as usize];
    #[cfg(target_arch = "aarch64")]
    let pointer = registers.sp;
    pointer as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_mapped_is_readable() {
        let here = 1_usize;
        assert!(is_readable(std::ptr::from_ref(&here).addr()));
        assert!(!is_readable(8));
        assert!(!is_readable(usize::MAX & !7));
    }

    #[test]
    fn an_overflow_is_told_from_other_faults_by_the_stacks_end() {
        let here = 1_usize;
        let end = std::ptr::from_ref(&here).addr();
        assert!(is_overflow(end, end - 8), "a push");
        assert!(!is_overflow(end, end + 8), "the end is on the stack");
        assert!(!is_overflow(end, 0) && !is_overflow(end, end - (1 << 20)));
        assert!(is_overflow(4096, 4096 + 100_000), "the end has left the stack");
        assert!(!is_overflow(1 << 20, 0), "whatever else has happened");
    }

    #[test]
    fn an_address_within_a_function_leads_into_it() {
        let function = std::alloc::handle_alloc_error as fn(Layout) -> ! as *const () as usize;
        assert!(leads_into(function + 5, function));
        assert!(!leads_into(function, function), "this one leads to it, not out of it");
        assert!(!leads_into(function + LONGEST + 1, function));
    }
}
