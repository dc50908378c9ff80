//! The serve loop: chunks in, outcomes out, one item after another.
//!
//! The program must know at any moment which item a dead worker was running, so
//! an item is announced before it begins, by a count in shared memory, and its
//! outcome is in shared memory before the next item begins. Neither needs a
//! system call.

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

/// The most that the buffer for results may keep while it is empty, in bytes.
const KEEP: usize = 16 << 20;

thread_local! {
    /// What sends to the program, for the panic hook, on the thread that runs the tasks.
    static SENDER: RefCell<Option<Rc<RefCell<Sender>>>> = const { RefCell::new(None) };
}

/// Sends one frame from outside of the serve loop. One that is being sent already is not
/// interrupted: a panic in the middle of that is no task's.
pub(super) fn send(tag: u8, body: &[u8]) -> Result<(), Gone> {
    SENDER.with_borrow(|sender| match sender.as_ref().map(|sender| sender.try_borrow_mut()) {
        Some(Ok(mut sender)) => sender.send(tag, body),
        Some(Err(_)) | None => Err(Gone::Program),
    })
}

/// Why a worker has nothing left to do, if all is well.
enum Ended {
    /// The program has said goodbye, or this worker that it leaves.
    Farewell,
    /// The one call of a process has been made; whether it panicked.
    Called { panicked: bool },
}

/// What comes of a chunk.
enum Ran {
    /// All of it was run; whether the last item panicked.
    Whole { panicked: bool },
    /// This worker is to leave.
    Over(Retirement),
}

/// Makes this worker what its pool's are to be, and serves until the program says
/// goodbye or is gone, or until it retires; gives the exit code.
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
        // A program that is gone need not know.
        let _ = server.flush(report::UNFIT);
        return exit::UNFIT;
    }
    message::put_ready(&mut server.out, channel.reads());
    let ready = server.flush(report::READY);
    let ended = ready.and_then(|()| server.run_all(channel, boot.one_shot));
    // Exit handlers write out only what nobody has locked.
    server.output.write_out();
    match ended {
        Ok(Ended::Called { panicked: true }) => exit::PANICKED,
        // Or the program is gone, or has given this worker up.
        Ok(_) | Err(Gone::Program) => exit::FAREWELL,
        Err(Gone::Sense) => exit::DAMAGED,
    }
}

struct Server {
    /// Borrowed for a moment at a time: a task's panic may have something to send too.
    sender: Rc<RefCell<Sender>>,
    /// The body of what is said next.
    out: Vec<u8>,
    /// What tasks print.
    output: Output,
    /// That buffer is given back when it is empty and larger than this, in bytes.
    keep: usize,
    /// The memory of this worker is limited.
    limited: bool,
    /// A task may fork; its copy must not go on serving.
    mark: ForkMark,
    rest: Rest,
    at: At,
    /// The task of the latest chunk, which mostly is that of the next.
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
            // Before the item is announced: when it has died, all that its marks enclose
            // is its own.
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
        // A chunk that was written over by one of its own tasks.
        if chunk.is_at_its_end() { Ok(Ran::Whole { panicked }) } else { Err(Gone::Sense) }
    }

    /// Announces that the next item is about to begin; `false` if it must not.
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

    /// Runs one item, which has begun, has what it printed written out, and sends its
    /// outcome, a `quiet` one so that it will be heard of with the next; tells whether it
    /// panicked.
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
            // The copy of a task that forked and returned twice. Its original answers;
            // it ends without running exit handlers.
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

    /// Runs one item; its result is in `out`, if there is one.
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
