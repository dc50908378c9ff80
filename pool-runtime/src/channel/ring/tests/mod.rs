//! What the tests of the ring have in common: a ring in this process, frames, and
//! chance.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;

mod hostile;
mod jumps;
mod models;
mod random;
mod streams;
mod torture;

/// A ring in this process.
#[derive(Debug)]
struct Memory {
    capacity: u64,
    far: u64,
    head: AtomicU64,
    tail: AtomicU64,
    jump: AtomicU64,
    area: RefCell<Vec<u8>>,
}

/// One end's view of it.
#[derive(Clone, Debug)]
struct Local(Rc<Memory>);

impl Local {
    fn wrapped(&self, place: usize, length: usize) -> impl Iterator<Item = usize> {
        let capacity = usize::try_from(self.0.capacity).unwrap();
        assert!(place < capacity && length <= capacity, "{length} bytes at {place}");
        (place..place + length).map(move |at| at % capacity)
    }
}

impl Lane for Local {
    type Position = AtomicU64;

    fn capacity(&self) -> u64 {
        self.0.capacity
    }

    fn far(&self) -> u64 {
        self.0.far
    }

    fn head(&self) -> &AtomicU64 {
        &self.0.head
    }

    fn tail(&self) -> &AtomicU64 {
        &self.0.tail
    }

    fn jump(&self) -> &AtomicU64 {
        &self.0.jump
    }

    fn write(&self, place: usize, bytes: &[u8]) {
        let mut area = self.0.area.borrow_mut();
        for (at, byte) in self.wrapped(place, bytes.len()).zip(bytes) {
            area[at] = *byte;
        }
    }

    fn read(&self, place: usize, length: usize, into: &mut Vec<u8>) {
        let area = self.0.area.borrow();
        into.extend(self.wrapped(place, length).map(|at| area[at]));
    }

    fn read_u64(&self, place: usize) -> u64 {
        let mut bytes = Vec::new();
        self.read(place, 8, &mut bytes);
        u64::from_ne_bytes(bytes.try_into().unwrap())
    }
}

/// A far that no place is at.
const NEVER: u64 = u64::MAX;

/// An empty ring that has come to position `start`. Its memory is not clean.
fn ring(capacity: u64, far: u64, start: u64) -> (Producer<Local>, Receiver) {
    let lane = Local(Rc::new(Memory {
        capacity,
        far,
        head: AtomicU64::new(start),
        tail: AtomicU64::new(start),
        jump: AtomicU64::new(0),
        area: RefCell::new(vec![0xee; usize::try_from(capacity).unwrap()]),
    }));
    let consumer = Consumer::at(lane.clone(), start);
    (Producer::at(lane, start), Receiver { consumer, bytes: Vec::new() })
}

/// A frame as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    tag: u8,
    body: Vec<u8>,
}

impl Frame {
    /// The frame of this number, of `length` bytes that tell where they belong.
    fn new(number: usize, length: usize) -> Frame {
        let body = (0..length).map(|at| (at * 7 + at / 256 + number * 31) as u8).collect();
        Frame { tag: (number % 255) as u8 + 1, body }
    }

    fn message(&self) -> Message<'_> {
        // Cut where it is least convenient.
        let (first, second) = self.body.split_at(self.body.len() / 3);
        Message::new(self.tag, [first, second])
    }

    /// Bytes of it in the ring.
    fn whole(&self) -> u64 {
        Header::new(self.tag, self.body.len()).frame()
    }
}

/// Sends a frame that there must be room for.
fn send_whole(producer: &mut Producer<Local>, frame: &Frame) {
    assert_eq!(producer.send(frame.message(), &mut 0), Ok(true), "{} bytes", frame.body.len());
}

/// Reads as the worker does, a frame at a time, or as the program does, whatever has
/// come.
struct Receiver<L = Local> {
    consumer: Consumer<L>,
    /// Taken and not yet parsed.
    bytes: Vec<u8>,
}

impl<L: Lane> Receiver<L> {
    /// The next frame, read where it lies if it fits into the ring.
    fn peek(&mut self) -> Option<Frame> {
        if self.bytes.is_empty() {
            let header = self.consumer.peek().unwrap()?;
            let lane = self.consumer.lane();
            if header.frame() <= lane.capacity() {
                let mut body = Vec::new();
                let place = self.consumer.body();
                assert!(place.is_multiple_of(ALIGN));
                lane.read(place, usize::try_from(header.length).unwrap(), &mut body);
                self.consumer.release(header.frame());
                return Some(Frame { tag: header.tag, body });
            }
        }
        let most = self.missing().unwrap_or(HEADER as u64);
        self.take(most);
        self.parse()
    }

    /// How many bytes the frame that was begun lacks.
    fn missing(&self) -> Option<u64> {
        let header = Header::decode(u64::from_ne_bytes(*self.bytes.first_chunk()?)).unwrap();
        Some(header.frame().saturating_sub(self.bytes.len() as u64))
    }

    fn take(&mut self, most: u64) {
        let before = self.bytes.len();
        let taken = self.consumer.take(most, &mut self.bytes).unwrap();
        assert!(taken <= most && self.bytes.len() - before == usize::try_from(taken).unwrap());
    }

    /// The first frame of what was taken.
    fn parse(&mut self) -> Option<Frame> {
        if self.missing()? > 0 {
            return None;
        }
        let header = Header::decode(u64::from_ne_bytes(*self.bytes.first_chunk()?)).unwrap();
        let whole: Vec<u8> = self.bytes.drain(..usize::try_from(header.frame()).unwrap()).collect();
        let (body, padding) = whole[HEADER..].split_at(usize::try_from(header.length).unwrap());
        assert!(padding.len() < ALIGN && padding.iter().all(|&byte| byte == 0));
        Some(Frame { tag: header.tag, body: body.to_vec() })
    }
}

/// splitmix64; any seed is a good one.
#[derive(Debug)]
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number less than `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
