//! The way from the caller's iterator to outcomes: pulls items, packs them into
//! chunks, and takes back what arrives, never further ahead than the window.
//!
//! It runs on the caller's thread, inside the caller's call for a result, so
//! items need be neither `Send` nor `'static`, and nothing is pulled for a
//! caller that wants no more.
//!
//! What fails at the input (the iterator panics, or an item cannot be encoded) needs no worker,
//! so it would overtake what was pulled earlier, and a caller that stops at the first failure
//! would lose those results by chance. So for a caller that takes outcomes one by one, the
//! failure waits until everything that was pulled before it is handed out. A map, whose results
//! nobody gets after a failure, ends at once.

use std::any::Any;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::crossing::{decode, unencodable};
use super::held_back::HeldBack;
use super::pool::Pool;
use crate::engine::{self, Arrival, BatchEncoder, Bodies, ChunkPolicy, Progress, Request, Window};
use crate::error::Error;
use crate::ids::{Item, Items};
use crate::limits::FILL_TIME;
use crate::task::{ItemWriter, Task, TaskInput};

/// The length of an iterator that knows it.
pub(super) fn exact_length(items: &impl Iterator) -> Option<usize> {
    match items.size_hint() {
        (lower, Some(upper)) if lower == upper => Some(lower),
        _ => None,
    }
}

/// An item's index and its result, as the caller gets them.
pub(super) type Settled<T> = (Item, Result<<T as Task>::Output, Error>);

/// Items pulled between two looks at the clock, at most. A source that has been slow from
/// the start of a chunk is found out sooner: at the second item, the fourth, and so on.
const BETWEEN_LOOKS: usize = 64;

/// A job and the iterator that feeds it.
#[derive(Debug)]
pub(super) struct Feed<T, I> {
    job: engine::JobHandle,
    items: I,
    encoder: BatchEncoder,
    /// Of items that are pulled and not taken.
    window: Window,
    /// When the first item of the encoder was pulled.
    filling_since: Instant,
    /// Items with the engine, whose outcomes have not arrived here.
    outstanding: u64,
    exhausted: bool,
    /// The deadline passed before the end of the input was seen.
    cut: bool,
    /// Why the whole job has failed.
    failure: Option<Error>,
    /// The caller takes nothing before it has everything.
    patient: bool,
    /// Outcomes that have arrived here, in order of arrival.
    arrived: VecDeque<Arrival>,
    /// Results of the arrival that is being handed out.
    run: Option<(Items, Bodies)>,
    /// Items that could not be encoded, for a caller that takes outcomes one by one.
    unencodable: HeldBack,
    /// What the iterator has thrown, which goes on when all else is handed out. (A mutex that
    /// nobody locks: what was thrown may be sent to other threads, but not shared.)
    thrown: Option<Mutex<Box<dyn Any + Send>>>,
    task: PhantomData<T>,
}

impl<T: Task, I: Iterator> Feed<T, I>
where
    I::Item: TaskInput<T>,
{
    pub(super) fn open(
        pool: &Pool,
        items: I,
        policy: ChunkPolicy,
        request: Request,
    ) -> Result<Self, Error> {
        let window = Window::new(policy.check()?, pool.engine().size());
        pool.engine().check_may_wait(format_args!("call {}", T::def().name))?;
        let fail_fast = request.shape.fail_fast;
        Ok(Feed {
            job: pool.engine().open(request)?,
            items,
            encoder: BatchEncoder::new(pool.engine().arena()),
            window,
            filling_since: Instant::now(),
            outstanding: 0,
            exhausted: false,
            cut: false,
            failure: None,
            patient: fail_fast,
            arrived: VecDeque::new(),
            run: None,
            unencodable: HeldBack::default(),
            thrown: None,
            task: PhantomData,
        })
    }

    /// The caller has been given one more outcome: the window moves on.
    pub(super) fn take(&mut self) {
        self.window.done(1);
    }

    /// The next outcome to arrive; `None` when the job is at its end. `Err` is
    /// the failure of the whole job.
    pub(super) fn next(&mut self) -> Result<Option<Settled<T>>, Error> {
        loop {
            // One at least, so that a caller who takes what is there keeps the workers
            // fed; no more than that once something is there, since a source may be
            // slow.
            let more = self.guarded(Self::pull).unwrap_or(false);
            if let Some(settled) = self.hand_out() {
                return Ok(Some(settled));
            }
            if self.outstanding == 0 {
                self.throw();
            }
            if !more && self.wait() {
                return self.end().map(|()| None);
            }
        }
    }

    /// The next outcomes to arrive, as they are, for a caller that takes all there
    /// are; `None` when the job is at its end. `Err` is the failure of the whole job.
    pub(super) fn next_arrival(&mut self) -> Result<Option<Arrival>, Error> {
        loop {
            if let Some(arrival) = self.arrived.pop_front() {
                let items = arrival.items();
                self.window.done(items.end - items.start);
                return Ok(Some(arrival));
            }
            if !self.pull_chunk() && self.wait() {
                return self.end().map(|()| None);
            }
        }
    }

    /// Waits for outcomes, as no more can be pulled; tells whether the job is at its
    /// end.
    fn wait(&mut self) -> bool {
        // A chunk that is not full must not wait for a worker that waits for it, nor for
        // an outcome when none is to come.
        if !self.encoder.is_empty() && (self.outstanding == 0 || self.job.is_hungry()) {
            self.flush();
        }
        if !self.arrived.is_empty() {
            return false;
        }
        if self.failure.is_some() {
            return true;
        }
        let progress = self.job.wait(self.patient);
        self.take_in(progress)
    }

    /// Runs what runs code of the caller's. `None` if that panicked: nothing is pulled until
    /// what was is handed out.
    fn guarded<R>(&mut self, run: impl FnOnce(&mut Self) -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(|| run(self))) {
            Ok(result) => Some(result),
            Err(panic) => {
                if self.patient {
                    resume_unwind(panic);
                }
                self.thrown = Some(Mutex::new(panic));
                self.flush();
                None
            }
        }
    }

    /// The next of the outcomes that have arrived here.
    fn hand_out(&mut self) -> Option<Settled<T>> {
        if let Some((item, error)) = self.unencodable.pop() {
            return Some((item, Err(error)));
        }
        loop {
            if let Some((items, results)) = &mut self.run {
                if let Some(item) = items.next() {
                    let result = decode::<T>(Some(item), results.next());
                    self.unencodable.count(item);
                    return Some((item, result));
                }
                self.run = None;
            }
            match self.arrived.pop_front()? {
                Arrival::Run { items, results } => self.run = Some((items, results)),
                Arrival::Failed(item, error) => {
                    self.unencodable.count(item);
                    return Some((item, Err(error)));
                }
            }
        }
    }

    /// Tells whether the job is at its end.
    fn take_in(&mut self, progress: Progress) -> bool {
        match progress {
            Progress::Expired => {
                self.expire();
                false
            }
            Progress::Arrived(arrivals) => {
                for arrival in arrivals {
                    let items = arrival.items();
                    self.outstanding -= items.end - items.start;
                    self.arrived.push_back(arrival);
                }
                false
            }
            Progress::Failed(error) => {
                // What has arrived before is handed out first.
                self.failure = Some(error);
                self.exhausted = true;
                true
            }
            Progress::Done => true,
            Progress::Nothing => false,
        }
    }

    /// The deadline has passed: nothing more is pulled, and what was pulled and is not
    /// queued fails here.
    fn expire(&mut self) {
        if self.exhausted {
            return;
        }
        self.exhausted = true;
        if !self.encoder.is_empty() {
            for item in self.encoder.take().items() {
                let error = self.job.late(Some(item));
                self.arrived.push_back(Arrival::Failed(item, error));
            }
        }
        self.job.end();
        // Asked last, as it may panic.
        self.cut = self.rest() != Some(0);
    }

    /// How many items are to come, if the iterator knows.
    fn rest(&mut self) -> Option<usize> {
        match self.thrown {
            None => self.guarded(|feed| exact_length(&feed.items)).flatten(),
            Some(_) => None,
        }
    }

    /// Goes on with the iterator's panic, if there was one. It may be asked on after that.
    fn throw(&mut self) {
        if let Some(panic) = self.thrown.take() {
            resume_unwind(panic.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// What the caller gets at the end of the job.
    fn end(&mut self) -> Result<(), Error> {
        self.throw();
        match self.failure.take() {
            Some(error) => Err(error),
            None if std::mem::take(&mut self.cut) => Err(self.job.late(None)),
            None => Ok(()),
        }
    }

    /// Pulls items until a chunk is on its way, as far as the window allows; tells whether
    /// there may be more.
    fn pull_chunk(&mut self) -> bool {
        while self.pull() {
            if self.encoder.is_empty() {
                return true;
            }
        }
        false
    }

    /// Pulls one item, if the window allows; tells whether there may be more.
    #[inline]
    fn pull(&mut self) -> bool {
        if self.exhausted || self.thrown.is_some() || !self.window.has_room() {
            return false;
        }
        if self.job.is_late() {
            self.expire();
            return false;
        }
        let Some(input) = self.items.next() else {
            self.exhausted = true;
            self.flush();
            self.job.end();
            return false;
        };
        let packed = self.encoder.push(|out| input.write_item(&mut ItemWriter::new(out)));
        // Not before: an item whose encoding panics is never taken.
        self.window.enter(1);
        match packed {
            Ok(()) if self.is_full() => self.flush(),
            Ok(()) => {}
            Err(error) => {
                self.flush();
                let item = self.encoder.next();
                self.encoder.skip();
                let error = unencodable(T::def(), Some(item), error);
                match self.patient {
                    true => self.arrived.push_back(Arrival::Failed(item, error)),
                    false => self.unencodable.push(item, error),
                }
            }
        }
        true
    }

    /// Whether what was packed should go on its way.
    fn is_full(&mut self) -> bool {
        let length = self.encoder.len();
        if length >= self.window.batch() || self.encoder.is_heavy() {
            return true;
        }
        if length == 1 {
            self.filling_since = Instant::now();
        }
        // What a source that has become slow has given does not wait for the rest.
        let looks = length.is_power_of_two() || length.is_multiple_of(BETWEEN_LOOKS);
        looks && self.filling_since.elapsed() >= FILL_TIME
    }

    fn flush(&mut self) {
        if self.encoder.is_empty() {
            return;
        }
        self.outstanding += self.encoder.len() as u64;
        let (progress, work) = self.job.exchange(self.encoder.take(), self.window.chunk());
        // Not the end: more is to come, if only the word that nothing is.
        self.take_in(progress);
        let rest = self.rest();
        self.window.measure(work, rest);
    }
}
