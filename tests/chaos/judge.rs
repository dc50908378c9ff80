//! Whether a failure is explained by a fault that was injected.

use std::error::Error as _;
use std::time::{Duration, Instant};

use pool_runtime::{Error, ErrorKind};
use pool_tests::fault::{Fault, PANIC_MESSAGE};

use crate::Scene;
use crate::account::Account;
use crate::conditions::Conditions;
use crate::deeds::Deed;
use crate::notes;

/// What a failure is explained by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The item did it, to itself alone.
    Item,
    /// A worker was killed while it ran the item.
    Signal,
    /// Workers were killed before they began anything, again and again.
    Starts,
    /// More workers have died than the pool bears.
    Deaths,
    /// The pool has come to that, and refuses to go on.
    Refusal,
    /// It refuses to, since there were no descriptors for too long.
    Famine,
    /// There were no descriptors.
    Descriptors,
    /// The pool was closed or terminated.
    PoolEnded,
    /// The call was taken back, by its caller or a token.
    TakenBack,
    /// The item took longer than it may.
    Limit,
    /// The call took longer than it may.
    Deadline,
}

/// What the caller knows of the call that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) account: &'a Account,
    /// Where workers note how they end.
    pub(crate) dir: &'a str,
    pub(crate) conditions: &'a Conditions,
    pub(crate) since: Instant,
    /// What the item was to do, if the error is one of an item.
    pub(crate) deed: Option<Deed>,
    /// The item's index, where the error must name it.
    pub(crate) item: Option<usize>,
    /// The pool was closed or terminated by the test.
    pub(crate) pool_ended: bool,
    /// The call was cancelled.
    pub(crate) taken_back: bool,
    pub(crate) deadline: Option<Duration>,
    /// The item may run for so long as what does not stay, stop or wait never does.
    pub(crate) timeout: Option<Duration>,
}

impl<'a> Known<'a> {
    /// Of a pool that is built.
    pub(crate) fn of_pool(
        scene: &'a Scene<'_>,
        conditions: &'a Conditions,
        since: Instant,
    ) -> Self {
        Known {
            account: &scene.account,
            dir: scene.dir,
            conditions,
            since,
            deed: None,
            item: None,
            pool_ended: false,
            taken_back: false,
            deadline: None,
            timeout: None,
        }
    }
}

impl Known<'_> {
    /// What explains the failure; an `Err` says why nothing does.
    pub(crate) fn explain(&self, error: &Error) -> Result<Cause, String> {
        match self.cause(error) {
            Some(cause) => Ok(cause),
            None => {
                let pid = error.pid();
                let sent = pid.map_or_else(String::new, |pid| self.account.of(pid));
                Err(format!("unexplained: {error:?}\n{self:?}\nits process was sent {sent}"))
            }
        }
    }

    fn cause(&self, error: &Error) -> Option<Cause> {
        match error.kind() {
            ErrorKind::Panicked => self.panicked(error),
            ErrorKind::Died | ErrorKind::MemoryLimit
                if error.to_string().contains("while running") =>
            {
                self.died(error)
            }
            ErrorKind::Died | ErrorKind::MemoryLimit | ErrorKind::Spawn => {
                self.has_no_worker(error)
            }
            ErrorKind::Closed | ErrorKind::Terminated => {
                self.pool_ended.then_some(Cause::PoolEnded)
            }
            ErrorKind::TimedOut => self.timed_out(error),
            ErrorKind::Cancelled => self.taken_back.then_some(Cause::TakenBack),
            _ => None,
        }
    }

    fn panicked(&self, error: &Error) -> Option<Cause> {
        let meant = self.deed == Some(Deed::Errs(Fault::Panic));
        let says = error.panic_message() == Some(PANIC_MESSAGE);
        (meant && says && error.item() == self.item).then_some(Cause::Item)
    }

    /// A worker died while it ran an item.
    fn died(&self, error: &Error) -> Option<Cause> {
        let deed = self.deed.filter(|_| error.item() == self.item)?;
        if let Deed::Errs(fault) = deed
            && fault.is_fatal()
            && (error.signal(), error.exit_code()) == (fault.signal(), fault.exit_code())
            && error.to_string().contains(fault.described())
        {
            return Some(Cause::Item);
        }
        if let Deed::Offends(offence) = deed
            && offence.explains(error, self.conditions)
        {
            return Some(Cause::Item);
        }
        let says = error.to_string().contains(" was killed by SIG");
        let cost = says && self.account.costs_an_item(error.pid()?, error.signal()?);
        cost.then_some(Cause::Signal)
    }

    fn timed_out(&self, error: &Error) -> Option<Cause> {
        let says = error.to_string();
        if says.contains("was not done within the deadline of its job") {
            let over = self.deadline.is_some_and(|deadline| self.since.elapsed() >= deadline);
            return over.then_some(Cause::Deadline);
        }
        let limited = self.timeout.is_some() && says.contains("after its time limit of");
        let deed = self.deed.filter(|_| limited && error.item() == self.item)?;
        // What prints waits while the pipe is full. To find the names in a panic's backtrace,
        // the first in a worker, takes a slow machine seconds.
        let slow = matches!(deed, Deed::Stays | Deed::Prints(_) | Deed::Errs(Fault::Panic));
        let stopped = error.pid().is_some_and(|pid| self.account.was_stopped(pid));
        (slow || stopped).then_some(Cause::Limit)
    }

    /// A worker that could not be had: of a job, never of an item.
    fn has_no_worker(&self, error: &Error) -> Option<Cause> {
        if error.item().is_some() {
            return None;
        }
        let refused = is_refusal(error);
        // What a refusal has come of may be long ago.
        let scarce = match refused {
            true => self.account.was_scarce(),
            false => self.account.was_scarce_since(self.since),
        };
        match self.end(error) {
            Some(_) if refused && error.source().is_none() => None,
            Some(_) if refused => Some(Cause::Refusal),
            Some(cause) => Some(cause),
            None if !(scarce && is_scarce(error)) => None,
            None if refused => Some(Cause::Famine),
            None => Some(Cause::Descriptors),
        }
    }

    /// Why a worker ended as the error says, whatever it was at.
    fn end(&self, error: &Error) -> Option<Cause> {
        let (pid, signal, code) = (error.pid()?, error.signal(), error.exit_code());
        let ended = signal.is_some_and(|signal| self.account.was_ended(pid, signal));
        // Those that items are to blame for matter where there may not be more of them.
        if error.kind() == ErrorKind::Spawn || self.conditions.deaths.is_none() {
            return ended.then_some(Cause::Starts);
        }
        let did_it_itself = notes::has_noted_end(self.dir, pid, signal, code);
        (ended || did_it_itself).then_some(Cause::Deaths)
    }
}

/// Whether it has come of it, in the end, that there were no descriptors.
fn is_scarce(error: &Error) -> bool {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let mut systems = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    systems.any(|cause| cause.raw_os_error() == Some(libc::EMFILE))
}

/// Whether a pool has given up and waits to be reset.
pub(crate) fn is_refusal(error: &Error) -> bool {
    error.to_string().contains("starts no more workers until Pool::reset()")
}
