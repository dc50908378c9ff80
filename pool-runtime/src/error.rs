//! The one error type: who, where, what, and the likely cause.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;

mod exit;
mod last_line;

pub(crate) use exit::{describe_exit, likely_cause};
use last_line::last_line;

use crate::limits::head;

/// What went wrong, as a kind to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The task panicked; its worker goes on.
    Panicked,
    /// The worker process ended while it ran the item.
    Died,
    /// A time limit passed.
    TimedOut,
    /// The call was cancelled.
    Cancelled,
    /// The pool was closed and takes no more jobs.
    Closed,
    /// The pool was terminated before the work was done.
    Terminated,
    /// A value could not be turned into bytes.
    Encode,
    /// Bytes could not be turned into a value.
    Decode,
    /// A worker process could not be started.
    Spawn,
    /// An argument of a call of this library is invalid.
    InvalidArgument,
    /// The task needed more memory than its worker may have.
    MemoryLimit,
}

/// Why a call on a pool or a process gave no result.
///
/// The message names who, where, what and the likely cause; the accessors give
/// the same as values. `Debug` shows the message too, with the backtrace of a
/// panic, so that an error returned from `main` reads well.
///
/// ```
/// use pool_runtime::{ErrorKind, pool_task};
///
/// #[pool_task]
/// fn half(n: u32) -> u32 {
///     assert!(n % 2 == 0, "{n} is odd");
///     n / 2
/// }
///
/// let error = half.pmap([2, 3], 1).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Panicked);
/// assert_eq!(error.item(), Some(1));
/// assert_eq!(error.panic_message(), Some("3 is odd"));
/// ```
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    task: Option<&'static str>,
    item: Option<usize>,
    pid: Option<u32>,
    status: Option<ExitStatus>,
    panic: Option<Panic>,
    tries: Option<u32>,
    written: Written,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What is known of a panic in a worker.
#[derive(Clone, Debug)]
pub(crate) struct Panic {
    pub(crate) message: String,
    pub(crate) location: Option<String>,
    pub(crate) backtrace: Option<String>,
}

/// The ends of what a worker wrote, where that is captured and it wrote anything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    pub(crate) stdout: Option<String>,
    pub(crate) stderr: Option<String>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            task: None,
            item: None,
            pid: None,
            status: None,
            panic: None,
            tries: None,
            written: Written::default(),
            source: None,
        }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::InvalidArgument, message)
    }

    pub(crate) fn with_task(mut self, task: &'static str, item: Option<usize>) -> Error {
        self.0.task = Some(task);
        self.0.item = item;
        self
    }

    pub(crate) fn with_process(mut self, pid: u32, status: Option<ExitStatus>) -> Error {
        self.0.pid = Some(pid);
        self.0.status = status;
        self
    }

    pub(crate) fn with_panic(mut self, panic: Panic) -> Error {
        self.0.panic = Some(panic);
        self
    }

    /// Says how often an item was tried that may be tried more than once.
    pub(crate) fn with_tries(mut self, tries: Option<u32>) -> Error {
        self.0.tries = tries;
        match tries {
            Some(1) => self.0.message.push_str(" (tried once)"),
            Some(tries) => self.0.message.push_str(&format!(" (tried {tries} times)")),
            None => {}
        }
        self
    }

    /// Says how many tries of an item had failed before it failed otherwise.
    pub(crate) fn with_failed_tries(mut self, failures: u32) -> Error {
        self.0.tries = Some(failures);
        self.0.message.push_str(&match failures {
            1 => " (one try had failed)".into(),
            _ => format!(" ({failures} tries had failed)"),
        });
        self
    }

    pub(crate) fn with_written(mut self, written: Written) -> Error {
        self.0.written = written;
        self
    }

    pub(crate) fn with_source(
        mut self,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Error {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Says that all this has come of another error, and of the same process.
    pub(crate) fn with_cause(self, cause: &Error) -> Error {
        let cause = cause.again();
        let (pid, status) = (cause.0.pid, cause.0.status);
        let mut error = self.with_source(cause);
        (error.0.pid, error.0.status) = (pid, status);
        error
    }

    /// The same error for somebody else: each handle has its own.
    pub(crate) fn again(&self) -> Error {
        Error(self.0.clone())
    }

    /// The kind, to match on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// How often the item was tried, in a call with
    /// [`retries`](crate::Job::retries); this is the error of the last try. Where the
    /// [`deadline`](crate::Job::deadline) of the call passed first, how many tries had
    /// failed by then, and the error of the last of them is the
    /// [`source`](std::error::Error::source) of this one.
    pub fn tries(&self) -> Option<u32> {
        self.0.tries
    }

    /// The registered name of the task that the error concerns.
    pub fn task(&self) -> Option<&str> {
        self.0.task
    }

    /// The index, in the caller's iterator, of the item that failed.
    pub fn item(&self) -> Option<usize> {
        self.0.item
    }

    /// The process id of the worker that the error arose in.
    pub fn pid(&self) -> Option<u32> {
        self.0.pid
    }

    /// The signal that killed the worker.
    pub fn signal(&self) -> Option<i32> {
        self.0.status?.signal()
    }

    /// The code that the worker exited with.
    pub fn exit_code(&self) -> Option<i32> {
        self.0.status?.code()
    }

    /// What the task panicked with, if that was text; else a sentence saying that it
    /// was not.
    pub fn panic_message(&self) -> Option<&str> {
        Some(&self.0.panic.as_ref()?.message)
    }

    /// Where the task panicked, as `file:line:column`.
    pub fn panic_location(&self) -> Option<&str> {
        self.0.panic.as_ref()?.location.as_deref()
    }

    /// The worker's stack at the panic, as text, if the worker's environment asks for that,
    /// as in any program: with `RUST_BACKTRACE=1`, unless `RUST_LIB_BACKTRACE=0`. `None`
    /// otherwise. To write out the stack takes a worker a tenth of a millisecond and more
    /// at each panic.
    ///
    /// ```
    /// use pool_runtime::{Pool, pool_task};
    ///
    /// #[pool_task]
    /// fn fails() {
    ///     panic!("why")
    /// }
    ///
    /// let pool = Pool::builder().workers(1).env("RUST_LIB_BACKTRACE", "1").build()?;
    /// let error = pool.apply(fails, ()).unwrap_err();
    /// assert!(error.backtrace().is_some());
    /// # Ok::<(), pool_runtime::Error>(())
    /// ```
    pub fn backtrace(&self) -> Option<&str> {
        self.0.panic.as_ref()?.backtrace.as_deref()
    }

    /// The last 8 KiB that the worker wrote to standard error while it ran the item.
    ///
    /// `None` unless the pool captures its output
    /// ([`Output::Capture`](crate::Output::Capture)), or if there is none. Where a worker
    /// could not start, it is what the worker wrote until then.
    pub fn stderr(&self) -> Option<&str> {
        self.0.written.stderr.as_deref()
    }

    /// The last 8 KiB that the worker wrote to standard output while it ran the item.
    ///
    /// `None` as for [`Error::stderr`].
    pub fn stdout(&self) -> Option<&str> {
        self.0.written.stdout.as_deref()
    }

    /// The last line that a worker wrote to standard error before its end, which often
    /// says why.
    fn dying_words(&self) -> Option<&str> {
        let is_end = !matches!(
            self.0.kind,
            ErrorKind::Panicked
                | ErrorKind::Encode
                | ErrorKind::Decode
                | ErrorKind::InvalidArgument
        );
        let line = last_line(self.stderr().filter(|_| is_end)?)?;
        Some(head(line, MAX_DYING_WORDS))
    }
}

/// Bytes of them that a message shows.
const MAX_DYING_WORDS: usize = 200;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match self.dying_words() {
            Some(words) => write!(f, "; the last line on its stderr: {words:?}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({:?})", self.0.kind)?;
        let parts = [
            ("stack of the worker", self.backtrace()),
            ("end of its stdout", self.stdout()),
            ("end of its stderr", self.stderr()),
        ];
        for (title, part) in parts {
            if let Some(part) = part {
                write!(f, "\n\n{title}:\n{part}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

/// Where a task was at, as the rest of "task app::parse panicked …"; nothing for a single
/// call.
pub(crate) fn on_item(item: Option<usize>) -> String {
    item.map_or_else(String::new, |item| format!(" on item {item}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_pointer_that_crosses_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn debug_shows_the_backtrace() {
        let panic = Panic { message: "m".into(), location: None, backtrace: Some("frames".into()) };
        let error = Error::new(ErrorKind::Panicked, "task a panicked: m").with_panic(panic);
        assert_eq!(error.to_string(), "task a panicked: m");
        assert!(format!("{error:?}").ends_with("stack of the worker:\nframes"));
    }

    #[test]
    fn dying_words_are_in_the_message_and_all_that_was_written_in_debug() {
        let written =
            |stderr: &str| Written { stdout: Some("out".into()), stderr: Some(stderr.into()) };
        let died = |stderr| Error::new(ErrorKind::Died, "it died").with_written(written(stderr));
        let error = died("first\nfree(): \x1b[31minvalid pointer\n\n");
        let words = r#"it died; the last line on its stderr: "free(): \u{1b}[31minvalid pointer""#;
        assert_eq!(error.to_string(), words);
        let debug = format!("{error:?}");
        assert!(
            debug.starts_with(&format!("{words} (Died)\n\nend of its stdout:\nout")),
            "{debug}"
        );
        assert!(debug.contains("end of its stderr:\nfirst\n"), "{debug}");
        assert_eq!(died(" \n").to_string(), "it died");
        assert!(died(&"é".repeat(500)).to_string().len() < 300);
        let panicked = Error::new(ErrorKind::Panicked, "it panicked").with_written(written("x"));
        assert_eq!((panicked.to_string(), panicked.stderr()), ("it panicked".into(), Some("x")));
    }
}
