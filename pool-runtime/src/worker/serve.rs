//! The serve loop: chunks in, outcomes out, one item after another.
//!
//! The program must know which item a dead worker was running. So a count in shared memory
//! announces each item before it begins, and its outcome is in shared memory before the next
//! item begins. Neither needs a system call.

use std::cell::RefCell;
use std::rc::Rc;

use super::lifespan::Rest;
use super::output::{Marker, Output};
use super::{guard, settings};
use crate::channel::{Gone, Lull, Received, Sender, WorkerEnd};
use crate::limits::{FEW_ITEMS, MAX_ITEM};
use crate::sys::fork_mark::ForkMark;
use crate::sys::{clock, dying};
use crate::task::{At, Call, CallError, Found, TaskDef, at, find};
use crate::wire::exit;
use crate::wire::message::{self, Boot, Chunk, Failure, Retirement, report};
use crate::wire::output::SINGLE;

/// Bytes of capacity that the empty buffer for results may keep.
const KEEP: usize = 16 << 20;

thread_local! {
    /// The sender, for the panic hook on the thread that runs the tasks.
    static SENDER: RefCell<Option<Rc<RefCell<Sender>>>> = const { RefCell::new(None) };
}

/// Sends one frame from outside the serve loop. If a frame is being sent already, it sends
/// nothing: a panic at that moment is not a task's.
pub(super) fn send(tag: u8, body: &[u8]) -> Result<(), Gone> {
    SENDER.with_borrow(|sender| match sender.as_ref().map(|sender| sender.try_borrow_mut()) {
        Some(Ok(mut sender)) => sender.send(tag, body),
        Some(Err(_)) | None => Err(Gone::Program),
    })
}

/// Why a worker stops serving, without an error.
enum Ended {
    /// The program told it to leave, or it retires.
    Farewell,
    /// The single call of a process is done; whether it panicked.
    Called { panicked: bool },
}

/// How running a chunk has ended.
enum Ran {
    /// All items were run; whether the last one panicked.
    Whole { panicked: bool },
    /// This worker must leave.
    Over(Retirement),
}

/// Applies the pool's settings, and serves until the program tells the worker to leave or has
/// ended, or until the worker retires. Gives the exit code.
pub(super) fn serve(
    channel: &mut WorkerEnd,
    sender: Sender,
    marker: Option<Marker>,
    boot: &Boot,
) -> i32 {
    let sender = Rc::new(RefCell::new(sender));
    SENDER.set(Some(Rc::clone(&sender)));
    let Ok(mark) = ForkMark::of_process() else {
        return exit::NO_MEMORY;
    };
    let limit = boot.settings.memory;
    let keep =
        limit.map_or(KEEP, |bytes| usize::try_from(bytes / 16).map_or(KEEP, |most| most.min(KEEP)));
    let rest = Rest::of(boot.lifespan);
    let limited = limit.is_some();
    let (out, at, latest) = (Vec::new(), at(), None);
    let output = Output::new(marker);
    let mut server = Server { sender, out, output, keep, limited, mark, rest, at, latest };
    let watched = dying::watch_crashes(channel.sign(), channel.bell())
        .map_err(|cause| format!("have a stack for its signal handlers: {cause}"));
    if let Err(why) = watched.and_then(|()| settings::apply(&boot.settings, channel)) {
        message::put_unfit(&mut server.out, &why);
        // An error means that the program has ended, which needs no report.
        let _ = server.flush(report::UNFIT);
        return exit::UNFIT;
    }
    message::put_ready(&mut server.out, channel.reads());
    let ready = server.flush(report::READY);
    let ended = ready.and_then(|()| server.run_all(channel, boot.one_shot));
    // Exit handlers write out only streams that no thread has locked.
    server.output.write_out();
    match ended {
        Ok(Ended::Called { panicked: true }) => exit::PANICKED,
        // Or the program has ended, or has given this worker up.
        Ok(_) | Err(Gone::Program) => exit::FAREWELL,
        Err(Gone::Sense) => exit::DAMAGED,
    }
}

struct Server {
    /// Borrowed only for moments, as the panic hook sends too.
    sender: Rc<RefCell<Sender>>,
    /// The body of the next frame.
    out: Vec<u8>,
    /// Writes out what tasks print.
    output: Output,
    /// Bytes of capacity beyond which `out` is freed when it is empty.
    keep: usize,
    /// The memory of this worker is limited.
    limited: bool,
    /// Tells a copy that a task has forked, which must not go on serving.
    mark: ForkMark,
    rest: Rest,
    at: At,
    /// The task of the latest chunk, mostly that of the next one too.
    latest: Option<&'static TaskDef>,
}

impl Server {
    /// Runs chunk after chunk, or the only one.
    fn run_all(&mut self, channel: &mut WorkerEnd, one_shot: bool) -> Result<Ended, Gone> {
        loop {
            let output = &mut self.output;
            let received = channel.receive(self.rest.until(), &mut |lull| match lull {
                Lull::Short => output.write_what_is_free(),
                Lull::Long => output.write_out(),
            });
            let ran = match received? {
                Received::Chunk { body, lent, careful, quiet } => {
                    self.run(Chunk::decode(body, lent).ok_or(Gone::Sense)?, careful, quiet)?
                }
                Received::Goodbye => return Ok(Ended::Farewell),
                Received::Nothing => Ran::Over(Retirement::Age),
            };
            match ran {
                Ran::Whole { panicked } if one_shot => return Ok(Ended::Called { panicked }),
                Ran::Whole { .. } => {}
                Ran::Over(why) => {
                    self.out.clear();
                    message::put_retired(&mut self.out, why);
                    self.flush(report::RETIRED)?;
                    return Ok(Ended::Farewell);
                }
            }
        }
    }

    /// Runs the items of a chunk.
    fn run(&mut self, mut chunk: Chunk<'_>, careful: bool, quiet: bool) -> Result<Ran, Gone> {
        let task = self.find(chunk.task)?;
        let mut panicked = false;
        let first = chunk.first;
        let promptly = chunk.count <= FEW_ITEMS && (careful || first != SINGLE);
        self.output.write_what_is_free();
        for item in 0..chunk.count {
            let input = chunk.next().ok_or(Gone::Sense)?;
            // Before the item is announced, so that all output between its marks is its own if
            // it dies.
            self.output.begin(first.wrapping_add(item));
            if !self.begin(careful) {
                return Ok(Ran::Over(Retirement::Condemned));
            }
            let quiet = quiet && item + 1 < chunk.count;
            panicked = self.call(task, input, promptly, quiet)?;
            if let Some(why) = self.rest.spend() {
                return Ok(Ran::Over(why));
            }
        }
        // Otherwise one of its own tasks has overwritten the chunk.
        if chunk.is_at_its_end() { Ok(Ran::Whole { panicked }) } else { Err(Gone::Sense) }
    }

    /// Announces the next item; `false` if it must not begin.
    fn begin(&mut self, careful: bool) -> bool {
        if !careful {
            self.sender.borrow_mut().begin();
            return true;
        }
        let now = clock::monotonic();
        self.output.write_now_and_then(now);
        self.sender.borrow_mut().begin_carefully(now)
    }

    fn find(&mut self, key: &str) -> Result<Option<&'static TaskDef>, Gone> {
        if let Some(task) = self.latest.filter(|task| task.wire_key() == key) {
            return Ok(Some(task));
        }
        match find(key) {
            Found::Task(task) => {
                self.latest = Some(task);
                Ok(Some(task))
            }
            Found::Nothing => Ok(None),
            Found::Damage => Err(Gone::Sense),
        }
    }

    /// Runs one item that is announced, writes out what it printed, and sends its outcome. A
    /// `quiet` outcome wakes no caller; the next one does. Tells whether the item panicked.
    fn call(
        &mut self,
        task: Option<&TaskDef>,
        input: &[u8],
        promptly: bool,
        quiet: bool,
    ) -> Result<bool, Gone> {
        if self.limited {
            dying::clear_error();
        }
        let outcome = match task {
            None => Err(Box::new(Failure::UnknownTask)),
            Some(task) => self.try_call(task, input),
        };
        if self.mark.is_copy() {
            // A task has forked and returned in the copy too. The original answers; the copy ends
            // without running exit handlers.
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
        }
        self.output.end(outcome.is_err(), promptly);
        let Err(failure) = outcome else {
            match quiet {
                true => self.sender.borrow_mut().send_quietly(report::RETURNED, &self.out)?,
                false => self.sender.borrow_mut().send(report::RETURNED, &self.out)?,
            }
            self.clear();
            return Ok(false);
        };
        self.out.clear();
        message::put_failure(&mut self.out, &failure);
        self.flush(report::FAILED)?;
        Ok(matches!(*failure, Failure::Panicked(_)))
    }

    /// Runs one item. `out` has its result, if it has one.
    fn try_call(&mut self, task: &TaskDef, input: &[u8]) -> Result<(), Box<Failure>> {
        let mut call = Call::begin(input, &mut self.out, &self.at);
        let failure = match guard::run(|| (task.call)(&mut call)) {
            Ok(Ok(())) => None,
            Ok(Err(CallError::Decode(why))) => Some(Failure::Undecodable(why)),
            Ok(Err(CallError::Encode(why))) => Some(Failure::Unencodable(why)),
            Err(panic) => Some(Failure::Panicked(*panic)),
        };
        drop(call);
        match failure {
            None if self.out.len() <= MAX_ITEM => Ok(()),
            None => Err(Box::new(Failure::Unencodable(format!(
                "it takes {} bytes, and a message holds at most {MAX_ITEM}",
                self.out.len()
            )))),
            Some(failure) => Err(Box::new(failure)),
        }
    }

    fn flush(&mut self, tag: u8) -> Result<(), Gone> {
        self.sender.borrow_mut().send(tag, &self.out)?;
        self.clear();
        Ok(())
    }

    fn clear(&mut self) {
        self.out.clear();
        if self.out.capacity() > self.keep {
            self.out = Vec::new();
        }
    }
}
