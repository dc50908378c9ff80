//! Whether a failure is explained by a fault that was injected.

use std::error::Error as _;
use std::time::{Duration, Instant};

use pool_runtime::{Error, ErrorKind};
use pool_tests::fault::{Fault, PANIC_MESSAGE};

use crate::account::Account;
use crate::deeds::Deed;

/// What a failure is explained by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The item did it, to itself alone.
    Item,
    /// A worker was killed while it ran the item.
    Signal,
    /// Workers were killed before they began anything, again and again.
    Starts,
    /// The pool has come to that, or to a lack of descriptors, and refuses to go on.
    Refusal,
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
    /// Of something other than a call.
    pub(crate) fn since(account: &'a Account, since: Instant) -> Self {
        let (deed, item, deadline, timeout) = (None, None, None, None);
        let (pool_ended, taken_back) = (false, false);
        Known { account, since, deed, item, pool_ended, taken_back, deadline, timeout }
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
            ErrorKind::Died if error.to_string().contains("while running") => self.died(error),
            ErrorKind::Died | ErrorKind::Spawn => self.did_not_start(error),
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
        // What prints waits while the pipe is full.
        let slow = matches!(deed, Deed::Stays | Deed::Prints(_));
        let stopped = error.pid().is_some_and(|pid| self.account.was_stopped(pid));
        (slow || stopped).then_some(Cause::Limit)
    }

    /// A worker that could not be had: of a job, never of an item.
    fn did_not_start(&self, error: &Error) -> Option<Cause> {
        if error.item().is_some() {
            return None;
        }
        if is_refusal(error) {
            return self.refused(error);
        }
        if let (Some(pid), Some(signal)) = (error.pid(), error.signal()) {
            return self.account.was_ended(pid, signal).then_some(Cause::Starts);
        }
        let explained = is_scarce(error) && self.account.was_scarce_since(self.since);
        explained.then_some(Cause::Descriptors)
    }

    /// The pool says what it has come to, and that may be long ago.
    fn refused(&self, error: &Error) -> Option<Cause> {
        let scarce = is_scarce(error) && self.account.was_scarce();
        let end = error.pid().zip(error.signal());
        let ended = end.is_some_and(|(pid, signal)| self.account.was_ended(pid, signal));
        (scarce || ended).then_some(Cause::Refusal)
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
