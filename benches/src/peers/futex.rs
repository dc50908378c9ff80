//! The floor of what shared memory can do: two processes hand each other 16
//! bytes, each sleeping on a futex while it is not its turn.
//!
//! ```text
//!   sender    payload, then turn = n; if the other has said that it sleeps: wake
//!   receiver  spin while turn != n; then say "asleep", look at turn again, wait
//! ```
//!
//! Or neither ever sleeps: then each has a core of its own, to which it is pinned, and it
//! looks until the turn comes. Nothing is faster, but on a machine with nothing else to do.
//!
//! That no wake is lost rests on both orders being sequentially consistent: the
//! sender writes `turn` and then reads `asleep`, the receiver writes `asleep`
//! and then reads `turn`, so at least one of the two sees the other's write.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, Timespec, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::thread::{CpuSet, futex, sched_getaffinity, sched_setaffinity};

use super::Helper;
use crate::roles;

/// One direction. Apart from the other by more than a pair of cache lines.
#[repr(C, align(256))]
struct Side {
    turn: AtomicU32,
    asleep: AtomicU32,
    payload: [AtomicU64; 2],
}

#[repr(C)]
struct Sides {
    there: Side,
    back: Side,
}

/// Shared memory that holds the two sides.
struct Shared(*mut Sides);

impl Shared {
    fn map(memfd: impl AsFd) -> io::Result<Shared> {
        let length = size_of::<Sides>();
        ftruncate(&memfd, length as u64)?;
        #[allow(unsafe_code)]
        // SAFETY: a new mapping, wherever the kernel likes, touches nobody's memory.
        let address = unsafe {
            mmap(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                memfd,
                0,
            )?
        };
        Ok(Shared(address.cast()))
    }

    fn sides(&self) -> &Sides {
        #[allow(unsafe_code)]
        // SAFETY: the mapping is as long as `Sides`, aligned to a page, and lives
        // until `self` is dropped. It begins as zeros, and every bit pattern is
        // valid, as all fields are integers. The other process changes them, but
        // they are atomics.
        unsafe {
            &*self.0
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        #[allow(unsafe_code)]
        // SAFETY: the range is that of the mapping made in `map`, and no reference
        // into it outlives `self`.
        let unmapped = unsafe { munmap(self.0.cast(), size_of::<Sides>()) };
        debug_assert!(unmapped.is_ok());
    }
}

impl Side {
    fn send(&self, turn: u32, payload: u64) {
        for word in &self.payload {
            word.store(payload, Ordering::Relaxed);
        }
        self.turn.store(turn, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) != 0 {
            // It can only fail for an address that is none.
            let _ = futex::wake(&self.turn, futex::Flags::empty(), 1);
        }
    }

    /// Waits for the turn; `None` if it has not come after a second, or after very many
    /// looks where it never sleeps.
    fn receive(&self, turn: u32, spins: Spins) -> Option<u64> {
        let (looks, sleeps) = match spins {
            Spins::ThenSleep(looks) => (looks, true),
            Spins::Only => (1 << 24, false),
        };
        for _ in 0..looks {
            if self.turn.load(Ordering::Acquire) == turn {
                return Some(self.payload());
            }
            std::hint::spin_loop();
        }
        if !sleeps {
            return None;
        }
        self.asleep.store(1, Ordering::SeqCst);
        loop {
            let now = self.turn.load(Ordering::SeqCst);
            if now == turn {
                self.asleep.store(0, Ordering::Relaxed);
                return Some(self.payload());
            }
            let second = Timespec { tv_sec: 1, tv_nsec: 0 };
            let waited = futex::wait(&self.turn, futex::Flags::empty(), now, Some(&second));
            // Otherwise woken, or interrupted, or the turn came in between: look again.
            if waited == Err(rustix::io::Errno::TIMEDOUT) {
                return None;
            }
        }
    }

    fn payload(&self) -> u64 {
        self.payload[0].load(Ordering::Relaxed) ^ self.payload[1].load(Ordering::Relaxed)
    }
}

/// How a side waits for its turn.
#[derive(Clone, Copy, Debug)]
enum Spins {
    /// So many looks, and then it sleeps.
    ThenSleep(u32),
    /// It looks until the turn comes.
    Only,
}

/// The near side, with the process at the far side.
pub(crate) struct FutexFloor {
    shared: Shared,
    helper: Helper,
    spins: Spins,
    turn: u32,
    /// Where the thread was that made this, which alone may use it.
    _pinned: Option<Pinned>,
}

impl FutexFloor {
    /// Both processes spin so often before they sleep.
    pub(crate) fn start(spins: u32) -> io::Result<FutexFloor> {
        FutexFloor::over(Spins::ThenSleep(spins), &spins.to_string(), None)
    }

    /// Both processes spin, on a core of its own each. For one round: while it lives, it
    /// takes both cores from whoever else is measured.
    pub(crate) fn pinned() -> io::Result<FutexFloor> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        let (Some(near), Some(far)) = (cores.next(), cores.next()) else {
            return Err(io::Error::other("it needs two cores"));
        };
        let pinned = Pinned { before: allowed };
        pin(near)?;
        FutexFloor::over(Spins::Only, &format!("{PINNED}{far}"), Some(pinned))
    }

    fn over(spins: Spins, told: &str, pinned: Option<Pinned>) -> io::Result<FutexFloor> {
        let memfd: OwnedFd = memfd_create("futex-floor", MemfdFlags::CLOEXEC)?;
        let shared = Shared::map(&memfd)?;
        let helper = Helper(roles::command("futex").arg(told).stdin(memfd).spawn()?);
        Ok(FutexFloor { shared, helper, spins, turn: 0, _pinned: pinned })
    }

    pub(crate) fn ping_pong(&mut self) -> io::Result<()> {
        self.turn += 1;
        let sides = self.shared.sides();
        sides.there.send(self.turn, u64::from(self.turn));
        while sides.back.receive(self.turn, self.spins).is_none() {
            if let Some(status) = self.helper.0.try_wait()? {
                return Err(io::Error::other(format!("the far side ended with {status}")));
            }
        }
        Ok(())
    }
}

/// What stands before the far side's core where it is pinned.
const PINNED: &str = "pinned to ";

fn pin(core: usize) -> io::Result<()> {
    let mut one = CpuSet::new();
    one.set(core);
    Ok(sched_setaffinity(None, &one)?)
}

/// Lets the thread run again where it could before.
struct Pinned {
    before: CpuSet,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // It could be there before, so it can be there now, or the cpuset has changed.
        let _ = sched_setaffinity(None, &self.before);
    }
}

/// The far side: answers until the near one is gone.
pub(crate) fn answer(arguments: &mut dyn Iterator<Item = String>) -> Result<(), String> {
    let told = arguments.next().ok_or("the number of spins is missing")?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("no number: {told:?}"));
    let spins = match told.strip_prefix(PINNED) {
        Some(core) => {
            let core = number(core)?;
            pin(core as usize).map_err(|error| format!("not on core {core}: {error}"))?;
            Spins::Only
        }
        None => Spins::ThenSleep(number(&told)?),
    };
    let parent = rustix::process::getppid();
    let shared = Shared::map(io::stdin()).map_err(|error| format!("no memory: {error}"))?;
    let sides = shared.sides();
    for turn in 1.. {
        let payload = loop {
            if let Some(payload) = sides.there.receive(turn, spins) {
                break payload;
            }
            if rustix::process::getppid() != parent {
                return Ok(());
            }
        };
        sides.back.send(turn, payload);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wake_is_lost_between_two_threads() {
        let memfd = memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
        let near = Shared::map(&memfd).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let far = Shared::map(&memfd).unwrap();
                for turn in 1..=20_000 {
                    far.sides()
                        .there
                        .receive(turn, Spins::ThenSleep(turn % 64))
                        .expect("the turn comes");
                    far.sides().back.send(turn, 0);
                }
            });
            for turn in 1..=20_000 {
                near.sides().there.send(turn, 0);
                near.sides()
                    .back
                    .receive(turn, Spins::ThenSleep(turn % 64))
                    .expect("the turn comes");
            }
        });
    }
}
