//! Frames that are longer than the ring, as the worker puts them together: what is so long
//! and was not lent (see `lent`).

use super::memory::SharedLane;
use super::ring::{Consumer, Corrupt};
use crate::sys::memory::Uncounted;

/// Bytes at a time that pass through counted memory on their way to uncounted.
const PIECE: u64 = 64 << 10;

/// The latest such frame. Its memory is kept while such frames come, as fresh memory
/// is slow.
#[derive(Debug)]
pub(super) enum Assembled {
    Ordinary(Vec<u8>),
    /// For a worker whose memory is limited: that is for tasks. What the program sends
    /// must arrive, or nobody would learn which item was too large for the worker.
    Uncounted(Option<Uncounted>),
}

impl Assembled {
    /// Makes room for a frame of so many bytes.
    pub(super) fn begin(&mut self, frame: u64) -> std::io::Result<()> {
        match self {
            Assembled::Ordinary(bytes) => bytes.clear(),
            Assembled::Uncounted(memory) => {
                let frame = usize::try_from(frame).map_err(std::io::Error::other)?;
                match memory {
                    Some(memory) if memory.capacity() >= frame => memory.clear(),
                    _ => *memory = Some(Uncounted::with_capacity(frame)?),
                }
            }
        }
        Ok(())
    }

    /// Takes what has come, at most `most` bytes; gives how many.
    pub(super) fn take(
        &mut self,
        requests: &mut Consumer<SharedLane>,
        most: u64,
    ) -> Result<u64, Corrupt> {
        match self {
            Assembled::Ordinary(bytes) => requests.take(most, bytes),
            Assembled::Uncounted(memory) => {
                let mut piece = Vec::new();
                let taken = requests.take(most.min(PIECE), &mut piece)?;
                memory.as_mut().expect("room was made").push(&piece);
                Ok(taken)
            }
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Assembled::Ordinary(bytes) => bytes,
            Assembled::Uncounted(memory) => memory.as_ref().map_or(&[], Uncounted::as_slice),
        }
    }

    /// Gives the memory back.
    pub(super) fn free(&mut self) {
        match self {
            Assembled::Ordinary(bytes) => *bytes = Vec::new(),
            Assembled::Uncounted(memory) => *memory = None,
        }
    }
}
