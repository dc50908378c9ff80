//! The end that writes.

use std::sync::atomic::Ordering;

use super::{ALIGN, Corrupt, HEADER, Header, Lane, Position, next_lap, place};

/// A frame to be sent: its header, and a body in two pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// The header as it is written. A tag that is stored as a byte and loaded as part
    /// of a word must wait in between for every store before it to reach its place,
    /// which took a tenth of the time of a small result.
    header: u64,
    /// Bytes of the whole frame.
    whole: u64,
    pieces: [&'a [u8]; 2],
}

impl<'a> Message<'a> {
    #[inline]
    pub(crate) fn new(tag: u8, pieces: [&'a [u8]; 2]) -> Message<'a> {
        let header = Header::new(tag, pieces[0].len() + pieces[1].len());
        Message { header: header.encode(), whole: header.frame(), pieces }
    }
}

/// The one producer of a ring.
#[derive(Debug)]
pub(crate) struct Producer<L> {
    lane: L,
    tail: u64,
    /// The consumer's position, as it was when it was last looked at.
    head: u64,
}

impl<L: Lane> Producer<L> {
    /// The producer of a ring that nothing was ever written to.
    pub(crate) fn new(lane: L) -> Self {
        Producer { lane, tail: 0, head: 0 }
    }

    /// The producer of a ring that is empty, at this position.
    #[cfg(test)]
    pub(crate) fn at(lane: L, position: u64) -> Self {
        Producer { lane, tail: position, head: position }
    }

    #[cfg(test)]
    pub(crate) fn lane(&self) -> &L {
        &self.lane
    }

    /// Sends what there is room for, from byte `sent` of the frame on, and counts
    /// it; `true` once all of it is sent.
    #[inline]
    pub(crate) fn send(&mut self, message: Message<'_>, sent: &mut u64) -> Result<bool, Corrupt> {
        let whole = message.whole;
        if whole > self.lane.capacity() {
            return self.send_piece(message, sent);
        }
        assert_eq!(*sent, 0, "a frame that fits is sent at once");
        if place(self.tail, self.lane.capacity()) as u64 >= self.lane.far() {
            self.look()?;
            self.jump_if_free(whole);
        }
        if self.room() < whole {
            self.look()?;
            if self.room() < whole {
                return Ok(false);
            }
        }
        self.write_whole(message);
        *sent = whole;
        Ok(true)
    }

    /// A frame longer than the ring. Pieces of at least a quarter of the ring, so
    /// that the two sides do not wake each other for crumbs.
    #[cold]
    fn send_piece(&mut self, message: Message<'_>, sent: &mut u64) -> Result<bool, Corrupt> {
        let whole = message.whole;
        let least = (self.lane.capacity() / 4).min(whole - *sent);
        if self.room() < least {
            self.look()?;
            if self.room() < least {
                return Ok(false);
            }
        }
        let until = whole.min(*sent + self.room());
        self.write(message, *sent, until);
        *sent = until;
        Ok(until == whole)
    }

    fn room(&self) -> u64 {
        self.lane.capacity() - self.tail.wrapping_sub(self.head)
    }

    /// Looks how far the consumer is.
    fn look(&mut self) -> Result<(), Corrupt> {
        let head = self.lane.head().load(Ordering::Acquire);
        let behind = self.tail.wrapping_sub(head);
        if behind > self.tail.wrapping_sub(self.head) || !head.is_multiple_of(ALIGN as u64) {
            return Err(Corrupt);
        }
        self.head = head;
        Ok(())
    }

    /// Goes on at the start of the area, if `needed` bytes are free there. They are
    /// if the consumer is on the same lap and has that many behind it. On the same lap
    /// it is behind the jump before, whose word is stored to again.
    ///
    /// What it has behind it is all the room there is after the jump: it must have
    /// come far too, or a producer that is ahead of it would wait for crumbs beside an
    /// empty ring.
    fn jump_if_free(&mut self, needed: u64) {
        let capacity = self.lane.capacity();
        let next = next_lap(self.tail, capacity);
        let same_lap = next_lap(self.head, capacity) == next;
        let free = place(self.head, capacity) as u64;
        if !same_lap || free < needed.max(self.lane.far()) {
            return;
        }
        self.lane.jump().store(self.tail, Ordering::Relaxed);
        self.tail = next;
    }

    /// Writes a frame and publishes it: as [`Producer::write`] does, with nothing to
    /// be cut, which for a small frame is most of the work.
    #[inline]
    fn write_whole(&mut self, message: Message<'_>) {
        let Message { header, whole, pieces: [first, second] } = message;
        self.copy(0, &header.to_ne_bytes());
        self.copy(HEADER as u64, first);
        let mut end = HEADER + first.len();
        if !second.is_empty() {
            self.copy(end as u64, second);
            end += second.len();
        }
        if !end.is_multiple_of(ALIGN) {
            self.copy(end as u64, &[0; ALIGN][end % ALIGN..]);
        }
        self.publish(whole);
    }

    /// Writes the bytes `from..until` of a frame and publishes them.
    fn write(&mut self, message: Message<'_>, from: u64, until: u64) {
        let header = message.header.to_ne_bytes();
        let mut start = 0;
        for bytes in [&header[..], message.pieces[0], message.pieces[1]] {
            let end = start + bytes.len() as u64;
            let (low, high) = (start.max(from), end.min(until));
            if low < high {
                let cut = |at: u64| usize::try_from(at - start).expect("within the piece");
                self.copy(low - from, &bytes[cut(low)..cut(high)]);
            }
            start = end;
        }
        let low = start.max(from);
        if low < until {
            let padding = usize::try_from(until - low).expect("less than the alignment");
            self.copy(low - from, &[0; ALIGN][..padding]);
        }
        self.publish(until - from);
    }

    #[inline]
    fn publish(&mut self, length: u64) {
        self.tail = self.tail.wrapping_add(length);
        self.lane.tail().store(self.tail, Ordering::Release);
    }

    #[inline]
    fn copy(&self, offset: u64, bytes: &[u8]) {
        self.lane.write(place(self.tail.wrapping_add(offset), self.lane.capacity()), bytes);
    }
}

const _: () = assert!(HEADER == ALIGN, "a frame's body is aligned as the frame is");
