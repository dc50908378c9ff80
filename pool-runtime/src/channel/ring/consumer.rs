//! The end that reads.

use std::sync::atomic::Ordering;

use super::{ALIGN, Corrupt, HEADER, Header, Lane, Position, next_lap, place};

/// The one consumer of a ring.
#[derive(Debug)]
pub(crate) struct Consumer<L> {
    lane: L,
    head: u64,
    /// The producer's position, as it was when it was last looked at.
    tail: u64,
    /// Up to where the stream goes on without a jump; at most `tail`.
    end: u64,
}

impl<L: Lane> Consumer<L> {
    /// The consumer of a ring that nothing was ever read from.
    pub(crate) fn new(lane: L) -> Self {
        Consumer { lane, head: 0, tail: 0, end: 0 }
    }

    /// The consumer of a ring that is empty, at this position.
    #[cfg(test)]
    pub(crate) fn at(lane: L, position: u64) -> Self {
        Consumer { lane, head: position, tail: position, end: position }
    }

    pub(crate) fn lane(&self) -> &L {
        &self.lane
    }

    /// Whether something has come that is not read. What it is, is not looked at.
    pub(crate) fn has_unread(&self) -> bool {
        self.sent() != self.head
    }

    /// Up to where something has come by now. It is not looked at: the other side may
    /// have stored anything.
    pub(crate) fn sent(&self) -> u64 {
        self.lane.tail().load(Ordering::Relaxed)
    }

    /// Whether all up to this position is read.
    pub(crate) fn has_read(&self, position: u64) -> bool {
        self.head.wrapping_sub(position).cast_signed() >= 0
    }

    /// The bytes that can be read on from here.
    fn available(&mut self) -> Result<u64, Corrupt> {
        if self.head != self.end {
            return Ok(self.come());
        }
        let capacity = self.lane.capacity();
        let tail = self.lane.tail().load(Ordering::Acquire);
        let (known, ahead) = (self.tail.wrapping_sub(self.head), tail.wrapping_sub(self.head));
        if ahead < known || ahead > capacity || !tail.is_multiple_of(ALIGN as u64) {
            return Err(Corrupt);
        }
        self.tail = tail;
        // The jump that is needed for this tail, or a later one, which is not before it.
        let jump = self.lane.jump().load(Ordering::Relaxed);
        self.end = tail;
        // Position 0 is nobody's jump: it is what the word holds before the first.
        if jump != 0 && jump.wrapping_sub(self.head) < ahead {
            let next = next_lap(jump, capacity);
            // Behind a jump there is a frame: nobody goes round without sending anything.
            let skipped = next.wrapping_sub(self.head);
            if skipped >= ahead || !jump.is_multiple_of(ALIGN as u64) {
                return Err(Corrupt);
            }
            if jump == self.head {
                self.head = next;
            } else {
                self.end = jump;
            }
        }
        Ok(self.come())
    }

    /// What is known to have come, up to the next jump.
    fn come(&self) -> u64 {
        self.end.wrapping_sub(self.head)
    }

    /// The header of the next frame, if one has come. What it says is there, if
    /// the frame fits into the ring; it stays there until it is released.
    pub(crate) fn peek(&mut self) -> Result<Option<Header>, Corrupt> {
        let available = self.available()?;
        if available == 0 {
            return Ok(None);
        }
        let word = self.lane.read_u64(place(self.head, self.lane.capacity()));
        let header = Header::decode(word).ok_or(Corrupt)?;
        if header.frame() <= self.lane.capacity() && header.frame() > available {
            return Err(Corrupt);
        }
        Ok(Some(header))
    }

    /// Whether nothing has come behind the frame that was peeked at, of this length.
    pub(crate) fn is_last(&self, frame: u64) -> bool {
        self.lane.tail().load(Ordering::Relaxed) == self.head.wrapping_add(frame)
    }

    /// The place of the body of the frame that was peeked at.
    pub(crate) fn body(&self) -> usize {
        place(self.head.wrapping_add(HEADER as u64), self.lane.capacity())
    }

    /// Gives the room of `length` bytes, a multiple of eight, back to the producer.
    pub(crate) fn release(&mut self, length: u64) {
        assert!(length <= self.come(), "only what has come is released");
        assert!(length.is_multiple_of(ALIGN as u64), "a frame is released with its padding");
        self.head = self.head.wrapping_add(length);
        self.lane.head().store(self.head, Ordering::Release);
    }

    /// Appends what has come to `into`, at most `most` bytes (a multiple of eight), and
    /// releases it; gives how many that were.
    pub(crate) fn take(&mut self, most: u64, into: &mut Vec<u8>) -> Result<u64, Corrupt> {
        let length = self.available()?.min(most);
        if length > 0 {
            let count = usize::try_from(length).expect("an area is in memory");
            self.lane.read(place(self.head, self.lane.capacity()), count, into);
            self.release(length);
        }
        Ok(length)
    }
}
