//! Jumps to the start of the area: taken when it is free, and once.

use super::*;

/// Where the frame that was just sent lies.
fn place_of_last(producer: &Producer<Local>, frame: &Frame) -> u64 {
    let tail = producer.lane().tail().load(Ordering::Relaxed);
    place(tail.wrapping_sub(frame.whole()), producer.lane().capacity()) as u64
}

#[test]
fn a_ring_that_is_used_in_turn_stays_at_its_start() {
    for start in [0, 1 << 40, 0_u64.wrapping_sub(8 * 256)] {
        let (mut producer, mut receiver) = ring(256, 64, start);
        let mut jumps = 0;
        let mut last = None;
        for number in 0..2000 {
            let frame = Frame::new(number, number % 25);
            send_whole(&mut producer, &frame);
            let at = place_of_last(&producer, &frame);
            assert!(at < 64, "a frame at {at}");
            jumps += usize::from(last.is_some_and(|last| at < last));
            last = Some(at);
            assert_eq!(receiver.peek(), Some(frame));
        }
        assert!(jumps > 500, "only {jumps} jumps");
        assert!(receiver.consumer.lane().0.area.borrow()[96..].iter().all(|&byte| byte == 0xee));
    }
}

#[test]
fn a_jump_waits_until_the_start_is_free_and_is_taken_once() {
    for start in [0, 0_u64.wrapping_sub(2 * 256)] {
        let (mut producer, mut receiver) = ring(256, 64, start);
        let mut read = 0;
        // How many frames are read before this one is sent, and where it lies then.
        let order = [0, 0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8].into_iter();
        let places = [0, 32, 64, 96, 128, 0, 32, 64, 96, 128, 160, 0, 32].into_iter();
        for (number, (before, at)) in order.zip(places).enumerate() {
            while read < before {
                assert_eq!(receiver.peek(), Some(Frame::new(read, 24)));
                read += 1;
            }
            let frame = Frame::new(number, 24);
            send_whole(&mut producer, &frame);
            assert_eq!(place_of_last(&producer, &frame), at, "frame {number}");
        }
        for number in read..13 {
            assert_eq!(receiver.peek(), Some(Frame::new(number, 24)));
        }
        assert_eq!(receiver.peek(), None);
    }
}

#[test]
fn after_a_jump_there_is_room_for_more_than_a_frame() {
    let (mut producer, mut receiver) = ring(1024, 64, 0);
    // The consumer is behind: a frame's bytes are free at the start, and then more.
    let mut places = Vec::new();
    for number in 0..13 {
        let frame = Frame::new(number, 8);
        send_whole(&mut producer, &frame);
        places.push(place_of_last(&producer, &frame));
        if (5..9).contains(&number) {
            assert_eq!(receiver.peek(), Some(Frame::new(number - 5, 8)));
        }
    }
    assert_eq!(places, [0, 16, 32, 48, 64, 80, 96, 112, 128, 0, 16, 32, 48]);
    for number in 4..13 {
        assert_eq!(receiver.peek(), Some(Frame::new(number, 8)));
    }
}

#[test]
fn a_consumer_that_slept_over_a_jump_takes_it_at_its_place() {
    for by_take in [false, true] {
        let (mut producer, mut receiver) = ring(256, 64, 0);
        for number in 0..3 {
            send_whole(&mut producer, &Frame::new(number, 24));
            if number < 2 {
                assert_eq!(receiver.peek(), Some(Frame::new(number, 24)));
            }
        }
        let frame = Frame::new(2, 24);
        assert_eq!(place_of_last(&producer, &frame), 0);
        assert!(receiver.consumer.has_unread());
        if by_take {
            receiver.take(256);
            assert_eq!(receiver.parse(), Some(frame));
        } else {
            assert_eq!(receiver.consumer.peek(), receiver.consumer.peek(), "peeked at twice");
            assert_eq!(receiver.peek(), Some(frame));
        }
        assert!(!receiver.consumer.has_unread());
    }
}

#[test]
fn a_long_frame_does_not_jump_but_goes_through() {
    let (mut producer, mut receiver) = ring(64, 16, 0);
    for number in 0..200 {
        let frame = Frame::new(number, if number % 3 == 0 { 100 + number } else { 8 });
        let mut sent = 0;
        let mut read = None;
        while !producer.send(frame.message(), &mut sent).unwrap() {
            read = receiver.peek().or(read);
        }
        while read.is_none() {
            read = receiver.peek();
        }
        assert_eq!(read, Some(frame));
    }
}
