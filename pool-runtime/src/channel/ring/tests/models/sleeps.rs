//! Nobody sleeps while there is something to do: a wake-up that is missed is a
//! deadlock, which the checker sees.

use loom::thread;

use super::super::super::super::claims;
use super::*;

/// What the kernel does for a word that is slept on, and for a bell.
#[derive(Default)]
struct Kernel {
    lock: Mutex<u32>,
    condvar: Condvar,
}

impl Kernel {
    fn wait(&self, word: &AtomicU32, value: u32) {
        let guard = self.lock.lock().unwrap();
        if word.load(Ordering::Relaxed) == value {
            drop(self.condvar.wait(guard));
        }
    }

    fn wake(&self) {
        let _guard = self.lock.lock().unwrap();
        self.condvar.notify_one();
    }

    fn ring(&self) {
        *self.lock.lock().unwrap() += 1;
        self.condvar.notify_one();
    }

    /// Waits until the bell has been rung since this last returned.
    fn hear(&self) {
        let mut rings = self.lock.lock().unwrap();
        while *rings == 0 {
            rings = self.condvar.wait(rings).unwrap();
        }
        *rings = 0;
    }
}

#[derive(Default)]
struct Flags {
    word: AtomicU32,
    kernel: Kernel,
}

impl Flags {
    fn sleep<const FENCE: u8>(&self, ready: impl Fn() -> bool) {
        let sleep = Sleep::<Flag<'_, FENCE>>::ASLEEP;
        while self.word.load(Ordering::Relaxed) == sleep && !ready() {
            self.kernel.wait(&self.word, sleep);
        }
        Sleep(&Flag::<FENCE>(&self.word)).end();
    }

    fn published<const FENCE: u8>(&self) {
        if Sleep(&Flag::<FENCE>(&self.word)).must_wake() {
            self.kernel.wake();
        }
    }
}

/// One side sleeps until a frame comes.
fn for_a_frame<const SLEEPER: u8, const PUBLISHER: u8>(frames: u64, spurious: bool) {
    let (mut producer, mut consumer) = Modelling::ring(64, NEVER, Faults::default());
    let flags = Rc::new(Flags::default());
    let theirs = Rc::clone(&flags);
    let sleeper = thread::spawn(move || {
        for number in 0..frames {
            while !receive(&mut consumer, number) {
                Sleep(&Flag::<SLEEPER>(&theirs.word)).prepare();
                theirs.sleep::<SLEEPER>(|| consumer.has_unread());
            }
        }
    });
    if spurious {
        flags.kernel.wake();
    }
    for number in 0..frames {
        assert!(send(&mut producer, number));
        flags.published::<PUBLISHER>();
    }
    sleeper.join().unwrap();
}

/// One side sleeps until there is room.
fn for_room<const SLEEPER: u8, const PUBLISHER: u8>() {
    let (mut producer, mut consumer) = Modelling::ring(16, NEVER, Faults::default());
    assert!(send(&mut producer, 0));
    let flags = Rc::new(Flags::default());
    let theirs = Rc::clone(&flags);
    let sleeper = thread::spawn(move || {
        while !send(&mut producer, 1) {
            Sleep(&Flag::<SLEEPER>(&theirs.word)).prepare();
            let sent = send(&mut producer, 1);
            theirs.sleep::<SLEEPER>(|| sent);
            if sent {
                break;
            }
        }
    });
    assert!(receive(&mut consumer, 0));
    flags.published::<PUBLISHER>();
    sleeper.join().unwrap();
}

/// What the program and the worker do about the bell.
#[derive(Clone, Copy)]
enum Plan {
    /// The program wants every result at once.
    Eager,
    /// So does a caller that sleeps on the word.
    Direct,
    /// But one result may wait until there is another.
    Quiet,
    /// It wants to hear of some things only.
    Patient,
    /// It wants to hear before the worker sleeps.
    Lazy,
    /// It wants to hear at once after all, while the worker is about to sleep, but
    /// then goes on.
    Raised,
}

fn bell<const PROGRAM: u8, const WORKER: u8>(plan: Plan) {
    let (mut producer, mut consumer) = Modelling::ring(64, NEVER, Faults::default());
    let flags = Rc::new(Flags::default());
    let theirs = Rc::clone(&flags);
    let worker = thread::spawn(move || {
        let flag = Flag::<WORKER>(&theirs.word);
        let doorbell = Doorbell(&flag);
        for number in 0..2 {
            assert!(send(&mut producer, number));
            if matches!(plan, Plan::Quiet) && number == 0 {
                continue;
            }
            let sleeps = match plan {
                Plan::Eager | Plan::Direct | Plan::Quiet | Plan::Patient => false,
                Plan::Lazy => number == 1,
                Plan::Raised => number == 0,
            };
            let summon = doorbell.summons(match (plan, sleeps) {
                (_, true) => WakePolicy::Lazy,
                (Plan::Patient, false) => WakePolicy::Patient,
                _ => WakePolicy::Eager,
            });
            // A caller that sleeps on the word is heard by the kernel as a bell is.
            if summon != Summon::Nobody {
                theirs.kernel.ring();
            }
        }
    });
    let flag = Flag::<PROGRAM>(&flags.word);
    let doorbell = Doorbell(&flag);
    let mut read = 0;
    let mut look = |wake_policy| {
        match plan {
            Plan::Direct => doorbell.arm_direct(wake_policy, 0),
            _ => doorbell.arm(wake_policy),
        }
        while receive(&mut consumer, read) {
            read += 1;
        }
        read == 2
    };
    let wake_policy = match plan {
        Plan::Lazy => WakePolicy::Lazy,
        Plan::Eager | Plan::Direct | Plan::Quiet => WakePolicy::Eager,
        Plan::Patient => WakePolicy::Patient,
        Plan::Raised => {
            look(WakePolicy::Lazy);
            WakePolicy::Eager
        }
    };
    while !look(wake_policy) {
        flags.kernel.hear();
    }
    worker.join().unwrap();
}

/// A caller sleeps beside results if the worker has a chunk that it has not claimed. If
/// not, there is something to read, and it does not.
fn last_chunk<const PROGRAM: u8, const WORKER: u8>(loads_relaxed: bool) {
    let (mut producer, consumer) = Modelling::ring(64, NEVER, Faults::default());
    let word = Tallied { loads_relaxed, ..Tallied::default() };
    let shared = Rc::new((word, Flags::default()));
    let theirs = Rc::clone(&shared);
    let worker = thread::spawn(move || {
        let (word, flags) = &*theirs;
        // The results of the chunk before.
        assert!(send(&mut producer, 0));
        assert!(claims::claim(word, 0));
        if Doorbell(&Flag::<WORKER>(&flags.word)).summons(WakePolicy::Patient) != Summon::Nobody {
            flags.kernel.ring();
        }
    });
    let (word, flags) = &*shared;
    Doorbell(&Flag::<PROGRAM>(&flags.word)).arm(WakePolicy::Patient);
    match claims::count(word) {
        0 => flags.kernel.hear(),
        _ => assert!(consumer.has_unread(), "{UNSEEN}"),
    }
    worker.join().unwrap();
}

/// What is said of a claim without what came before it.
const UNSEEN: &str = "what was sent before the claim is seen behind it";

const PLANS: [Plan; 6] =
    [Plan::Eager, Plan::Direct, Plan::Quiet, Plan::Patient, Plan::Lazy, Plan::Raised];

/// Fences as they are, and what is left of them.
const STRONG: u8 = 2;
const WEAK: u8 = 1;
const NO: u8 = 0;

#[test]
fn a_sleeper_for_a_frame_is_always_woken() {
    holds(|| for_a_frame::<STRONG, STRONG>(2, false));
    holds(|| for_a_frame::<STRONG, STRONG>(1, true));
}

#[test]
fn a_sleeper_for_room_is_always_woken() {
    holds(for_room::<STRONG, STRONG>);
}

#[test]
fn the_program_hears_of_every_result() {
    for plan in PLANS {
        holds(move || bell::<STRONG, STRONG>(plan));
    }
}

#[test]
fn a_sleeper_beside_results_hears_of_the_last_chunk() {
    holds(|| last_chunk::<STRONG, STRONG>(false));
    fails("no fence of the program's", DEADLOCK, || last_chunk::<NO, STRONG>(false));
    fails("no fence of the worker's", DEADLOCK, || last_chunk::<STRONG, NO>(false));
    fails("a weak fence of the program's", DEADLOCK, || last_chunk::<WEAK, STRONG>(false));
    fails("a weak fence of the worker's", DEADLOCK, || last_chunk::<STRONG, WEAK>(false));
    fails("a count without Acquire", &[UNSEEN], || last_chunk::<STRONG, STRONG>(true));
}

#[test]
fn every_fence_of_a_sleep_is_needed_on_both_sides() {
    fails("no fence of the sleeper's", DEADLOCK, || for_a_frame::<NO, STRONG>(1, false));
    fails("no fence of the publisher's", DEADLOCK, || for_a_frame::<STRONG, NO>(1, false));
    fails("a weak fence of the sleeper's", DEADLOCK, || for_a_frame::<WEAK, STRONG>(1, false));
    fails("a weak fence of the publisher's", DEADLOCK, || for_a_frame::<STRONG, WEAK>(1, false));
    fails("for room: no fence of the sleeper's", DEADLOCK, for_room::<NO, STRONG>);
    fails("for room: no fence of the publisher's", DEADLOCK, for_room::<STRONG, NO>);
    fails("for room: a weak fence of the sleeper's", DEADLOCK, for_room::<WEAK, STRONG>);
    fails("for room: a weak fence of the publisher's", DEADLOCK, for_room::<STRONG, WEAK>);
}

#[test]
fn every_fence_of_the_bell_is_needed_on_both_sides() {
    for plan in PLANS {
        fails("no fence of the program's", DEADLOCK, move || bell::<NO, STRONG>(plan));
        fails("no fence of the worker's", DEADLOCK, move || bell::<STRONG, NO>(plan));
        fails("a weak fence of the program's", DEADLOCK, move || bell::<WEAK, STRONG>(plan));
        fails("a weak fence of the worker's", DEADLOCK, move || bell::<STRONG, WEAK>(plan));
    }
}
