//! The way from the caller's iterator to outcomes: pulls items, packs them into
//! chunks, and takes back what arrives, never further ahead than the window.
//!
//! It runs on the caller's thread, inside the caller's call for a result, so
//! items need be neither `Send` nor `'static`, and nothing is pulled for a
//! caller that wants no more.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::api::pool::Pool;
use crate::engine::{self, NotPacked, Packer, Progress, Shape};
use crate::error::{Error, ErrorKind};
use crate::ids::{Item, index};
use crate::limits::{MAX_AUTO_CHUNK, MAX_ITEM, WINDOW_CHUNKS};
use crate::task::{ItemWriter, Task, TaskDef, TaskInput};
use crate::wire::payload;

/// How far ahead and in what portions items travel.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// Items in a chunk, if the user said so.
    pub(super) chunk: Option<usize>,
    /// Items pulled and not yet taken, if the user said so.
    pub(super) window: Option<usize>,
}

impl Pace {
    /// Refuses what would mean that nothing ever moves.
    pub(super) fn check(self) -> Result<Pace, Error> {
        if self.chunk == Some(0) {
            return Err(Error::invalid("a chunk size of 0: a chunk needs at least one item"));
        }
        if self.window == Some(0) {
            return Err(Error::invalid("a window of 0: it must leave room for at least one item"));
        }
        Ok(self)
    }

    /// The largest chunk for a source of this length, if it is known. Sixteen
    /// chunks a worker leave room for uneven items; without a known length any
    /// chunk could be the last, so items go one by one.
    pub(super) fn chunk_for(self, length: Option<usize>, workers: usize) -> usize {
        let fair = length.map_or(1, |length| (length / (workers * 16)).clamp(1, MAX_AUTO_CHUNK));
        self.chunk.unwrap_or(fair)
    }
}

/// The length of an iterator that knows it.
pub(super) fn exact_length(items: &impl Iterator) -> Option<usize> {
    match items.size_hint() {
        (lower, Some(upper)) if lower == upper => Some(lower),
        _ => None,
    }
}

/// An item's index and its result, as the caller gets them.
pub(super) type Settled<T> = (Item, Result<<T as Task>::Output, Error>);

/// How long a chunk should keep a worker, if the user names no chunk size.
const CHUNK_TIME: Duration = Duration::from_millis(2);

/// A source that takes this long for an item gains nothing by chunks; what there
/// is goes on its way.
const SLOW_SOURCE: Duration = Duration::from_micros(100);

/// A job and the iterator that feeds it.
#[derive(Debug)]
pub(super) struct Feed<T, I> {
    job: engine::Job,
    items: I,
    packer: Packer,
    /// Items in a chunk; if the user did not say so, at most.
    chunk: usize,
    /// Items that the chunk being packed is to have.
    filling: usize,
    /// When the job began, if chunks are to be as large as its items are quick.
    measured_since: Option<Instant>,
    workers: usize,
    window: u64,
    pulled: u64,
    taken: u64,
    /// Items with the engine, whose outcomes have not arrived here.
    outstanding: u64,
    exhausted: bool,
    /// Outcomes that have arrived here, in order of arrival.
    arrived: VecDeque<engine::Arrival>,
    task: PhantomData<T>,
}

impl<T: Task, I: Iterator> Feed<T, I>
where
    I::Item: TaskInput<T>,
{
    pub(super) fn open(pool: &Pool, items: I, pace: Pace, fail_fast: bool) -> Result<Self, Error> {
        let window = pace.check()?.window;
        let workers = pool.engine().workers();
        let chunk = pace.chunk_for(exact_length(&items), workers);
        let window =
            window.unwrap_or_else(|| chunk.saturating_mul(workers * WINDOW_CHUNKS).max(16));
        let shape = Shape { single: false, fail_fast };
        Ok(Feed {
            job: pool.engine().open(T::def(), shape)?,
            items,
            packer: Packer::default(),
            chunk,
            filling: pace.chunk.unwrap_or(1),
            measured_since: pace.chunk.is_none().then(Instant::now),
            workers,
            window: window as u64,
            pulled: 0,
            taken: 0,
            outstanding: 0,
            exhausted: false,
            arrived: VecDeque::new(),
            task: PhantomData,
        })
    }

    /// The caller has been given one more outcome: the window moves on.
    pub(super) fn take(&mut self) {
        self.taken += 1;
    }

    /// The next outcome to arrive; `None` when the job is at its end. `Err` is
    /// the failure of the whole job.
    pub(super) fn next(&mut self) -> Result<Option<Settled<T>>, Error> {
        // One at least, so that a caller who takes what is there keeps the workers
        // fed; no more than that once something is there, since a source may be
        // slow.
        while self.pull() && self.arrived.is_empty() {
            self.look()?;
        }
        loop {
            if let Some((item, outcome)) = self.arrived.pop_front() {
                return Ok(Some((item, decode::<T>(Some(item), outcome))));
            }
            // About to wait. A chunk that is not full must not wait for a worker
            // that waits for it, nor for an outcome when none is to come.
            if !self.packer.is_empty() && (self.outstanding == 0 || self.job.is_hungry()) {
                self.flush();
            }
            if self.take_in(self.job.wait(None))? {
                return Ok(None);
            }
        }
    }

    /// Takes in what has arrived, without waiting.
    fn look(&mut self) -> Result<(), Error> {
        let progress = self.job.look();
        self.take_in(progress).map(drop)
    }

    /// Tells whether the job is at its end.
    fn take_in(&mut self, progress: Progress) -> Result<bool, Error> {
        match progress {
            Progress::Arrived(outcomes) => {
                self.outstanding -= outcomes.len() as u64;
                self.arrived.extend(outcomes);
                Ok(false)
            }
            Progress::Failed(error) => Err(error),
            Progress::Done => Ok(true),
            Progress::Nothing => Ok(false),
        }
    }

    /// Pulls one item, if the window allows; tells whether there may be more.
    fn pull(&mut self) -> bool {
        if self.exhausted || self.pulled - self.taken >= self.window {
            return false;
        }
        // Where items go one by one, there is nothing that a slow source could hold.
        let asked = (self.chunk > 1).then(Instant::now);
        let Some(input) = self.items.next() else {
            self.exhausted = true;
            self.flush();
            self.job.end();
            return false;
        };
        let slow = asked.is_some_and(|asked| asked.elapsed() >= SLOW_SOURCE);
        let packed = self.packer.push(|out| input.write_item(&mut ItemWriter::new(out)));
        // Not before: an item whose encoding panics is never taken.
        self.pulled += 1;
        match packed {
            Ok(()) if slow || self.packer.is_heavy() || self.packer.len() >= self.filling => {
                self.flush();
            }
            Ok(()) => {}
            Err(error) => {
                self.flush();
                let item = self.packer.next();
                self.packer.skip();
                self.arrived.push_back((item, Err(unencodable(T::def(), Some(item), error))));
            }
        }
        true
    }

    /// How many items the next chunk should have: by the time that the settled
    /// ones took, so that slow items go one by one, balance at the end, and keep
    /// nobody else from a worker for long. The time includes that of the caller,
    /// which errs on the side of small chunks.
    fn next_chunk(&self) -> usize {
        match self.measured_since {
            None => self.chunk,
            Some(_) if self.taken == 0 => 1,
            Some(since) => {
                let worked = since.elapsed().as_nanos() * self.workers as u128;
                let item = (worked / u128::from(self.taken)).max(1);
                let quick = usize::try_from(CHUNK_TIME.as_nanos() / item).unwrap_or(usize::MAX);
                quick.clamp(1, self.chunk)
            }
        }
    }

    fn flush(&mut self) {
        if !self.packer.is_empty() {
            self.outstanding += self.packer.len() as u64;
            self.job.queue(self.packer.take());
            self.filling = self.next_chunk();
        }
    }
}

/// An outcome, as the caller gets it.
pub(super) fn decode<T: Task>(
    item: Option<Item>,
    outcome: engine::Outcome,
) -> Result<T::Output, Error> {
    let (task, bytes) = (T::def(), outcome?);
    // Caught, because the outcome is taken already: a caller that catches the panic
    // itself and goes on would wait for it.
    let decoded = catch_unwind(AssertUnwindSafe(|| T::decode_output(&bytes)));
    let Ok(decoded) = decoded else {
        let item = item.map(index);
        let message =
            format!("the result of {}{} panicked while it was decoded", task.name, on(item));
        return Err(Error::new(ErrorKind::Decode, message).with_task(task.name, item));
    };
    decoded.map_err(|error| {
        let item = item.map(index);
        let message = format!("failed to decode the result of {}{}: {error}", task.name, on(item));
        Error::new(ErrorKind::Decode, message).with_task(task.name, item).with_source(error)
    })
}

/// An input that could not be packed.
pub(super) fn unencodable(
    task: &'static TaskDef,
    item: Option<Item>,
    error: NotPacked<payload::PayloadError>,
) -> Error {
    let item = item.map(index);
    let failed = format!("failed to encode the input of {}{}", task.name, on(item));
    match error {
        NotPacked::Unencodable(error) => {
            Error::new(ErrorKind::Encode, format!("{failed}: {error}")).with_source(error)
        }
        NotPacked::TooLong(length) => {
            let message = format!(
                "{failed}: it takes {length} bytes, and a message holds at most {MAX_ITEM}"
            );
            Error::new(ErrorKind::Encode, message)
        }
    }
    .with_task(task.name, item)
}

fn on(item: Option<usize>) -> String {
    item.map_or_else(String::new, |item| format!(" on item {item}"))
}
