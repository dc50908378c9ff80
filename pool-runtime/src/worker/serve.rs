//! The serve loop: chunks in, outcomes out, one item after another.
//!
//! The program must know at any moment which item a dead worker was running, so
//! an item is announced before it begins, by a count in shared memory, and its
//! outcome is in shared memory before the next item begins. Neither needs a
//! system call.

use std::cell::RefCell;

use super::boot::CANNOT_BOOT;
use super::{guard, settings};
use crate::channel::{Gone, Sender, WorkerEnd};
use crate::limits::MAX_ITEM;
use crate::sys::dying;
use crate::sys::fork_mark::ForkMark;
use crate::task::{Call, CallError, TaskDef, find};
use crate::wire::message::{self, Boot, Chunk, Failure, report};

/// Exit code of a worker whose one call panicked, as that of a Rust program.
const PANICKED: i32 = 101;

/// Exit code of a worker that was sent something it does not understand.
const PROTOCOL_BROKEN: i32 = 76;

/// The most that the buffer for results may keep while it is empty, in bytes.
const KEEP: usize = 16 << 20;

thread_local! {
    /// What sends to the program, on the thread that runs the tasks: the serve loop
    /// needs it, and so does the panic hook.
    static SENDER: RefCell<Option<Sender>> = const { RefCell::new(None) };
}

/// Announces that the next item is about to begin.
fn begin() {
    SENDER.with_borrow_mut(|sender| sender.as_mut().expect("set before the first item").begin());
}

/// Sends one frame. One that is being sent already is not interrupted: a panic in
/// the middle of that is no task's.
pub(super) fn send(tag: u8, body: &[u8]) -> Result<(), Gone> {
    SENDER.with(|sender| match sender.try_borrow_mut().as_deref_mut() {
        Ok(Some(sender)) => sender.send(tag, body),
        Ok(None) | Err(_) => Err(Gone::Program),
    })
}

/// Makes this worker what its pool's are to be, and serves until the program says
/// goodbye or is gone; gives the exit code.
pub(super) fn serve(channel: &mut WorkerEnd, sender: Sender, boot: &Boot) -> i32 {
    SENDER.set(Some(sender));
    let Ok(mark) = ForkMark::of_process() else {
        return PROTOCOL_BROKEN;
    };
    let limit = boot.settings.memory;
    let keep =
        limit.map_or(KEEP, |bytes| usize::try_from(bytes / 16).map_or(KEEP, |most| most.min(KEEP)));
    let mut server = Server { out: Vec::new(), keep, limited: limit.is_some(), mark };
    if let Err(why) = settings::apply(&boot.settings, channel) {
        message::put_unfit(&mut server.out, &why);
        // A program that is gone need not know.
        let _ = server.flush(report::UNFIT);
        return CANNOT_BOOT;
    }
    message::put_ready(&mut server.out);
    let ended = server.flush(report::READY).and_then(|()| server.run_all(channel, boot.one_shot));
    match ended {
        Ok(true) => PANICKED,
        // Goodbye; or the program is gone, or has given this worker up.
        Ok(false) | Err(Gone::Program) => 0,
        Err(Gone::Sense) => PROTOCOL_BROKEN,
    }
}

struct Server {
    /// The body of what is said next.
    out: Vec<u8>,
    /// That buffer is given back when it is empty and larger than this, in bytes.
    keep: usize,
    /// The memory of this worker is limited.
    limited: bool,
    /// A task may fork; its copy must not go on serving.
    mark: ForkMark,
}

impl Server {
    /// Runs chunk after chunk, or the only one; tells whether that one panicked.
    fn run_all(&mut self, channel: &mut WorkerEnd, one_shot: bool) -> Result<bool, Gone> {
        while let Some(body) = channel.receive()? {
            let panicked = self.run(Chunk::decode(body).ok_or(Gone::Sense)?)?;
            if one_shot {
                return Ok(panicked);
            }
        }
        Ok(false)
    }

    /// Runs every item of a chunk; tells whether the last one panicked.
    fn run(&mut self, mut chunk: Chunk<'_>) -> Result<bool, Gone> {
        let task = find(chunk.task);
        let mut panicked = false;
        for _ in 0..chunk.count {
            let input = chunk.next().ok_or(Gone::Sense)?;
            panicked = self.call(task, input)?;
        }
        // A chunk that was written over by one of its own tasks.
        if chunk.is_at_its_end() { Ok(panicked) } else { Err(Gone::Sense) }
    }

    /// Runs one item and sends its outcome; tells whether it panicked.
    fn call(&mut self, task: Option<&TaskDef>, input: &[u8]) -> Result<bool, Gone> {
        begin();
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
        let Err(failure) = outcome else {
            self.flush(report::RETURNED)?;
            return Ok(false);
        };
        self.out.clear();
        message::put_failure(&mut self.out, &failure);
        self.flush(report::FAILED)?;
        Ok(matches!(*failure, Failure::Panicked(_)))
    }

    /// Runs one item; its result is in `out`, if there is one.
    fn try_call(&mut self, task: &TaskDef, input: &[u8]) -> Result<(), Box<Failure>> {
        let mut call = Call::begin(input, &mut self.out);
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
        send(tag, &self.out)?;
        self.out.clear();
        if self.out.capacity() > self.keep {
            self.out = Vec::new();
        }
        Ok(())
    }
}
