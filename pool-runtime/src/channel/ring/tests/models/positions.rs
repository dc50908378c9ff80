//! No byte is read before it was written, or written over before it was read.

use loom::thread;

use super::*;

/// Where a ring stands when its two ends begin to run side by side.
#[derive(Clone, Copy, Debug)]
struct Scene {
    name: &'static str,
    capacity: u64,
    far: u64,
    /// Frames that were sent and read before.
    sent: u64,
    read: u64,
    /// Frames that are sent, as long as there is room, and looks for one.
    sends: u64,
    looks: u64,
}

const NEW: Scene =
    Scene { name: "a new ring", capacity: 64, far: NEVER, sent: 0, read: 0, sends: 2, looks: 2 };
const WRAP: Scene = Scene { name: "a wrap", capacity: 32, sent: 2, sends: 2, looks: 3, ..NEW };
const JUMP: Scene = Scene { name: "a jump", far: 16, sent: 2, sends: 3, looks: 3, ..NEW };
const JUMPS: Scene = Scene { name: "jumps", read: 1, sends: 3, looks: 3, ..JUMP };

fn run(scene: Scene, faults: Faults) {
    let (mut producer, mut consumer) = Modelling::ring(scene.capacity, scene.far, faults);
    for number in 0..scene.sent {
        assert!(send(&mut producer, number));
    }
    for number in 0..scene.read {
        assert!(receive(&mut consumer, number));
    }
    let reader = thread::spawn(move || {
        let mut read = scene.read;
        for _ in 0..scene.looks {
            read += u64::from(receive(&mut consumer, read));
        }
        (consumer, read)
    });
    let mut sent = scene.sent;
    for _ in 0..scene.sends {
        sent += u64::from(send(&mut producer, sent));
    }
    let (mut consumer, mut read) = reader.join().unwrap();
    while receive(&mut consumer, read) {
        read += 1;
    }
    assert_eq!(read, sent, "frames are lost");
}

/// A frame longer than the ring, in pieces.
fn stream(faults: Faults) {
    let (mut producer, mut consumer) = Modelling::ring(32, NEVER, faults);
    let body: Vec<u8> = (0..72).collect();
    let whole = Header::new(1, body.len()).frame();
    let reader = thread::spawn(move || {
        let mut read = Vec::new();
        for _ in 0..4 {
            consumer.take(whole, &mut read).unwrap();
        }
        (consumer, read)
    });
    let mut sent = 0;
    let mut send = || producer.send(Message::new(1, [&body, &[]]), &mut sent).unwrap();
    for _ in 0..4 {
        send();
    }
    let (mut consumer, mut read) = reader.join().unwrap();
    while !send() {
        consumer.take(whole, &mut read).unwrap();
    }
    while consumer.take(whole, &mut read).unwrap() > 0 {}
    assert!(read.len() as u64 == whole && read[HEADER..].iter().copied().eq(0..72));
}

const LOAD: Weak = Weak { load: true, store: false };
const STORE: Weak = Weak { load: false, store: true };
const NONE: Faults = Faults {
    head: Weak { load: false, store: false },
    tail: Weak { load: false, store: false },
    late_jump: false,
};

/// What is weakened, and what it then is.
const MUTATIONS: [(&str, Faults); 4] = [
    ("tail is stored without Release", Faults { tail: STORE, ..NONE }),
    ("tail is loaded without Acquire", Faults { tail: LOAD, ..NONE }),
    ("head is stored without Release", Faults { head: STORE, ..NONE }),
    ("head is loaded without Acquire", Faults { head: LOAD, ..NONE }),
];

#[test]
fn a_producer_and_a_consumer_side_by_side_lose_and_tear_nothing() {
    for scene in [NEW, WRAP, JUMP, JUMPS] {
        holds(move || run(scene, NONE));
    }
    holds(|| stream(NONE));
}

#[test]
fn every_ordering_of_the_positions_is_needed() {
    for (what, faults) in MUTATIONS {
        for scene in [WRAP, JUMP, JUMPS] {
            fails(&format!("{what}, in {}", scene.name), TORN, move || run(scene, faults));
        }
        fails(&format!("{what}, in a long frame"), TORN, move || stream(faults));
    }
}

#[test]
fn a_jump_is_stored_before_the_position_that_it_is_needed_for() {
    let faults = Faults { late_jump: true, ..NONE };
    for scene in [JUMP, JUMPS] {
        fails(scene.name, TORN, move || run(scene, faults));
    }
}
