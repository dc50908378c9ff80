//! The size of chunks, and how many items are under way.
//!
//! If the user sets no chunk size, it follows from the time that the first items took by the
//! workers' clocks: tiny items travel in large chunks, slow ones one by one. If the number of
//! items is known, the last chunks shrink, so that all workers finish together (guided self-scheduling: Polychronopoulos and Kuck, 1987).

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::limits::{
    BATCH_TIME, CHUNK_TIME, CHUNKS_OF_REST, MAX_AUTO_CHUNK, MIN_WINDOW, WINDOW_BATCHES,
};
use crate::scheduler::DEPTH;

/// The user's choice; `None` is automatic.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChunkPolicy {
    /// Items in a chunk.
    pub(crate) chunk: Option<usize>,
    /// Items that are pulled and not yet taken.
    pub(crate) window: Option<usize>,
}

impl ChunkPolicy {
    /// Refuses sizes of 0, by which no item could move.
    pub(crate) fn check(self) -> Result<ChunkPolicy, Error> {
        if self.chunk == Some(0) {
            return Err(Error::invalid("a chunk size of 0: a chunk needs at least one item"));
        }
        if self.window == Some(0) {
            return Err(Error::invalid("a window of 0: it must leave room for at least one item"));
        }
        Ok(self)
    }
}

/// The work that workers have done for a job, by their own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    items: u64,
    nanos: u64,
}

impl Work {
    pub(super) fn add(&mut self, items: u64, nanos: u64) {
        self.items += items;
        self.nanos = self.nanos.saturating_add(nanos);
    }

    /// Average nanoseconds of an item, at least 1; `None` before the first result.
    pub(super) fn of_item(self) -> Option<u64> {
        (self.nanos > 0 && self.items > 0).then(|| (self.nanos / self.items).max(1))
    }
}

/// Counts the items of one map that are under way, and limits them.
///
/// The items of a `map` or `imap` enter when they are pulled, and are done when their outcomes
/// are taken. Those of a `map_async` enter when the scheduler gets them, and are done when they
/// are settled.
#[derive(Debug)]
pub(crate) struct Window {
    sizer: ChunkSizer,
    entered: u64,
    done: u64,
}

impl Window {
    pub(crate) fn new(policy: ChunkPolicy, workers: usize) -> Window {
        Window { sizer: ChunkSizer::new(policy, workers), entered: 0, done: 0 }
    }

    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.entered - self.done < self.sizer.window
    }

    #[inline]
    pub(crate) fn enter(&mut self, items: u64) {
        self.entered += items;
    }

    #[inline]
    pub(crate) fn done(&mut self, items: u64) {
        self.done += items;
    }

    /// Items in a chunk.
    pub(crate) fn chunk(&self) -> usize {
        self.sizer.chunk
    }

    /// Items that are queued at a time: one chunk, or several small ones.
    #[inline]
    pub(crate) fn batch(&self) -> usize {
        self.sizer.batch
    }

    /// Adapts the sizes to the work that is done; `rest` items are to come, if known.
    pub(crate) fn measure(&mut self, work: Work, rest: Option<usize>) {
        self.sizer.measure(work, self.done, rest);
    }
}

/// Chooses the sizes for one map.
#[derive(Debug)]
struct ChunkSizer {
    policy: ChunkPolicy,
    workers: usize,
    since: Instant,
    chunk: usize,
    batch: usize,
    window: u64,
}

impl ChunkSizer {
    /// The first items travel one by one, to be measured.
    fn new(policy: ChunkPolicy, workers: usize) -> ChunkSizer {
        let chunk = policy.chunk.unwrap_or(1);
        let since = Instant::now();
        let mut sizer = ChunkSizer { policy, workers, since, chunk, batch: chunk, window: 0 };
        sizer.open_window();
        sizer
    }

    fn open_window(&mut self) {
        let room = self.batch.saturating_mul(self.workers * WINDOW_BATCHES);
        self.window = self.policy.window.unwrap_or(room.max(MIN_WINDOW)) as u64;
    }

    /// Adapts the sizes to the work that is done and the time that `settled` items took; `rest`
    /// items are to come, if known. A caller that gives or takes items slowly needs no large
    /// chunks, however quick the items are.
    fn measure(&mut self, work: Work, settled: u64, rest: Option<usize>) {
        let Some(worked) = work.of_item().filter(|_| settled > 0) else {
            return;
        };
        let passed = self.since.elapsed().as_nanos() / u128::from(settled);
        let item = passed.max(worked.into());
        let within =
            |time: Duration| usize::try_from(time.as_nanos() / item).unwrap_or(usize::MAX).max(1);
        match self.policy.chunk {
            Some(chunk) => {
                let chunks = (within(BATCH_TIME) / chunk).clamp(1, DEPTH as usize);
                self.batch = chunk.saturating_mul(chunks);
            }
            None => {
                // If the number is unknown, as many are expected as have been settled.
                let expected = rest.unwrap_or(usize::try_from(settled).unwrap_or(usize::MAX));
                let share = expected / (self.workers * CHUNKS_OF_REST);
                self.chunk = within(CHUNK_TIME).min(share.clamp(1, MAX_AUTO_CHUNK));
                self.batch = self.chunk;
            }
        }
        self.open_window();
    }
}
