//! Random orders of calls, beside a queue of frames.

use std::collections::VecDeque;

use super::*;

#[derive(Default)]
struct Seen {
    frames: usize,
    jumps: usize,
    refused: usize,
    long: usize,
}

/// One ring, from its first frame to its last.
fn live(seed: u64, seen: &mut Seen) {
    let mut rng = Rng(seed);
    let capacity = rng.pick(&[16, 32, 64, 256, 1024_u64]);
    let far = rng.pick(&[8, 16, capacity / 4, capacity / 2, NEVER]);
    let start = rng.pick(&[0, 8, capacity * 3 - 8, 0_u64.wrapping_sub(capacity * 20)]);
    let start = if start & (capacity - 1) == 0 { start } else { start & !(ALIGN as u64 - 1) };
    // Who is faster.
    let pace = rng.pick(&[10, 50, 90]);
    let (mut producer, mut receiver) = ring(capacity, far, start);
    let mut queue = VecDeque::new();
    let (mut next, mut sent, mut expected) = (None::<Frame>, 0, 0);
    for step in 0..600 {
        if step < 500 && rng.below(100) < pace {
            let frame = next.get_or_insert_with(|| {
                let most = usize::try_from(capacity).unwrap();
                let longest =
                    if rng.below(20) == 0 { 3 * most } else { rng.pick(&[9, most / 2, most]) };
                Frame::new(expected, rng.below(longest))
            });
            let jump = producer.lane().jump().load(Ordering::Relaxed);
            let whole = producer.send(frame.message(), &mut sent).unwrap();
            seen.jumps += usize::from(jump != producer.lane().jump().load(Ordering::Relaxed));
            seen.refused += usize::from(!whole);
            if whole {
                seen.long += usize::from(frame.whole() > capacity);
                queue.extend(next.take());
                (sent, expected) = (0, expected + 1);
            }
            continue;
        }
        let read = if rng.below(2) == 0 {
            receiver.peek()
        } else {
            receiver.take(ALIGN as u64 * rng.pick(&[0, 1, 2, 3, capacity]));
            receiver.parse()
        };
        if let Some(frame) = read {
            seen.frames += 1;
            match queue.pop_front() {
                Some(first) => assert_eq!(frame, first, "seed {seed}"),
                None => panic!("seed {seed}: a frame that nobody has sent: {frame:?}"),
            }
        }
        if queue.is_empty() && sent == 0 {
            assert!(receiver.bytes.is_empty(), "seed {seed}");
        }
    }
    let mut idle = 0;
    while idle < 2 || !queue.is_empty() {
        if let Some(frame) = next.take_if(|_| sent > 0) {
            if producer.send(frame.message(), &mut sent).unwrap() {
                queue.push_back(frame);
                sent = 0;
            } else {
                next = Some(frame);
            }
        }
        idle += 1;
        if let Some(frame) = receiver.peek() {
            assert_eq!(Some(frame), queue.pop_front(), "seed {seed}");
            idle = 0;
        }
        assert!(idle < 10_000, "seed {seed}: {} frames are lost", queue.len());
    }
}

#[test]
fn in_random_orders_every_frame_arrives_once_and_in_turn() {
    let mut seen = Seen::default();
    for seed in 0..2_000 {
        live(seed, &mut seen);
    }
    // Else it was no test of these.
    let Seen { frames, jumps, refused, long } = seen;
    assert!(
        frames > 100_000 && jumps > 5_000 && refused > 10_000 && long > 1_000,
        "{frames} frames, {jumps} jumps, {refused} refused, {long} long"
    );
}
