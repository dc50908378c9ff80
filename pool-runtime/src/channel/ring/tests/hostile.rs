//! The other process writes whatever it likes, whenever it likes.
//!
//! Every look at a shared word gives a value that has nothing to do with the one
//! before. That is more than a hostile process can do, who must at least be in
//! time. What may not happen: a panic, an access outside of the area, a call that
//! does not end, bytes that nobody has sent in a buffer that grows.

use std::cell::Cell;
use std::rc::Rc;

use super::*;

/// Where the next value comes from: one of `end`.
trait Chooser {
    fn choose(&mut self, end: usize) -> usize;
}

impl Chooser for Rng {
    fn choose(&mut self, end: usize) -> usize {
        self.below(end)
    }
}

/// All sequences of choices, one after the other.
#[derive(Debug, Default)]
struct All {
    /// What was chosen, and of how many.
    choices: Vec<(usize, usize)>,
    at: usize,
}

impl All {
    /// Goes to the next sequence; `false` after the last.
    fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((choice, end)) = self.choices.pop() {
            if choice + 1 < end {
                self.choices.push((choice + 1, end));
                return true;
            }
        }
        false
    }
}

impl Chooser for All {
    fn choose(&mut self, end: usize) -> usize {
        if self.at == self.choices.len() {
            self.choices.push((0, end));
        }
        self.at += 1;
        self.choices[self.at - 1].0
    }
}

/// Memory in the hands of a chooser.
struct Hostile<C> {
    capacity: u64,
    chooser: Rc<RefCell<C>>,
    word: HostileWord<C>,
}

/// All three positions: whoever reads one gets something like one.
struct HostileWord<C> {
    capacity: u64,
    chooser: Rc<RefCell<C>>,
    /// What this side has published.
    ours: Cell<u64>,
    /// What it was told, if that was not beyond belief.
    theirs: Cell<u64>,
}

impl<C: Chooser> Position for HostileWord<C> {
    fn load(&self, _: Ordering) -> u64 {
        let (ours, theirs, capacity) = (self.ours.get(), self.theirs.get(), self.capacity);
        let values = [
            ours,
            ours.wrapping_add(8),
            ours.wrapping_add(capacity),
            ours.wrapping_add(capacity + 8),
            ours.wrapping_sub(8),
            next_lap(ours, capacity),
            next_lap(ours, capacity).wrapping_add(8),
            theirs,
            theirs.wrapping_add(1),
            theirs.wrapping_sub(8),
            0,
            1 << 63,
        ];
        let value = values[self.chooser.borrow_mut().choose(values.len())];
        if value.wrapping_sub(ours) <= capacity {
            self.theirs.set(value);
        }
        value
    }

    fn store(&self, value: u64, _: Ordering) {
        self.ours.set(value);
    }
}

impl<C: Chooser> Lane for Hostile<C> {
    type Position = HostileWord<C>;

    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn far(&self) -> u64 {
        8
    }

    fn head(&self) -> &HostileWord<C> {
        &self.word
    }

    fn tail(&self) -> &HostileWord<C> {
        &self.word
    }

    fn jump(&self) -> &HostileWord<C> {
        &self.word
    }

    fn write(&self, place: usize, bytes: &[u8]) {
        self.within(place, bytes.len());
    }

    fn read(&self, place: usize, length: usize, into: &mut Vec<u8>) {
        self.within(place, length);
        into.resize(into.len() + length, 0xa5);
    }

    fn read_u64(&self, place: usize) -> u64 {
        self.within(place, 8);
        assert!(place.is_multiple_of(8));
        let (capacity, most) = (self.capacity, crate::limits::MAX_FRAME);
        let lengths =
            [0, 1, 8, capacity - 8, capacity - 7, capacity, most, most + 1, (1 << 56) - 1];
        let words = lengths.map(|length| 1 << 56 | length);
        let chosen = self.chooser.borrow_mut().choose(words.len() + 2);
        words.get(chosen).copied().unwrap_or([0, u64::MAX][chosen % 2])
    }
}

impl<C: Chooser> Hostile<C> {
    fn new(capacity: u64, start: u64, chooser: &Rc<RefCell<C>>) -> Self {
        let (ours, theirs) = (Cell::new(start), Cell::new(start));
        let word = HostileWord { capacity, chooser: Rc::clone(chooser), ours, theirs };
        Hostile { capacity, chooser: Rc::clone(chooser), word }
    }

    fn within(&self, place: usize, length: usize) {
        let capacity = usize::try_from(self.capacity).unwrap();
        assert!(place < capacity && length <= capacity, "{length} bytes at {place}");
    }
}

#[derive(Clone, Copy)]
enum Call {
    Peek,
    Take,
}

/// Reads as both sides read; gives how often something came.
fn read<C: Chooser>(
    capacity: u64,
    start: u64,
    chooser: &Rc<RefCell<C>>,
    calls: &[Call],
    go_on: bool,
) -> usize {
    let mut consumer = Consumer::at(Hostile::new(capacity, start, chooser), start);
    let mut came = 0;
    for call in calls {
        let result = match call {
            Call::Peek => peek(&mut consumer),
            Call::Take => take(&mut consumer, capacity),
        };
        match result {
            Ok(some) => came += usize::from(some),
            Err(Corrupt) if go_on => {}
            Err(Corrupt) => break,
        }
    }
    came
}

fn peek<C: Chooser>(consumer: &mut Consumer<Hostile<C>>) -> Result<bool, Corrupt> {
    let Some(header) = consumer.peek()? else {
        return Ok(false);
    };
    if header.frame() > consumer.lane().capacity() {
        consumer.release(HEADER as u64);
        return take(consumer, header.frame() - HEADER as u64);
    }
    let length = usize::try_from(header.length).unwrap();
    // In one piece, thanks to the second mapping, if there is anything.
    consumer.lane().within(consumer.body(), length);
    consumer.release(header.frame());
    Ok(true)
}

fn take<C: Chooser>(consumer: &mut Consumer<Hostile<C>>, most: u64) -> Result<bool, Corrupt> {
    let mut into = Vec::new();
    let before = consumer.lane().head().ours.get();
    let taken = consumer.take(most, &mut into)?;
    assert!(taken <= most && taken <= consumer.lane().capacity() && taken == into.len() as u64);
    let moved = consumer.lane().head().ours.get().wrapping_sub(before);
    assert!(taken > 0 || moved == 0, "went forward by {moved} and gave nothing");
    Ok(taken > 0)
}

/// Sends so many frames, or pieces; gives how many went.
fn send<C: Chooser>(
    capacity: u64,
    start: u64,
    chooser: &Rc<RefCell<C>>,
    calls: usize,
    go_on: bool,
) -> usize {
    let mut producer = Producer::at(Hostile::new(capacity, start, chooser), start);
    let fits = usize::try_from(capacity).unwrap() - HEADER;
    let (mut frame, mut sent, mut went) = (None, 0, 0);
    for number in 0..calls {
        let frame: &mut Frame = frame.get_or_insert_with(|| {
            let lengths = [0, fits / 2, fits, 3 * fits];
            Frame::new(number, lengths[chooser.borrow_mut().choose(lengths.len())])
        });
        let before = sent;
        let tail = producer.lane().tail().ours.get();
        match producer.send(frame.message(), &mut sent) {
            Ok(whole) => {
                assert!(sent >= before && sent - before <= capacity && sent <= frame.whole());
                assert_eq!(whole, sent == frame.whole());
                let moved = producer.lane().tail().ours.get().wrapping_sub(tail);
                assert!(moved <= 2 * capacity, "went forward by {moved}");
                went += usize::from(whole);
                if whole {
                    *frame = Frame::new(number, chooser.borrow_mut().choose(2) * fits);
                    sent = 0;
                }
            }
            Err(Corrupt) if go_on => assert_eq!(sent, before),
            Err(Corrupt) => break,
        }
    }
    went
}

/// Where a ring may stand: at its beginning, in a lap, before the end of all numbers.
const STARTS: [u64; 4] = [0, 24, u64::MAX - 31, u64::MAX - 7];

#[test]
fn what_makes_no_sense_to_a_reader_is_corrupt() {
    let word = |tag: u64, length: u64| tag << 56 | length;
    // What the tail goes to from 160 on, the jump, and the first word.
    let table = [
        ("a tail that goes back", 152, 0, word(1, 0)),
        ("a tail that is too far", 160 + 72, 0, word(1, 100)),
        ("a tail between two words", 172, 0, word(1, 0)),
        ("a jump between two words", 208, 161, word(1, 100)),
        ("a jump behind which nothing was sent", 192, 160, word(1, 0)),
        ("a jump that ends behind the tail", 176, 168, word(1, 0)),
        ("a frame without a tag", 168, 0, word(0, 0)),
        ("a frame that is longer than what has come", 168, 0, word(1, 1)),
        ("a frame longer than any", 168, 0, word(1, crate::limits::MAX_FRAME + 1)),
    ];
    for (what, tail, jump, first) in table {
        let (producer, mut receiver) = ring(64, NEVER, 160);
        let lane = producer.lane();
        lane.write(32, &first.to_ne_bytes());
        lane.jump().store(jump, Ordering::Relaxed);
        lane.tail().store(tail, Ordering::Relaxed);
        assert_eq!(receiver.consumer.peek(), Err(Corrupt), "{what}");
    }
}

#[test]
fn a_tail_that_goes_back_while_the_reader_is_at_a_jump_is_corrupt() {
    let (producer, mut receiver) = ring(64, NEVER, 160);
    let lane = producer.lane();
    for place in [32, 0] {
        lane.write(place, &(1_u64 << 56).to_ne_bytes());
    }
    lane.jump().store(168, Ordering::Relaxed);
    lane.tail().store(208, Ordering::Relaxed);
    assert_eq!(receiver.peek(), Some(Frame { tag: 1, body: Vec::new() }));
    lane.tail().store(200, Ordering::Relaxed);
    assert_eq!(receiver.consumer.peek(), Err(Corrupt));
}

#[test]
fn what_makes_no_sense_to_a_writer_is_corrupt() {
    let frame = Frame::new(1, 24);
    for head in [120, 128 + 72, 132, 0, u64::MAX, 64] {
        let (mut producer, _) = ring(64, NEVER, 128);
        send_whole(&mut producer, &frame);
        send_whole(&mut producer, &frame);
        producer.lane().head().store(head, Ordering::Relaxed);
        assert_eq!(producer.send(frame.message(), &mut 0), Err(Corrupt), "{head}");
    }
}

#[test]
fn no_reader_is_harmed_by_random_memory() {
    let mut came = 0;
    for seed in 0..20_000 {
        let chooser = Rc::new(RefCell::new(Rng(seed)));
        let (capacity, start, calls) = {
            let mut rng = chooser.borrow_mut();
            let calls: [Call; 40] = std::array::from_fn(|_| rng.pick(&[Call::Peek, Call::Take]));
            (rng.pick(&[16, 32, 256, 4096]), rng.pick(&STARTS), calls)
        };
        came += read(capacity, start, &chooser, &calls, seed % 2 == 0);
    }
    assert!(came > 50_000, "only {came} frames looked like some");
}

#[test]
fn no_writer_is_harmed_by_random_memory() {
    let mut went = 0;
    for seed in 0..20_000 {
        let chooser = Rc::new(RefCell::new(Rng(seed)));
        let (capacity, start) = {
            let mut rng = chooser.borrow_mut();
            (rng.pick(&[16, 32, 256, 1024]), rng.pick(&STARTS))
        };
        went += send(capacity, start, &chooser, 40, seed % 2 == 0);
    }
    assert!(went > 50_000, "only {went} frames were sent");
}

#[test]
fn no_reader_is_harmed_by_any_nasty_values() {
    use Call::{Peek, Take};
    for start in STARTS {
        for calls in [&[Peek, Take][..], &[Take, Peek], &[Take, Take, Take]] {
            let chooser = Rc::new(RefCell::new(All::default()));
            let mut came = read(32, start, &chooser, calls, false);
            while chooser.borrow_mut().advance() {
                came += read(32, start, &chooser, calls, false);
            }
            assert!(came > 100, "only {came}");
        }
    }
}

#[test]
fn no_writer_is_harmed_by_any_nasty_values() {
    for start in STARTS {
        let chooser = Rc::new(RefCell::new(All::default()));
        let mut went = send(32, start, &chooser, 3, false);
        while chooser.borrow_mut().advance() {
            went += send(32, start, &chooser, 3, false);
        }
        assert!(went > 100, "only {went}");
    }
}
