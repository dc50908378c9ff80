//! A worker's memory, as broken as it can be, against the program's two ends: the
//! consumer of responses and the producer of requests.
//!
//! The input says which calls the program makes, and what stands in each shared
//! word at the moment that the program looks at it.

#![no_main]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../pool-runtime/src/limits.rs"]
mod limits;
#[allow(dead_code, unused_imports)]
#[path = "../../pool-runtime/src/channel/ring/mod.rs"]
mod ring;

use ring::{Consumer, Corrupt, HEADER, Header, Lane, Message, Position, Producer};

/// The rest of the input; zeros behind its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        self.word(1) as u8
    }

    /// A number of so many bytes.
    fn word(&mut self, bytes: usize) -> u64 {
        let (now, later) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = later;
        now.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    }
}

/// One direction, of which the other side is in the hands of the input.
struct Broken<'a> {
    input: Rc<RefCell<Input<'a>>>,
    capacity: u64,
    area: RefCell<Vec<u8>>,
    word: Word<'a>,
}

/// All positions of a direction: this side stores one, and loads the others.
struct Word<'a> {
    input: Rc<RefCell<Input<'a>>>,
    capacity: u64,
    ours: Cell<u64>,
    theirs: Cell<u64>,
}

impl Position for Word<'_> {
    fn load(&self, _: Ordering) -> u64 {
        let mut input = self.input.borrow_mut();
        let (ours, theirs) = (self.ours.get(), self.theirs.get());
        let value = match input.byte() {
            0 => return theirs,
            1 => ours,
            2 => ours.wrapping_add(self.capacity),
            3 => input.word(8),
            4 => theirs.wrapping_add(input.word(1)),
            5 => (ours & !(self.capacity - 1)).wrapping_add(self.capacity + 8 * input.word(1)),
            6 => theirs.wrapping_sub(8 * input.word(1)),
            steps => theirs.wrapping_add(8 * u64::from(steps)),
        };
        self.theirs.set(value);
        value
    }

    fn store(&self, value: u64, _: Ordering) {
        self.ours.set(value);
    }
}

impl<'a> Broken<'a> {
    fn new(input: &Rc<RefCell<Input<'a>>>, capacity: u64) -> Self {
        let area = RefCell::new(vec![0; capacity as usize]);
        let (ours, theirs) = (Cell::new(0), Cell::new(0));
        let word = Word { input: Rc::clone(input), capacity, ours, theirs };
        Broken { input: Rc::clone(input), capacity, area, word }
    }

    fn places(&self, place: usize, length: usize) -> impl Iterator<Item = usize> {
        let capacity = self.capacity as usize;
        assert!(place < capacity && length <= capacity, "{length} bytes at {place}");
        (place..place + length).map(move |at| at % capacity)
    }
}

impl<'a> Lane for Broken<'a> {
    type Position = Word<'a>;

    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn far(&self) -> u64 {
        self.capacity / 4
    }

    fn head(&self) -> &Word<'a> {
        &self.word
    }

    fn tail(&self) -> &Word<'a> {
        &self.word
    }

    fn jump(&self) -> &Word<'a> {
        &self.word
    }

    fn write(&self, place: usize, bytes: &[u8]) {
        let mut area = self.area.borrow_mut();
        for (at, byte) in self.places(place, bytes.len()).zip(bytes) {
            area[at] = *byte;
        }
    }

    fn read(&self, place: usize, length: usize, into: &mut Vec<u8>) {
        let area = self.area.borrow();
        into.extend(self.places(place, length).map(|at| area[at]));
    }

    fn read_u64(&self, place: usize) -> u64 {
        assert!(place.is_multiple_of(8), "a word at {place}");
        let mut input = self.input.borrow_mut();
        let word = match input.byte() {
            0 => {
                let mut bytes = Vec::new();
                self.read(place, 8, &mut bytes);
                return u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
            }
            1 => input.word(8),
            2 => 1 << 56 | self.capacity.wrapping_add(input.word(1)).wrapping_sub(16),
            tag => u64::from(tag) << 56 | input.word(1),
        };
        self.write(place, &word.to_ne_bytes());
        word
    }
}

/// As the worker reads a frame where it lies; the program could.
fn peek(consumer: &mut Consumer<Broken<'_>>) -> Result<(), Corrupt> {
    if let Some(header) = consumer.peek()? {
        if header.frame() <= consumer.lane().capacity() {
            let mut body = Vec::new();
            consumer.lane().read(consumer.body(), header.length as usize, &mut body);
            consumer.release(header.frame());
        } else {
            consumer.release(HEADER as u64);
        }
    }
    Ok(())
}

/// As the program reads: whatever has come, and of a long frame no more than that.
fn take(consumer: &mut Consumer<Broken<'_>>, inbox: &mut Vec<u8>) -> Result<(), Corrupt> {
    let header = inbox.first_chunk().map(|word| Header::decode(u64::from_ne_bytes(*word)));
    let most = match header {
        None => consumer.lane().capacity(),
        Some(None) => return Err(Corrupt),
        Some(Some(header)) => header.frame().saturating_sub(inbox.len() as u64),
    };
    let (before, ours) = (inbox.len(), consumer.lane().word.ours.get());
    let taken = consumer.take(most, inbox)?;
    assert!(taken <= most.min(consumer.lane().capacity()));
    assert_eq!((inbox.len() - before) as u64, taken, "the buffer grows with what has come");
    let moved = consumer.lane().word.ours.get().wrapping_sub(ours);
    assert!(moved >= taken && (taken > 0 || moved == 0), "{moved} for {taken} bytes");
    if taken == 0 && most == 0 {
        inbox.clear();
    }
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    let input = Rc::new(RefCell::new(Input(bytes)));
    let capacity = 16 << (input.borrow_mut().byte() % 6);
    let mut consumer = Consumer::new(Broken::new(&input, capacity));
    let mut producer = Producer::new(Broken::new(&input, capacity));
    let (mut inbox, body) = (Vec::new(), [0x5a; 2048]);
    let (mut length, mut sent) = (0, 0);
    while !input.borrow().0.is_empty() {
        let call = input.borrow_mut().byte();
        // Going on after corruption, which the program does not do, is no worse.
        let _ = match call % 4 {
            0 => peek(&mut consumer),
            1 => take(&mut consumer, &mut inbox),
            2 => {
                // The worker scribbles over what the program reads.
                let place = input.borrow_mut().byte();
                let word = input.borrow_mut().word(8);
                let place = usize::from(place) * 8 % capacity as usize;
                consumer.lane().write(place, &word.to_ne_bytes());
                Ok(())
            }
            _ => {
                if sent == 0 {
                    length = input.borrow_mut().word(2) as usize % body.len();
                }
                let message = Message::new(1, [&body[..length / 2], &body[length / 2..length]]);
                let before = sent;
                producer.send(message, &mut sent).map(|whole| {
                    assert!(before <= sent && sent - before <= capacity);
                    if whole {
                        sent = 0;
                    }
                })
            }
        };
    }
});
