//! When to wake the other side, without ever asking it.
//!
//! The race: one side looks, finds nothing, and goes to sleep, while the other
//! publishes something and sees nobody asleep. What prevents it, on both flags
//! here, is that each side first writes its own word, then a fence, then reads
//! the other's:
//!
//! ```text
//!   who sleeps                      who publishes
//!   flag = asleep                   position = new
//!   fence (SeqCst)                  fence (SeqCst)
//!   look at the position again      look at the flag
//! ```
//!
//! Of two such fences one is first. If the sleeper's is, the publisher sees the
//! flag and wakes; if the publisher's is, the sleeper sees the position and does
//! not sleep. Whoever takes the flag down (`swap`) is the one that wakes, so a
//! sleep is ended by one call at most.
//!
//! A caller that wants a whole map may sleep though something has come. It looks at the
//! word of claims instead: if the worker has claimed its last chunk, it may have found
//! nobody to wake for that, and the caller reads what has come and does not sleep.
//!
//! The flag itself carries no bytes: who is awake again looks at the position, and
//! finds it with the ordering of the ring. It may even find the old position, woken
//! for no reason or before the new one has come to it. Then it begins anew, with its
//! flag and its fence, and of a publisher that has taken down the flag before, the
//! fence was before this one.

use std::sync::atomic::{AtomicU32, Ordering, fence};

/// What a flag is stored in: an atomic of the processor's, or of a model checker.
pub(crate) trait Word {
    fn load(&self, order: Ordering) -> u32;
    fn store(&self, value: u32, order: Ordering);
    fn swap(&self, value: u32, order: Ordering) -> u32;
    fn fence(order: Ordering);
}

impl Word for AtomicU32 {
    fn load(&self, order: Ordering) -> u32 {
        AtomicU32::load(self, order)
    }

    fn store(&self, value: u32, order: Ordering) {
        AtomicU32::store(self, value, order);
    }

    fn swap(&self, value: u32, order: Ordering) -> u32 {
        AtomicU32::swap(self, value, order)
    }

    fn fence(order: Ordering) {
        fence(order);
    }
}

/// A flag that is up while one side sleeps, or wants room.
#[derive(Debug)]
pub(crate) struct Sleep<'a, W>(pub(crate) &'a W);

impl<W: Word> Sleep<'_, W> {
    pub(crate) const AWAKE: u32 = 0;
    pub(crate) const ASLEEP: u32 = 1;

    /// The sleeper's first step; it must look once more before it sleeps.
    pub(crate) fn prepare(&self) {
        self.0.store(Self::ASLEEP, Ordering::Relaxed);
        W::fence(Ordering::SeqCst);
    }

    /// The sleeper is awake again, or need not sleep.
    pub(crate) fn end(&self) {
        self.0.store(Self::AWAKE, Ordering::Relaxed);
    }

    /// Whether the other sleeps at this moment, as far as can be seen.
    pub(crate) fn is_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) != Self::AWAKE
    }

    /// Whether the one that has just published must wake the other.
    pub(crate) fn must_wake(&self) -> bool {
        W::fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) != Self::AWAKE
            && self.0.swap(Self::AWAKE, Ordering::Relaxed) != Self::AWAKE
    }
}

/// How soon the program wants to hear from a worker.
///
/// ```text
///          a caller waits                   the worker summons
///   Lazy -----------------> Patient, Eager ---------------------> Served
///    |                                                             |  ^
///    |  the worker summons before it sleeps                        |  |
///    +-------------------------------------------------------------|--+
///   Lazy, Patient or Eager <--------- the program has read --------+
/// ```
///
/// Each wants to hear of what those before it do, and of more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WakePolicy {
    /// The program has been summoned, and will look.
    Served = 0,
    /// Nobody waits for a result, or only for the last of many. The worker summons when
    /// it has nothing to do, and when an item fails.
    Lazy = 1,
    /// Somebody waits for all results of a map. The worker summons when it begins the
    /// last chunk that it has, to be sent more.
    Patient = 2,
    /// Somebody waits for the next result. The worker summons at each, but for those that
    /// nobody wants before others of their chunk: then it does at the last.
    Eager = 3,
}

/// Whom a worker summons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Summon {
    Nobody,
    /// The engine's thread, by the bell.
    Bell,
    /// The caller that sleeps on the very word that says so, with no thread between.
    Caller,
}

/// The bits of the wake_policy.
const ATTENTION: u32 = 3;

/// Stored beside the wake_policy where a caller sleeps on the word.
const CALLER: u32 = 4;

/// What the word holds while a caller sleeps on it. Callers of several jobs may do so by
/// turns, each before the one before it is awake, or even asleep. One that was woken
/// before it slept must not find the word as it left it because another has come: each
/// has a number.
pub(crate) fn direct(wake_policy: WakePolicy, turn: u32) -> u32 {
    wake_policy as u32 | CALLER | turn << 3
}

/// The flag that tells a worker when to summon whom.
#[derive(Debug)]
pub(crate) struct Doorbell<'a, W>(pub(crate) &'a W);

impl<W: Word> Doorbell<'_, W> {
    /// The program's step; it must look once more before it relies on the bell.
    pub(crate) fn arm(&self, wake_policy: WakePolicy) {
        self.0.store(wake_policy as u32, Ordering::Relaxed);
        W::fence(Ordering::SeqCst);
    }

    /// The same for a caller that will sleep on the word.
    pub(crate) fn arm_direct(&self, wake_policy: WakePolicy, turn: u32) {
        self.0.store(direct(wake_policy, turn), Ordering::Relaxed);
        W::fence(Ordering::SeqCst);
    }

    /// Whom the worker must summon for what has just happened, that being of interest
    /// from such an wake_policy on.
    #[inline]
    pub(crate) fn summons(&self, least: WakePolicy) -> Summon {
        const SERVED: u32 = WakePolicy::Served as u32;
        W::fence(Ordering::SeqCst);
        if self.0.load(Ordering::Relaxed) & ATTENTION < least as u32 {
            return Summon::Nobody;
        }
        match self.0.swap(SERVED, Ordering::Relaxed) {
            SERVED => Summon::Nobody,
            armed if armed & CALLER != 0 => Summon::Caller,
            _ => Summon::Bell,
        }
    }
}
