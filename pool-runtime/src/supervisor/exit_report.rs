//! Describes how a worker ended.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Panic, Written, describe_exit, likely_cause, on_item};
use crate::ids::{Item, Worker, index};
use crate::scheduler::KillReason;
#[cfg(feature = "sandbox")]
use crate::sys::calls;
use crate::sys::dying::Sign;
use crate::wire::exit;

/// Why the pool killed a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KillCause {
    /// The scheduler's command.
    Commanded(KillReason),
    /// Its shared memory is corrupt.
    Corrupt,
    /// It could not claim the chunks that it was sent.
    Damaged,
    /// It closed its end of the channel and lived on.
    ChannelClosed,
}

/// All that is known of a worker that has ended.
#[derive(Debug)]
pub(crate) struct ExitReport {
    pub(crate) worker: Worker,
    /// "worker 2" or "process render".
    pub(crate) who: String,
    pub(crate) pid: u32,
    pub(crate) status: Option<ExitStatus>,
    pub(crate) reported_in: bool,
    /// It had begun at least one item.
    pub(crate) began: bool,
    pub(crate) kill_cause: Option<KillCause>,
    /// A panic that it announced, without an outcome after it.
    pub(crate) panic: Option<Panic>,
    /// The end of its output: that of its item, if it died within one.
    pub(crate) written: Written,
    /// Why it could not become a worker, which it reported before it ended.
    pub(crate) unfit: Option<String>,
    /// What it noted when a signal was about to end it.
    pub(crate) sign: Option<Sign>,
    /// How many bytes of memory it was allowed.
    pub(crate) memory_limit: Option<u64>,
    /// The kernel has killed a process of its control group, which ran out of memory.
    pub(crate) group_ran_out: bool,
    /// The program through which the program was executed, which its workers are not.
    pub(crate) starter: Option<PathBuf>,
}

impl ExitReport {
    /// The worker died while it ran an item.
    pub(crate) fn of_item(&self, task: &'static str, item: Option<Item>) -> Error {
        let item = item.map(index);
        let on = on_item(item);
        let ExitReport { who, pid, .. } = self;
        // If it ended in another way, the task caught that panic and the worker ended later.
        let aborted = |status: ExitStatus| status.signal() == Some(libc::SIGABRT);
        let panic = self.panic.as_ref().filter(|_| self.status.is_none_or(aborted));
        let error = match panic {
            Some(panic) => {
                let place =
                    panic.location.as_deref().map_or_else(String::new, |at| format!(" at {at}"));
                let message = format!(
                    "task {task} panicked{on}{place}: {}; the panic could not unwind, so {who} (pid \
                     {pid}) {}",
                    panic.message,
                    describe_exit(self.status)
                );
                Error::new(ErrorKind::Panicked, message).with_panic(panic.clone())
            }
            None => {
                let end = self.end();
                let cause = self.cause();
                let message = format!("{who} (pid {pid}) {end} while running {task}{on}{cause}");
                Error::new(self.kind(), message)
            }
        };
        let error = error.with_task(task, item).with_process(*pid, self.status);
        error.with_written(self.written.clone())
    }

    /// Whether the pool has ended it for no fault of its own.
    pub(crate) fn is_asked_for(&self) -> bool {
        matches!(
            self.kill_cause,
            Some(KillCause::Commanded(
                KillReason::JobDropped
                    | KillReason::ItemTimeout
                    | KillReason::JobDeadline
                    | KillReason::Terminated
            ))
        )
    }

    /// The worker ended, whatever it was at, or before it could be of use.
    pub(crate) fn of_worker(&self, start_timeout: Duration) -> Error {
        let ExitReport { who, pid, .. } = self;
        let message = match self.kill_cause {
            _ if self.unfit.is_some() => {
                format!("{who} (pid {pid}) could not {}", self.unfit.as_deref().unwrap_or_default())
            }
            Some(KillCause::Commanded(KillReason::StartTimeout)) => format!(
                "{who} (pid {pid}) did not report in within {start_timeout:?} and was killed (likely \
                 cause: a static constructor that hangs, or one that needs longer, for which see \
                 `start_timeout`, or a worker program that does not use this library){}",
                self.started_through()
            ),
            _ if self.began => format!("{who} (pid {pid}) {}{}", self.end(), self.cause()),
            _ if self.reported_in => {
                format!("{who} (pid {pid}) {} before it began an item{}", self.end(), self.cause())
            }
            _ => {
                let code = self.status.and_then(|status| status.code());
                let cause = match (self.kill_cause, code) {
                    // No task has run, so none is to blame.
                    (
                        Some(KillCause::ChannelClosed | KillCause::Corrupt | KillCause::Damaged),
                        _,
                    ) => likely("a worker program that does not use this library"),
                    (_, Some(code)) => likely(exit::cause_at_boot(code).unwrap_or(
                        "a static constructor that ends the process, or a worker program that \
                         does not use this library",
                    )),
                    (_, None) => self.cause(),
                };
                let through = self.started_through();
                format!("{who} (pid {pid}) {} before it reported in{cause}{through}", self.end())
            }
        };
        let kind = match self.reported_in {
            true => self.kind(),
            false => ErrorKind::Spawn,
        };
        let error = Error::new(kind, message).with_process(*pid, self.status);
        error.with_written(self.written.clone())
    }

    fn started_through(&self) -> String {
        self.starter.as_deref().map_or_else(String::new, started_through)
    }

    fn kind(&self) -> ErrorKind {
        match self.ran_out_of() {
            Some(_) => ErrorKind::MemoryLimit,
            None => ErrorKind::Died,
        }
    }

    /// The limit of memory that this worker has met, as far as it could tell.
    fn ran_out_of(&self) -> Option<u64> {
        match (self.kill_cause, self.sign) {
            (None, Some(Sign::OutOfMemory)) => self.memory_limit,
            (None, _) if self.was_killed_with_group() => self.memory_limit,
            _ => None,
        }
    }

    fn was_killed_with_group(&self) -> bool {
        // Or nobody knows, where the program ignores SIGCHLD.
        let killed = |status: ExitStatus| status.signal() == Some(libc::SIGKILL);
        self.group_ran_out && self.status.is_none_or(killed)
    }

    fn end(&self) -> String {
        if let Some(limit) = self.ran_out_of() {
            let limit = describe_bytes(limit);
            let more = match self.was_killed_with_group() {
                true => " with what it shares and the processes it has started",
                false => "",
            };
            return format!("ran out of its {limit} of memory{more}");
        }
        match self.kill_cause {
            Some(KillCause::Corrupt) => "sent what is no message and was killed".into(),
            Some(KillCause::Damaged) => "took nothing that it was sent and was killed".into(),
            Some(KillCause::ChannelClosed) => "closed its channel and was killed".into(),
            Some(KillCause::Commanded(_)) | None => match self.overflow() {
                Some(stack) => format!("overflowed {stack} and {}", describe_exit(self.status)),
                None => describe_exit(self.status),
            },
        }
    }

    /// Which stack has overflowed, if one has.
    fn overflow(&self) -> Option<String> {
        match (self.kill_cause, self.sign) {
            (None, Some(Sign::StackOverflow(0))) => {
                Some("the stack of a thread that its task started".into())
            }
            (None, Some(Sign::StackOverflow(u32::MAX))) => Some("its stack".into()),
            (None, Some(Sign::StackOverflow(kibibytes))) => {
                let size = describe_bytes(u64::from(kibibytes) << 10);
                Some(format!("its stack of {size} (see `stack_size`)"))
            }
            _ => None,
        }
    }

    fn cause(&self) -> String {
        if self.ran_out_of().is_some() {
            return " (see `memory_limit`)".into();
        }
        match (self.kill_cause, self.sign) {
            (None, Some(Sign::StackOverflow(_))) => {
                return likely("a recursion that goes too deep, or large local variables");
            }
            (None, Some(Sign::BadAccess)) => return likely("a bad memory access"),
            _ => {}
        }
        #[cfg(feature = "sandbox")]
        if let (None, Some(Sign::Forbidden(call))) = (self.kill_cause, self.sign) {
            let name = calls::name(call).map_or_else(|| call.to_string(), str::to_owned);
            return format!(" (the sandbox forbids the system call {name})");
        }
        let cause = match self.kill_cause {
            Some(KillCause::Corrupt | KillCause::Damaged) => Some(exit::WRITTEN_OVER),
            Some(KillCause::ChannelClosed) => Some(
                "the task closed descriptors that are not its own, or executed another program",
            ),
            Some(KillCause::Commanded(_)) | None => {
                let code = self.status.and_then(|status| status.code());
                code.and_then(exit::cause).or_else(|| likely_cause(self.status))
            }
        };
        cause.map_or_else(String::new, likely)
    }
}

fn likely(cause: &str) -> String {
    format!(" (likely cause: {cause})")
}

/// What is different for workers of a program in whose place another was executed.
pub(crate) fn started_through(starter: &Path) -> String {
    format!(
        " (the program was started through {starter:?}, its workers perhaps not: see \
         `worker_program`)"
    )
}

/// Bytes in the largest unit that divides them.
pub(crate) fn describe_bytes(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units.iter().find(|(bits, _)| bytes.trailing_zeros() >= *bits && bytes > 0);
    match whole {
        Some((bits, unit)) => format!("{} {unit}", bytes >> bits),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Slot;

    /// What is said of a worker that had reported in, or not, and exited with a code.
    fn exited(reported_in: bool, code: i32) -> String {
        let exit_report = ExitReport {
            worker: Worker { slot: Slot(2), incarnation: 1 },
            who: "worker 2".into(),
            pid: 4711,
            status: Some(ExitStatus::from_raw(code << 8)),
            reported_in,
            began: reported_in,
            kill_cause: None,
            panic: None,
            written: Written::default(),
            unfit: None,
            sign: None,
            memory_limit: None,
            group_ran_out: false,
            starter: None,
        };
        match reported_in {
            true => exit_report.of_item("app::render", Some(17)).to_string(),
            false => exit_report.of_worker(Duration::from_secs(1)).to_string(),
        }
    }

    #[test]
    fn the_codes_of_the_library_itself_are_put_into_words() {
        let damaged = exited(true, exit::DAMAGED);
        let begins = "worker 2 (pid 4711) exited with code 76 while running app::render on item 17 \
                      (likely cause: a task of this worker, perhaps an earlier one, wrote beyond";
        assert!(damaged.starts_with(begins), "{damaged}");
        assert!(damaged.contains("max_tasks_per_child(1)"), "{damaged}");
        assert!(damaged.contains("sanitizer"), "{damaged}");
        let steps = [
            (exit::NO_STREAMS, 71, "standard streams"),
            (exit::NO_DESCRIPTORS, 72, "raise `ulimit -n`"),
            (exit::NO_MEMORY, 73, "`ulimit -v`"),
            (exit::NO_CHANNEL, 74, "its channel could not be taken over"),
            (exit::OTHER_VERSION, 75, "another version of this library"),
        ];
        for (code, number, words) in steps {
            let unborn = exited(false, code);
            let begins = format!("exited with code {number} before it reported in");
            assert!(unborn.contains(&begins) && unborn.contains(words), "{unborn}");
        }
        // Of others nothing is known but that they are not the library's.
        assert!(exited(true, exit::NO_CHANNEL).contains("ended the process instead of returning"));
        assert!(exited(false, 3).contains("a static constructor that ends the process"));
    }

    #[test]
    fn bytes_are_told_exactly() {
        let texts = [64 << 20, 3 << 30, 1 << 10, 1000, (1 << 20) + 1].map(describe_bytes);
        assert_eq!(texts, ["64 MiB", "3 GiB", "1 KiB", "1000 bytes", "1048577 bytes"]);
    }
}
