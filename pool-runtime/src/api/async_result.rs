//! A result that is not there yet.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::crossing::{decode, unencodable};
use crate::engine::{self, Arrival, BatchEncoder, Engine, Request};
use crate::error::{Error, ErrorKind};
use crate::task::{ItemWriter, Task, TaskInput};

/// Makes the result of what has arrived.
pub(super) type Collect<T> = fn(VecDeque<Arrival>) -> Result<T, Error>;

/// A call that runs in a pool while its caller goes on.
///
/// It is also a [`Future`], for any executor. Dropped, it lets the call run to
/// its end unobserved; [`AsyncResult::cancel`] takes the call back.
///
/// ```
/// use pool_runtime::{Pool, pool_task};
///
/// #[pool_task]
/// fn shout(text: &str) -> String {
///     text.to_uppercase()
/// }
///
/// let pool = Pool::new(1)?;
/// let result = pool.apply_async(shout, "later")?;
/// // something else meanwhile
/// assert_eq!(result.get()?, "LATER");
/// # Ok::<(), pool_runtime::Error>(())
/// ```
#[must_use = "dropped, it leaves the call running, with nobody to take the result"]
pub struct AsyncResult<T> {
    /// `None` once the result was taken.
    job: Option<engine::JobHandle>,
    collect: Collect<T>,
}

impl<T> AsyncResult<T> {
    pub(super) fn new(job: engine::JobHandle, collect: Collect<T>) -> Self {
        AsyncResult { job: Some(job), collect }
    }

    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// How the call failed, as for [`Pool::apply`](crate::Pool::apply); of a `map_async` the
    /// error of the first item that failed. `Cancelled` after [`AsyncResult::cancel`],
    /// `InvalidArgument` if the result was taken before.
    pub fn get(mut self) -> Result<T, Error> {
        self.take(None)
    }

    /// Waits for the result, but no longer than `timeout`. A result can be taken once.
    ///
    /// # Errors
    ///
    /// `TimedOut` if the result is not there in time: the call goes on, and one may ask
    /// again. All others as [`AsyncResult::get`].
    pub fn get_timeout(&mut self, timeout: Duration) -> Result<T, Error> {
        self.take(Instant::now().checked_add(timeout))
    }

    /// Waits until the result is there. Inside of a
    /// [`retry_if`](crate::Job::retry_if) of its pool it only looks.
    pub fn wait(&self) {
        if let Some(job) = &self.job {
            job.wait_done(None);
        }
    }

    /// Waits until the result is there, but no longer than `timeout`; tells
    /// whether it is. Inside of a [`retry_if`](crate::Job::retry_if) of its pool it only
    /// looks.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        let until = Instant::now().checked_add(timeout);
        self.job.as_ref().is_none_or(|job| job.wait_done(until))
    }

    /// Whether the result is there: `get` would not wait.
    pub fn ready(&self) -> bool {
        self.wait_timeout(Duration::ZERO)
    }

    /// Whether the call succeeded in its worker (whether its result can be decoded
    /// here is for `get` to tell); `None` while the result is not there, or
    /// after it was taken.
    pub fn successful(&self) -> Option<bool> {
        let job = self.job.as_ref()?;
        self.ready().then(|| !job.has_failed())
    }

    /// Takes the call back: what is queued never runs, what runs is ended with its
    /// worker, or left to finish ([`Job::cancel_running`](crate::Job::cancel_running)),
    /// and the result is an error of kind `Cancelled`. A call that is done stays as it
    /// is.
    pub fn cancel(&self) {
        if let Some(job) = &self.job {
            job.cancel();
        }
    }

    pub(super) fn is_taken(&self) -> bool {
        self.job.is_none()
    }

    fn take(&mut self, until: Option<Instant>) -> Result<T, Error> {
        let Some(job) = &mut self.job else {
            return Err(Error::invalid("the result was taken before"));
        };
        job.check_may_wait(until)?;
        let Some(outcome) = job.finish(until) else {
            let name = job.task().name;
            let message = format!("the result of {name} was not there in time; the call goes on");
            return Err(Error::new(ErrorKind::TimedOut, message).with_task(name, None));
        };
        self.job = None;
        (self.collect)(outcome?)
    }
}

impl<O: 'static> AsyncResult<O> {
    /// One call.
    pub(super) fn single<T: Task<Output = O>>(
        engine: &Engine,
        _task: T,
        args: impl TaskInput<T>,
        request: Request,
    ) -> Result<Self, Error> {
        let mut encoder = BatchEncoder::new(engine.arena());
        encoder
            .push(|out| args.write_item(&mut ItemWriter::new(out)))
            .map_err(|error| unencodable(T::def(), None, error))?;
        let job = engine.submit(request, encoder.take())?;
        Ok(AsyncResult::new(job, |mut arrivals| match arrivals.pop_front() {
            Some(Arrival::Run { mut results, .. }) => decode::<T>(None, results.next()),
            Some(Arrival::Failed(_, error)) => Err(error),
            None => unreachable!("a call that is done has an outcome"),
        }))
    }
}

impl<T> Drop for AsyncResult<T> {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            job.detach();
        }
    }
}

impl<T> Future for AsyncResult<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match &this.job {
            // Whoever polls it in a rule waits there.
            Some(job) => match job.check_may_wait(None) {
                Ok(()) => job.poll_done(context.waker()).map(|()| this.take(None)),
                Err(error) => Poll::Ready(Err(error)),
            },
            None => Poll::Ready(this.take(None)),
        }
    }
}

impl<T> std::fmt::Debug for AsyncResult<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let task = self.job.as_ref().map(|job| job.task().name);
        f.debug_struct("AsyncResult").field("task", &task).finish_non_exhaustive()
    }
}
