//! The program's initialiser array: how a worker comes to serve before `main`.
//!
//! The linker gathers pointers to functions that the C runtime calls, in order,
//! before `main`. One of ours stands among them. In a worker it never returns,
//! so whatever the linker put behind it (C++ constructors, as a rule) would not
//! run, and a static `std::vector` would be read as empty: hence
//! [`run_the_rest`].

use std::arch::global_asm;
use std::ffi::{c_char, c_int};

/// What glibc passes to each entry; musl passes nothing, and nothing here reads
/// the arguments except to pass them on.
pub(crate) type Initialiser = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

// Weak, because a shared library has no such symbols and must link all the same.
global_asm!(".weak __init_array_start", ".weak __init_array_end");

// SAFETY: a declaration. GNU ld, gold, lld and mold define both symbols for
// executables; where they are not defined they are weak and thus null.
unsafe extern "C" {
    static __init_array_start: [usize; 0];
    static __init_array_end: [usize; 0];
}

/// Calls every entry that stands after `ours`.
pub(crate) fn run_the_rest(
    ours: Initialiser,
    argc: c_int,
    argv: *const *const c_char,
    envp: *const *const c_char,
) {
    let start = (&raw const __init_array_start).cast::<usize>();
    let end = (&raw const __init_array_end).cast::<usize>();
    if start.is_null() || end.is_null() {
        return;
    }
    let count = (end.addr() - start.addr()) / size_of::<usize>();
    // SAFETY: the linker places the array's entries between the two symbols, and
    // the dynamic loader relocates them before it runs the first; they are never
    // written afterwards.
    let entries = unsafe { std::slice::from_raw_parts(start, count) };
    let Some(position) = entries.iter().position(|&entry| entry == ours as *const () as usize)
    else {
        return;
    };
    for &entry in &entries[position + 1..] {
        // 0 and -1 are the traditional fillers, which the C runtime skips too.
        if entry == 0 || entry == usize::MAX {
            continue;
        }
        // SAFETY: each other entry is a function with this signature: that is what
        // the array is for, and the C runtime would make exactly this call next.
        let initialiser = unsafe { std::mem::transmute::<usize, Initialiser>(entry) };
        initialiser(argc, argv, envp);
    }
}
