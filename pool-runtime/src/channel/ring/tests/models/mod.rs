//! Models of the orderings, for every order of steps and every value that a load
//! may give under the memory model.
//!
//! Each model is run as it is, which must succeed, and with an ordering weakened,
//! which must fail: so no ordering is there for nothing, and the model would see
//! it if one were missing.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{self, AtomicU32, AtomicU64};
use loom::sync::{Condvar, Mutex};

use super::super::super::claims::Tally;
use super::super::doorbell::Word;
use super::super::*;
use super::NEVER;

mod begun;
mod claims;
mod positions;
mod sleeps;

/// Steps out of turn that are tried: all known mistakes need fewer.
const PREEMPTIONS: usize = 3;

fn holds(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.max_branches = 10_000;
    builder.check(model);
}

/// The model must fail, and for the right reason.
fn fails(what: &str, why: &[&str], model: impl Fn() + Sync + Send + 'static) {
    let failed = catch_unwind(AssertUnwindSafe(|| holds(model)));
    let panic = failed.expect_err(&format!("not found: {what}"));
    let said = panic.downcast_ref::<String>().map_or("", String::as_str);
    assert!(why.iter().any(|why| said.contains(why)), "{what} failed otherwise: {said}");
}

/// What is said of bytes that are read too early, and of a jump that is.
const TORN: &[&str] = &["Causality violation", "nothing is corrupt: Corrupt"];
const DEADLOCK: &[&str] = &["deadlock"];

/// The weaker of what is asked for and what a mutation leaves of it.
fn weakened(asked: Ordering, relaxed: bool) -> Ordering {
    if relaxed { Ordering::Relaxed } else { asked }
}

/// Which orderings of a position's are left out.
#[derive(Clone, Copy, Debug, Default)]
struct Weak {
    load: bool,
    store: bool,
}

/// A position that the checker sees.
#[derive(Default)]
struct Modelled {
    atomic: AtomicU64,
    weak: Weak,
    /// Stored with the next store of the position that has this one `behind`.
    late: Option<Cell<Option<u64>>>,
    behind: Option<Rc<Modelled>>,
}

impl Position for Modelled {
    fn load(&self, order: Ordering) -> u64 {
        self.atomic.load(weakened(order, self.weak.load))
    }

    fn store(&self, value: u64, order: Ordering) {
        if let Some(late) = &self.late {
            late.set(Some(value));
            return;
        }
        self.atomic.store(value, weakened(order, self.weak.store));
        if let Some(behind) = &self.behind
            && let Some(value) = behind.late.as_ref().and_then(Cell::take)
        {
            behind.atomic.store(value, Ordering::Relaxed);
        }
    }
}

/// A word of claims, or of a count, that the checker sees, with its orderings left out or
/// not.
#[derive(Default)]
struct Tallied {
    atomic: AtomicU64,
    loads_relaxed: bool,
    adds_relaxed: bool,
    replaces_relaxed: bool,
}

impl Tally for Tallied {
    fn load(&self, order: Ordering) -> u64 {
        self.atomic.load(weakened(order, self.loads_relaxed))
    }

    fn add(&self, value: u64, order: Ordering) -> u64 {
        self.atomic.fetch_add(value, weakened(order, self.adds_relaxed))
    }

    fn replace(&self, now: u64, new: u64, order: Ordering) -> bool {
        let order = weakened(order, self.replaces_relaxed);
        self.atomic.compare_exchange(now, new, order, Ordering::Relaxed).is_ok()
    }
}

/// A flag whose fences are as strong as the side that uses it has them: 0 for
/// none, 1 for one that acquires and releases, 2 for what is asked for.
#[derive(Clone, Copy, Debug)]
struct Flag<'a, const FENCE: u8>(&'a AtomicU32);

impl<const FENCE: u8> Word for Flag<'_, FENCE> {
    fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }

    /// By a swap, which orders the checker's stores as a flag's stores are ordered: by
    /// itself it does not know that nothing is between a swap and what that has
    /// replaced, and lets a fence be followed by a load of a store from before.
    fn store(&self, value: u32, order: Ordering) {
        self.0.swap(value, order);
    }

    fn swap(&self, value: u32, order: Ordering) -> u32 {
        self.0.swap(value, order)
    }

    fn fence(order: Ordering) {
        match FENCE {
            0 => {}
            1 => atomic::fence(Ordering::AcqRel),
            _ => atomic::fence(order),
        }
    }
}

/// What is wrong with a ring.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    head: Weak,
    tail: Weak,
    /// The jump is stored after the position that it is needed for.
    late_jump: bool,
}

/// A ring of which the checker sees every access.
struct Modelling {
    capacity: u64,
    far: u64,
    head: Modelled,
    tail: Modelled,
    jump: Rc<Modelled>,
    /// For each eight bytes: who has access, for the checker, and what they are.
    area: Vec<(UnsafeCell<()>, Cell<[u8; 8]>)>,
}

impl Modelling {
    fn ring(capacity: u64, far: u64, faults: Faults) -> (Producer<Rc<Self>>, Consumer<Rc<Self>>) {
        let late = faults.late_jump.then(Cell::default);
        let jump = Rc::new(Modelled { late, ..Modelled::default() });
        let behind = Some(Rc::clone(&jump));
        let lane = Rc::new(Modelling {
            capacity,
            far,
            head: Modelled { weak: faults.head, ..Modelled::default() },
            tail: Modelled { weak: faults.tail, behind, ..Modelled::default() },
            jump,
            area: (0..capacity / 8).map(|_| (UnsafeCell::new(()), Cell::default())).collect(),
        });
        (Producer::new(Rc::clone(&lane)), Consumer::new(lane))
    }
}

impl Lane for Rc<Modelling> {
    type Position = Modelled;

    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn far(&self) -> u64 {
        self.far
    }

    fn head(&self) -> &Modelled {
        &self.head
    }

    fn tail(&self) -> &Modelled {
        &self.tail
    }

    fn jump(&self) -> &Modelled {
        &self.jump
    }

    fn write(&self, place: usize, bytes: &[u8]) {
        assert!(place.is_multiple_of(8) && bytes.len().is_multiple_of(8));
        for (at, bytes) in bytes.chunks(8).enumerate() {
            let (access, cell) = &self.area[(place / 8 + at) % self.area.len()];
            access.with_mut(|_| cell.set(bytes.try_into().unwrap()));
        }
    }

    fn read(&self, place: usize, length: usize, into: &mut Vec<u8>) {
        for at in 0..length / 8 {
            let (access, cell) = &self.area[(place / 8 + at) % self.area.len()];
            access.with(|_| into.extend(cell.get()));
        }
    }

    fn read_u64(&self, place: usize) -> u64 {
        let (access, cell) = &self.area[place / 8];
        access.with(|_| u64::from_ne_bytes(cell.get()))
    }
}

/// The body of a frame of eight bytes.
fn body(number: u64) -> [u8; 8] {
    (number + 100).to_ne_bytes()
}

fn send(producer: &mut Producer<Rc<Modelling>>, number: u64) -> bool {
    let body = body(number);
    producer.send(Message::new(1, [&body, &[]]), &mut 0).unwrap()
}

/// Reads the frame of this number, if it has come.
fn receive(consumer: &mut Consumer<Rc<Modelling>>, number: u64) -> bool {
    let Some(header) = consumer.peek().expect("nothing is corrupt") else {
        return false;
    };
    assert_eq!(header, Header::new(1, 8));
    let mut read = Vec::new();
    consumer.lane().read(consumer.body(), 8, &mut read);
    assert_eq!(read, body(number));
    consumer.release(header.frame());
    true
}
