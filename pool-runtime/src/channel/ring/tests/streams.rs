//! Frames of every length, at every place.

use super::*;

#[test]
fn a_frame_of_every_length_arrives_from_every_place() {
    for capacity in [32, 64, 256_u64] {
        for start in (0..2 * capacity).step_by(ALIGN) {
            // The last laps before the end of all numbers, and the first behind it.
            for start in [start, start.wrapping_sub(capacity)] {
                for length in 0..usize::try_from(capacity).unwrap() - HEADER + 1 {
                    let (mut producer, mut receiver) = ring(capacity, NEVER, start);
                    for number in 0..3 {
                        let frame = Frame::new(number, length);
                        send_whole(&mut producer, &frame);
                        let read = if number == 1 {
                            receiver.take(capacity);
                            receiver.parse()
                        } else {
                            receiver.peek()
                        };
                        assert_eq!(read, Some(frame), "{capacity} {start} {length}");
                        assert_eq!(receiver.peek(), None);
                        assert!(!receiver.consumer.has_unread());
                    }
                }
            }
        }
    }
}

#[test]
fn a_frame_that_is_longer_than_the_ring_comes_in_pieces() {
    for capacity in [32, 64, 256_u64] {
        let fits = usize::try_from(capacity).unwrap() - HEADER;
        for length in (fits + 1..fits + 20).chain([3 * fits, 10 * fits + 1, 1000]) {
            for (start, most) in [(0, 8), (8, 16), (24, capacity), (capacity - 8, 8)] {
                let (mut producer, mut receiver) = ring(capacity, ALIGN as u64, start);
                let frames = [Frame::new(1, 3), Frame::new(2, length), Frame::new(3, 3)];
                let mut read = Vec::new();
                for frame in &frames {
                    let mut sent = 0;
                    while !producer.send(frame.message(), &mut sent).unwrap() {
                        receiver.take(most);
                        read.extend(receiver.parse());
                    }
                    assert_eq!(sent, frame.whole());
                }
                while read.len() < frames.len() {
                    receiver.take(most);
                    read.extend(receiver.parse());
                }
                assert_eq!(read, frames, "{capacity} {length} {start} {most}");
            }
        }
    }
}

#[test]
fn a_ring_is_filled_to_its_last_byte_and_no_further() {
    for lengths in [&[56][..], &[24, 24], &[0, 8, 32], &[0; 8], &[49], &[17, 1, 0, 0]] {
        for start in (0..64).step_by(ALIGN) {
            let (mut producer, mut receiver) = ring(64, NEVER, start);
            for (number, &length) in lengths.iter().enumerate() {
                send_whole(&mut producer, &Frame::new(number, length));
            }
            let more = Frame::new(9, 0);
            let mut sent = 0;
            assert_eq!(producer.send(more.message(), &mut sent), Ok(false));
            assert_eq!(
                (sent, receiver.consumer.lane().tail().load(Ordering::Relaxed)),
                (0, start + 64)
            );
            for (number, &length) in lengths.iter().enumerate() {
                assert_eq!(receiver.peek(), Some(Frame::new(number, length)));
                if number == 0 {
                    send_whole(&mut producer, &more);
                }
            }
            assert_eq!(receiver.peek(), Some(more));
        }
    }
}

#[test]
fn a_frame_as_long_as_the_ring_is_sent_once_the_ring_is_empty() {
    let (mut producer, mut receiver) = ring(64, 16, 0);
    send_whole(&mut producer, &Frame::new(1, 0));
    let frame = Frame::new(2, 56);
    for _ in 0..3 {
        assert_eq!(producer.send(frame.message(), &mut 0), Ok(false));
    }
    assert_eq!(receiver.peek(), Some(Frame::new(1, 0)));
    send_whole(&mut producer, &frame);
    assert_eq!(receiver.peek(), Some(frame));
}

#[test]
fn a_piece_is_no_crumb() {
    let (mut producer, mut receiver) = ring(64, NEVER, 0);
    let frame = Frame::new(1, 200);
    let mut sent = 0;
    assert_eq!((producer.send(frame.message(), &mut sent), sent), (Ok(false), 64));
    receiver.take(8);
    assert_eq!((producer.send(frame.message(), &mut sent), sent), (Ok(false), 64));
    receiver.take(8);
    assert_eq!((producer.send(frame.message(), &mut sent), sent), (Ok(false), 80));
    receiver.take(64);
    assert_eq!((producer.send(frame.message(), &mut sent), sent), (Ok(false), 128));
    receiver.take(56);
    assert_eq!((producer.send(frame.message(), &mut sent), sent), (Ok(false), 184));
    receiver.take(16);
    assert_eq!((producer.send(frame.message(), &mut sent), sent), (Ok(false), 184));
    receiver.take(8);
    assert_eq!((producer.send(frame.message(), &mut sent), sent), (Ok(false), 200));
    // The last may be as small as it is.
    receiver.take(8);
    assert_eq!((producer.send(frame.message(), &mut sent), sent), (Ok(true), 208));
    // Asked once more, nothing is sent twice.
    assert_eq!((producer.send(frame.message(), &mut sent), sent), (Ok(true), 208));
    while receiver.missing() != Some(0) {
        receiver.take(64);
    }
    assert_eq!(receiver.parse(), Some(frame));
    assert_eq!(receiver.peek(), None);
}

#[test]
fn a_body_in_two_pieces_is_one_body() {
    let body: Vec<u8> = (1..=40).collect();
    for cut in 0..=body.len() {
        for start in [0, 40, 56] {
            let (mut producer, mut receiver) = ring(64, NEVER, start);
            let (first, second) = body.split_at(cut);
            let message = Message::new(5, [first, second]);
            assert_eq!(producer.send(message, &mut 0), Ok(true));
            assert_eq!(receiver.peek(), Some(Frame { tag: 5, body: body.clone() }));
        }
    }
}

#[test]
fn what_is_behind_a_body_up_to_the_next_frame_is_zero() {
    for length in 0..=24 {
        let (mut producer, receiver) = ring(64, NEVER, 48);
        send_whole(&mut producer, &Frame::new(1, length));
        let mut bytes = Vec::new();
        receiver.consumer.lane().read(48, 64, &mut bytes);
        let (frame, rest) = bytes.split_at(HEADER + length.next_multiple_of(ALIGN));
        assert!(frame[HEADER + length..].iter().all(|&byte| byte == 0));
        assert!(rest.iter().all(|&byte| byte == 0xee), "written behind the frame");
    }
}

#[test]
fn a_header_is_told_from_what_is_none() {
    for (tag, length) in [(1, 0), (255, 1), (7, usize::try_from(crate::limits::MAX_FRAME).unwrap())]
    {
        let header = Header::new(tag, length);
        assert_eq!(Header::decode(header.encode()), Some(header));
        assert!(header.frame().is_multiple_of(ALIGN as u64));
        assert!((8..16).contains(&(header.frame() - header.length)));
    }
    for word in [0, 5, (1 << 56) - 1, 1 << 56 | (crate::limits::MAX_FRAME + 1), u64::MAX] {
        assert_eq!(Header::decode(word), None, "{word:#x}");
    }
}

#[test]
#[should_panic(expected = "only what has come is released")]
fn what_has_not_come_is_not_released() {
    let (mut producer, mut receiver) = ring(64, NEVER, 0);
    send_whole(&mut producer, &Frame::new(1, 1));
    receiver.consumer.peek().unwrap();
    receiver.consumer.release(24);
}

#[test]
#[should_panic(expected = "a frame is released with its padding")]
fn no_frame_is_released_without_its_padding() {
    let (mut producer, mut receiver) = ring(64, NEVER, 0);
    send_whole(&mut producer, &Frame::new(1, 1));
    receiver.consumer.peek().unwrap();
    receiver.consumer.release(9);
}
