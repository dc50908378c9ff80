use super::*;
use crate::limits::{OUTPUT_LINE, OUTPUT_QUEUED, OUTPUT_TAIL};
use crate::wire::output::{MARK, begun, ended};

const SEAL: Seal = *b"the seal of one.";

fn write(fd: &OwnedFd, bytes: &[u8]) {
    assert_eq!(rustix::io::write(fd, bytes), Ok(bytes.len()), "there is room in the pipe");
}

fn captured() -> (OutputCapture, Ends) {
    OutputCapture::new(SEAL, None).unwrap()
}

fn stderr(written: &Written) -> Option<&str> {
    written.stderr.as_deref()
}

#[test]
fn the_output_of_a_failed_item_is_found_behind_that_of_others_and_before_it() {
    let (mut capture, ends) = captured();
    write(&ends.stderr, &begun(&SEAL, 0));
    write(&ends.stderr, b"zero");
    write(&ends.stderr, &ended(&SEAL, false));
    for item in 1..4 {
        write(&ends.stderr, &begun(&SEAL, item));
        write(&ends.stderr, format!("item {item}").as_bytes());
        write(&ends.stderr, &ended(&SEAL, item != 2));
    }
    // Nothing was read before the first failure came in.
    assert_eq!(stderr(&capture.of_failed()), Some("item 1"));
    assert_eq!(stderr(&capture.of_failed()), Some("item 3"));
    assert_eq!(stderr(&capture.of_failed()), None, "and no more");
    assert_eq!(capture.take_in(Stream::Stderr), Taken::Enough);
    assert_eq!(capture.end(true).stdout, None);
}

#[test]
fn a_second_failure_waits_until_the_first_is_claimed_or_given_up() {
    let (mut capture, ends) = captured();
    for item in 0..2 {
        write(&ends.stderr, &begun(&SEAL, item));
        write(&ends.stderr, format!("item {item}").as_bytes());
        write(&ends.stderr, &ended(&SEAL, true));
    }
    assert_eq!(capture.take_in(Stream::Stderr), Taken::Stuck);
    assert_eq!(capture.take_in(Stream::Stderr), Taken::Stuck);
    capture.make_room(Stream::Stderr);
    assert_eq!(capture.take_in(Stream::Stderr), Taken::Enough);
    assert_eq!(stderr(&capture.of_failed()), Some("item 1"));
}

#[test]
fn an_overdue_item_has_what_it_wrote_also_where_the_next_is_marked_already() {
    let (done, failed, next) = (ended(&SEAL, false), ended(&SEAL, true), begun(&SEAL, 6));
    let behind: [&[[u8; MARK]]; 5] = [&[], &[done], &[failed], &[done, next], &[failed, next]];
    for marks in behind {
        let (mut capture, ends) = captured();
        write(&ends.stderr, &begun(&SEAL, 4));
        write(&ends.stderr, b"not this");
        write(&ends.stderr, &done);
        write(&ends.stderr, &begun(&SEAL, 5));
        write(&ends.stderr, b"too ");
        assert_eq!(capture.take_in(Stream::Stderr), Taken::Enough);
        write(&ends.stderr, b"slow");
        marks.iter().for_each(|mark| write(&ends.stderr, mark));
        let written = capture.of_overdue(Some(5));
        assert_eq!((stderr(&written), &written.stdout), (Some("too slow"), &None), "{marks:?}");
    }
    // A task has closed the descriptors that the later marks were for.
    let (mut capture, ends) = captured();
    write(&ends.stderr, &begun(&SEAL, 4));
    write(&ends.stderr, b"and so on");
    assert_eq!(stderr(&capture.of_overdue(Some(5))), Some("and so on"));
}

#[test]
fn a_flood_is_read_a_bounded_amount_a_turn_and_its_end_is_kept() {
    let (mut capture, ends) = captured();
    let writer = std::thread::spawn(move || {
        let text: Vec<u8> = (0..1_000_000).map(|n: u32| b'a' + (n % 26) as u8).collect();
        for part in text.chunks(4096) {
            assert_eq!(rustix::io::write(&ends.stderr, part), Ok(part.len()));
        }
        text
    });
    let mut turns = 0;
    while capture.take_in(Stream::Stderr) == Taken::Enough {
        turns += 1;
        let memory = capture.pipes[1].bytes.capacity();
        assert!(memory <= 4 * TURN, "{memory}");
    }
    assert!(turns >= 1_000_000 / (4 * TURN), "{turns}");
    let text = writer.join().unwrap();
    let written = capture.end(true);
    assert_eq!(stderr(&written).unwrap().as_bytes(), &text[text.len() - OUTPUT_TAIL..]);
}

#[test]
fn the_end_of_a_worker_does_not_wait_for_the_end_of_its_streams() {
    let (capture, ends) = captured();
    // As a process does that the worker has started and that lives on.
    let holder = ends.stderr.try_clone().unwrap();
    write(&ends.stderr, &begun(&SEAL, 0));
    write(&ends.stderr, b"dying words");
    assert_eq!(stderr(&capture.end(true)), Some("dying words"));
    // What it writes later goes nowhere.
    assert_eq!(rustix::io::write(&holder, b"x"), Err(Errno::PIPE));
}

#[test]
fn marks_that_make_no_sense_cost_no_memory() {
    let (mut capture, ends) = captured();
    for _ in 0..10_000 {
        write(&ends.stderr, &ended(&SEAL, true));
        write(&ends.stderr, &[SEAL.as_slice(), &[0xff; 9]].concat());
        while capture.take_in(Stream::Stderr) == Taken::Stuck {
            capture.make_room(Stream::Stderr);
        }
    }
    assert!(capture.pipes[1].bytes.capacity() <= 4 * TURN);
    assert_eq!(stderr(&capture.end(false)), None);
}

/// All that is in a mailbox.
fn letters(mailbox: &Mailbox) -> Vec<String> {
    mailbox.close();
    let letters = std::iter::from_fn(|| mailbox.take());
    letters.map(|(_, lines)| String::from_utf8(lines).unwrap()).collect()
}

fn relayed() -> (Arc<Mailbox>, OutputCapture, Ends) {
    let mailbox = Arc::new(Mailbox::default());
    let (capture, ends) = OutputCapture::new(SEAL, Some((&mailbox, "worker 2"))).unwrap();
    (mailbox, capture, ends)
}

#[test]
fn lines_say_where_they_are_from() {
    let (mailbox, mut capture, ends) = relayed();
    let stream: [&[u8]; 11] = [
        b"boot\npartial",
        &begun(&SEAL, 17),
        b"a\n\nb",
        b"c\nno end",
        &ended(&SEAL, true),
        b"between\n",
        &begun(&SEAL, Item::MAX),
        b"single",
        &ended(&SEAL, false),
        &begun(&SEAL, 18),
        b"dying words",
    ];
    for part in stream {
        write(&ends.stdout, part);
        assert_eq!(capture.take_in(Stream::Stdout), Taken::Enough);
    }
    capture.end(true);
    assert_eq!(
        letters(&mailbox).concat(),
        "[worker 2] boot\n[worker 2] partial\n[worker 2 item 17] a\n[worker 2 item 17] \n\
         [worker 2 item 17] bc\n[worker 2 item 17] no end\n[worker 2] between\n\
         [worker 2] single\n[worker 2 item 18] dying words\n"
    );
}

#[test]
fn a_line_that_is_too_long_is_cut_and_loses_nothing() {
    let (mailbox, mut capture, ends) = relayed();
    for length in [OUTPUT_LINE, 2 * OUTPUT_LINE + 5] {
        let line = [&vec![b'x'; length][..], b"\n"].concat();
        for part in line.chunks(4095) {
            write(&ends.stdout, part);
            assert_eq!(capture.take_in(Stream::Stdout), Taken::Enough);
        }
    }
    let printed = letters(&mailbox).concat();
    let lengths = printed.lines().map(|line| line.strip_prefix("[worker 2] ").unwrap().len());
    let whole = OUTPUT_LINE;
    assert_eq!(Vec::from_iter(lengths), [whole, whole, whole, 5]);
}

#[test]
fn who_writes_waits_for_a_full_mailbox_and_who_writes_nothing_does_not() {
    let (mailbox, mut capture, ends) = relayed();
    let (mut silent, silent_ends) = OutputCapture::new(SEAL, Some((&mailbox, "worker 3"))).unwrap();
    let line = [&[b'x'; 4000][..], b"\n"].concat();
    let mut lines = 0;
    loop {
        write(&ends.stdout, &line);
        lines += 1;
        if capture.take_in(Stream::Stdout) == Taken::Stuck {
            break;
        }
        assert!(lines <= 2 * OUTPUT_QUEUED / line.len(), "it is full at some time");
    }
    for item in 0..10_000 {
        write(&silent_ends.stdout, &begun(&SEAL, item));
        write(&silent_ends.stdout, &ended(&SEAL, false));
        assert_eq!(silent.take_in(Stream::Stdout), Taken::Enough);
    }
    // Somebody prints: once there is place, who waits is told.
    let mut told = 0;
    for _ in 0..2 {
        let (_, lines) = mailbox.take().unwrap();
        told += usize::from(mailbox.printed(lines.len()));
    }
    assert_eq!(told, 1);
    assert_eq!(capture.take_in(Stream::Stdout), Taken::Enough);
    // What a worker leaves that dies has a place in any case.
    while capture.take_in(Stream::Stdout) != Taken::Stuck {
        write(&ends.stdout, &line);
        lines += 1;
    }
    capture.end(true);
    assert_eq!(letters(&mailbox).concat().lines().count(), lines - 2);
}

#[test]
fn lines_of_the_dead_are_dropped_in_the_end_and_that_is_told() {
    let mailbox = Mailbox::default();
    let line = [&vec![b'x'; 1 << 20][..], b"\n"].concat();
    for _ in 0..100 {
        mailbox.push(Stream::Stdout, &line);
    }
    let letters = letters(&mailbox);
    assert!(letters.iter().map(String::len).sum::<usize>() <= (64 << 20) + 2 * line.len());
    let (last, others) = letters.split_last().unwrap();
    let dropped = 100 - others.len();
    assert_eq!(last, &format!("[pool] {dropped} lines of workers that died were dropped\n"));
}
