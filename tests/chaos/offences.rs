//! What items do that their workers are not allowed, and are ended for.

use std::hint::black_box;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use pool_runtime::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::conditions::{Conditions, MEMORY};

/// What is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Offence {
    /// A vector beyond any limit of memory.
    Huge,
    /// One piece of memory after the other.
    Growth,
    /// As a C library does that does not look at what `malloc` gives.
    NullFromMalloc,
    /// As a C library does that looks, and aborts.
    AbortAfterMalloc,
    /// A socket, out of a sandbox.
    Socket,
    /// A pair of sockets that can send to others.
    Pair,
    /// A system call, by its number.
    Connect,
}

/// Against a limit of memory.
pub(crate) const OF_MEMORY: [Offence; 4] =
    [Offence::Huge, Offence::Growth, Offence::NullFromMalloc, Offence::AbortAfterMalloc];

/// Against a sandbox.
pub(crate) const OF_SANDBOX: [Offence; 3] = [Offence::Socket, Offence::Pair, Offence::Connect];

/// More than there is.
const HUGE: usize = 1 << 40;

impl Offence {
    /// Does it. It does not return, where it is not allowed.
    pub(crate) fn commit(self) {
        match self {
            Offence::Huge => {
                hush();
                black_box(vec![1_u8; HUGE]);
            }
            Offence::Growth => {
                hush();
                let mut kept = Vec::new();
                // Memory that is not touched counts as well.
                while kept.len() << 20 <= MEMORY {
                    kept.push(black_box(Vec::<u8>::with_capacity(1 << 20)));
                }
            }
            // SAFETY: there is none: malloc gives null, and the process is meant to be
            // killed for that.
            Offence::NullFromMalloc => unsafe {
                libc::memset(black_box(libc::malloc(HUGE)), 1, 1);
            },
            Offence::AbortAfterMalloc => {
                // SAFETY: it takes a number.
                if unsafe { black_box(libc::malloc(HUGE)) }.is_null() {
                    std::process::abort();
                }
            }
            Offence::Socket => drop(UdpSocket::bind("127.0.0.1:0")),
            Offence::Pair => drop(UnixDatagram::pair()),
            // SAFETY: a descriptor that is none, and an address of no length.
            Offence::Connect => unsafe {
                libc::connect(-1, std::ptr::null(), 0);
            },
        }
    }

    /// The signal that it is ended by.
    pub(crate) fn signal(self) -> i32 {
        match self {
            Offence::Huge | Offence::Growth | Offence::AbortAfterMalloc => libc::SIGABRT,
            Offence::NullFromMalloc => libc::SIGSEGV,
            Offence::Socket | Offence::Pair | Offence::Connect => libc::SIGSYS,
        }
    }

    /// Whether this is what an error says of an item that has done it.
    pub(crate) fn explains(self, error: &Error, conditions: &Conditions) -> bool {
        let (kind, says) = match self.forbidden_call() {
            Some(call) if conditions.sandboxed => {
                (ErrorKind::Died, format!("(the sandbox forbids the system call {call})"))
            }
            None if conditions.limits_memory => {
                (ErrorKind::MemoryLimit, format!("ran out of its {} MiB of memory", MEMORY >> 20))
            }
            _ => return false,
        };
        let told = (error.kind(), error.signal(), error.exit_code());
        told == (kind, Some(self.signal()), None) && error.to_string().contains(&says)
    }

    fn forbidden_call(self) -> Option<&'static str> {
        match self {
            Offence::Socket => Some("socket"),
            Offence::Pair => Some("socketpair"),
            Offence::Connect => Some("connect"),
            _ => None,
        }
    }
}

/// Rust says why it aborts, and nobody wants to read that hundreds of times.
fn hush() {
    // SAFETY: it takes an integer; the process has little time left to write to it.
    unsafe { libc::close(2) };
}
