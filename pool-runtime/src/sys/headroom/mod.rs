//! How far down the stack may be used that the calling code runs on.
//!
//! Whoever follows a user's value by recursion goes as deep as the value, and a stack
//! that overflows ends the process. A count of levels cannot bound that: what a level
//! takes is the user's types' and the optimiser's affair. So the stack pointer is
//! compared with the lowest address that may be used. Near where the recursion began
//! that is all, one comparison; further down it is looked up which stack this is.

use std::cell::{Cell, OnceCell};
use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::ptr;

use rustix::process::{Resource, getrlimit};

/// Bytes below its beginning that any recursion may use, on whatever stack. All but
/// values that are nested deep do with that, and look nothing up.
const FREE: isize = 16 << 10;

/// Bytes below its beginning that a recursion may use on a stack that is not its
/// thread's own, as that of a coroutine is: nobody tells how large it is. It leaves half
/// of a stack of 64 KiB.
const ELSEWHERE: isize = 32 << 10;

/// Of a thread's own stack, what is left at the end: for the frames between two checks,
/// which are the user's as well, and those below the last, of allocations and of
/// destructors. A sixteenth, but so much at least, where the stack has that four times. A
/// struct of 900 bytes with a derived `Deserialize` takes 8 KiB in a debug build, others
/// in proportion.
const LEAST_RESERVE: usize = 128 << 10;

/// How far the main thread's stack may grow at least, whatever its limit was when the
/// program was executed: the kernel lays out mappings below that.
const SURE_GROWTH: usize = 128 << 20;

/// How much deeper than ever before the main thread may go before its limit is read
/// anew, which the program can change at any time.
const STEP: usize = 1 << 20;

/// A recursion, on the thread where it began.
#[derive(Debug)]
pub(crate) struct Headroom {
    /// The stack pointer at its beginning.
    start: usize,
    /// How many bytes below that it may use before it looks further.
    allowed: isize,
}

/// A recursion has used as much of its stack as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// Of its thread's stack, of this size in bytes, so many are left.
    OwnStack { size: usize, left: usize },
    /// It runs on another stack than its thread's own, and has used so many bytes of it.
    OtherStack { used: usize },
}

impl Headroom {
    /// A recursion that begins here.
    #[inline(always)]
    pub(crate) fn begin() -> Headroom {
        Headroom { start: stack_pointer(), allowed: FREE }
    }

    /// Whether it may go one level deeper; to be called at each. Of a value that is encoded
    /// or decoded within one function nothing is left of it.
    #[inline(always)]
    pub(crate) fn check(&mut self) -> Result<(), Shortage> {
        if self.used(stack_pointer()) <= self.allowed { Ok(()) } else { self.look() }
    }

    /// Negative where what called `begin` in a debug build was deeper.
    #[inline(always)]
    fn used(&self, here: usize) -> isize {
        self.start.wrapping_sub(here).cast_signed()
    }

    #[cold]
    fn look(&mut self) -> Result<(), Shortage> {
        let here = stack_pointer();
        let used = self.used(here);
        match Room::at(here) {
            Some(room) => {
                self.allowed = self.used(room.floor);
                let (size, left) = (room.stack.size(), here - room.stack.low);
                if here >= room.floor { Ok(()) } else { Err(Shortage::OwnStack { size, left }) }
            }
            None => {
                self.allowed = ELSEWHERE;
                let shortage = Shortage::OtherStack { used: used.unsigned_abs() };
                if used <= ELSEWHERE { Ok(()) } else { Err(shortage) }
            }
        }
    }
}

/// In inlined code, that of the function it is inlined into; the compiler may read it once
/// for all of a function, in which it is always the same. Not the address of a variable: a
/// sanitizer may keep those elsewhere.
#[inline(always)]
fn stack_pointer() -> usize {
    let pointer: usize;
    // SAFETY: a register is copied, and nothing else happens.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("mov {}, rsp", out(reg) pointer, options(pure, nomem, nostack, preserves_flags));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("mov {}, sp", out(reg) pointer, options(pure, nomem, nostack, preserves_flags));
    }
    pointer
}

/// Where a stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stack {
    low: usize,
    high: usize,
}

impl Stack {
    fn holds(self, address: usize) -> bool {
        (self.low..self.high).contains(&address)
    }

    fn size(self) -> usize {
        self.high - self.low
    }

    /// How far down it may be used.
    fn floor(self) -> usize {
        self.low + (self.size() / 16).max(LEAST_RESERVE).min(self.size() / 4)
    }
}

/// What is known of the stack of a thread.
#[derive(Clone, Copy, Debug)]
struct Room {
    stack: Stack,
    /// How far down it may be used, as far as that has been looked up.
    floor: usize,
}

thread_local! {
    /// What was found last.
    static KNOWN: Cell<Option<Room>> = const { Cell::new(None) };

    /// The stack that this thread was given when it was made, if that can be told.
    static GIVEN: OnceCell<Option<Stack>> = const { OnceCell::new() };
}

impl Room {
    /// That of the calling thread's own stack, if the stack pointer `here` is in it.
    fn at(here: usize) -> Option<Room> {
        if let Some(known) = KNOWN.get()
            && (known.floor..known.stack.high).contains(&here)
        {
            return Some(known);
        }
        // Also where what is known says that there is nothing left: it may be old.
        let room = Room::of_main(here).or_else(|| {
            let stack = GIVEN.with(|given| *given.get_or_init(given_stack))?;
            stack.holds(here).then(|| Room { stack, floor: stack.floor() })
        })?;
        KNOWN.set(Some(room));
        Some(room)
    }

    /// The main thread's stack grows as it is used, up to a limit that can be changed.
    fn of_main(here: usize) -> Option<Room> {
        let high = top_of_main_stack()?;
        let limit = getrlimit(Resource::Stack).current.unwrap_or(u64::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut stack = Stack { low: high.saturating_sub(limit.min(SURE_GROWTH)), high };
        if limit > SURE_GROWTH
            && let Some(given) = given_stack().filter(|given| given.high > stack.low)
        {
            // glibc has looked at the mappings below. (musl tells how far it has grown.)
            stack.low = stack.low.min(given.low);
        }
        if !stack.holds(here) {
            return None;
        }
        Some(Room { stack, floor: stack.floor().max(here.saturating_sub(STEP)) })
    }
}

/// The kernel puts the name of the executed file at the very top of the main thread's
/// stack.
fn top_of_main_stack() -> Option<usize> {
    // SAFETY: it reads what the kernel has passed to the program, or gives 0.
    let name = unsafe { libc::getauxval(libc::AT_EXECFN) };
    let name = ptr::with_exposed_provenance::<c_char>(usize::try_from(name).ok()?);
    if name.is_null() {
        return None;
    }
    // SAFETY: the kernel has put a string there, in memory that is mapped for the whole
    // life of the process; a process that writes another there leaves its end.
    let length = unsafe { CStr::from_ptr(name) }.count_bytes();
    Some(name.addr() + length)
}

/// The stack that the C library has given, or was told of, for the calling thread.
fn given_stack() -> Option<Stack> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut low, mut size, mut guard) = (ptr::null_mut(), 0, 0);
    // SAFETY: the attributes are filled in by the first call, and used only if that has
    // succeeded; the other places are valid for what is written to them.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let told = libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut low, &raw mut size);
        let guarded = libc::pthread_attr_getguardsize(attributes.as_ptr(), &raw mut guard);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        if told != 0 || guarded != 0 {
            return None;
        }
    }
    // Up to version 2.26 glibc counted the guard pages in.
    let guard = if guard <= size / 8 { guard } else { 0 };
    let low = low.addr();
    Some(Stack { low: low + guard, high: low.checked_add(size)? })
}

#[cfg(test)]
pub(crate) use tests::on_a_thread;

#[cfg(test)]
mod tests;
