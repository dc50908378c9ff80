//! How far down the stack may be used that the calling code runs on.
//!
//! Whoever follows a user's value by recursion goes as deep as the value, and a stack
//! that overflows ends the process. A count of levels cannot bound that: what a level
//! takes is the user's types' and the optimiser's affair. So the stack pointer is
//! compared with the lowest address that may be used. Near where the recursion began
//! that is all, one comparison; further down the thread's stack is looked at, which each
//! thread looks up once.

use std::cell::{Cell, OnceCell};
use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::ptr;

use rustix::process::{Resource, getrlimit};

/// Bytes below its beginning that any recursion may use, on whatever stack, before it looks
/// at what is left. What is not nested does with that. The rest of a call takes more stack
/// than that, so it would overflow anyway where there is less.
const NEAR: isize = 2 << 10;

/// Bytes below its beginning that a recursion may use on a stack that is not its
/// thread's own, as that of a coroutine is: nobody tells how large it is. It leaves half
/// of a stack of 64 KiB.
const ELSEWHERE: isize = 32 << 10;

/// What a recursion leaves of a thread's own stack, at least: a sixteenth of the stack, and
/// this many bytes if the stack has four times as many. The user's frames between two checks
/// are there, and those of allocations and destructors below the last check. A struct of 900
/// bytes with a derived `Deserialize` takes 8 KiB in a debug build, others in proportion.
///
/// A recursion that begins near the end leaves half of what it finds. One whose levels are
/// wide leaves twice the widest, as the next is about as wide.
const LEAST_RESERVE: usize = 128 << 10;

/// How many bytes deeper a recursion may go before it looks again how wide its levels are.
const STRIDE: usize = 4 << 10;

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
    /// The stack pointer when it last looked.
    looked: usize,
    /// Bytes that the widest of its levels takes, up to `STRIDE` bytes fewer than it does.
    widest: usize,
}

/// A recursion has used as much of its stack as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// So many bytes are left of its thread's stack, which has this size in bytes.
    OwnStack { size: usize, left: usize },
    /// It runs on another stack than its thread's own, and has used so many bytes of it.
    OtherStack { used: usize },
}

impl Headroom {
    /// A recursion that begins here.
    #[inline(always)]
    pub(crate) fn begin() -> Headroom {
        let start = stack_pointer();
        Headroom { start, allowed: NEAR, looked: start, widest: 0 }
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
        // Within a stride of where it last looked it may have checked; all below that is one
        // level's, as it would have looked there.
        let level = self.looked.saturating_sub(here).saturating_sub(STRIDE);
        self.widest = self.widest.max(level);
        self.looked = here;
        if let Some(known) = KNOWN.get()
            && self.compare(here, known).is_ok()
        {
            return Ok(());
        }
        // What is known may be old.
        self.compare(here, Room::find(here))
    }

    /// Compares with the stack of the calling thread.
    fn compare(&mut self, here: usize, own: Room) -> Result<(), Shortage> {
        if !own.stack.holds(here) {
            self.allowed = ELSEWHERE;
            let used = self.used(here);
            let shortage = Shortage::OtherStack { used: used.unsigned_abs() };
            return if used <= ELSEWHERE { Ok(()) } else { Err(shortage) };
        }
        // It may have begun on another stack.
        let start = if own.stack.holds(self.start) { self.start } else { here };
        let floor = own.stack.floor(start, self.widest).max(own.found);
        self.allowed = self.used(floor.max(here.saturating_sub(STRIDE)));
        let (size, left) = (own.stack.size(), here - own.stack.low);
        if here >= floor { Ok(()) } else { Err(Shortage::OwnStack { size, left }) }
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

    /// How far down a recursion may use it that begins at `start` and whose widest level
    /// takes this many bytes.
    fn floor(self, start: usize, widest: usize) -> usize {
        let reserve = (self.size() / 16).max(LEAST_RESERVE).min(self.size() / 4);
        let reserve = reserve.min((start - self.low) / 2);
        self.low + reserve.max(2 * widest)
    }
}

/// What is known of the stack of a thread.
#[derive(Clone, Copy, Debug)]
struct Room {
    stack: Stack,
    /// How far down it has been looked up.
    found: usize,
}

thread_local! {
    /// What was found last.
    static KNOWN: Cell<Option<Room>> = const { Cell::new(None) };

    /// The stack that this thread was given when it was made, if that can be told.
    static GIVEN: OnceCell<Option<Stack>> = const { OnceCell::new() };
}

impl Room {
    /// That of the calling thread's own stack, whose stack pointer is `here`.
    fn find(here: usize) -> Room {
        let room = Room::of_main(here).unwrap_or_else(|| {
            let stack = GIVEN.with(|given| *given.get_or_init(given_stack));
            let stack = stack.unwrap_or(Stack { low: 0, high: 0 });
            // Of another thread's nothing changes. Of the main thread's it does, so nothing is
            // kept but where it is.
            let found = if stack.holds(here) { stack.low } else { stack.high };
            Room { stack, found }
        });
        KNOWN.set(Some(room));
        room
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
        Some(Room { stack, found: stack.low.max(here.saturating_sub(STEP)) })
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
pub(crate) use tests::{near_the_end, on_a_thread};

#[cfg(test)]
mod tests;
