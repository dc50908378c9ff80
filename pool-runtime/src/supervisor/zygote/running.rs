//! One zygote, from its start to its end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rustix::net::SocketType;
use rustix::process::Signal;

use super::{Fingerprint, Worker};
use crate::limits::{ZYGOTE_BOOT, ZYGOTE_END, ZYGOTE_REPLY};
use crate::supervisor::exhaustion::is_exhausted;
use crate::supervisor::start::NotForked;
use crate::sys::child::{self, Child};
use crate::sys::fds;
use crate::sys::orphans::Orphans;
use crate::sys::page::Page;
use crate::sys::random;
use crate::sys::spawn::{self, Program};
use crate::sys::surroundings::may_look_into;
use crate::wire::zygote::{Reply, Request, Unfit, summons};

/// A zygote, which forks workers once it has booted. If it is dropped without
/// [`Zygote::end`], the kernel ends it and its watcher reaps it.
#[derive(Debug)]
pub(super) struct Zygote {
    pub(super) fingerprint: Fingerprint,
    pub(super) process: Arc<ZygoteProcess>,
    socket: OwnedFd,
    /// Never used for anything else: its closing is the message.
    lifeline: OwnedFd,
    /// Of the latest request; the first is 1.
    number: u32,
}

/// Why there is no zygote.
#[derive(Debug)]
pub(super) struct NoZygote {
    pub(super) why: NotForked,
    /// Every further attempt would fail the same way.
    pub(super) is_final: bool,
}

impl From<io::Error> for NoZygote {
    fn from(error: io::Error) -> NoZygote {
        let why = if is_exhausted(&error) { NotForked::Exhausted } else { NotForked::NotUp };
        NoZygote { why, is_final: false }
    }
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answer {
    Forked(Child),
    /// It forked nothing; another request may succeed.
    Failed,
    /// It forked nothing, since it may not enter the directory.
    NoEntry,
    /// It forked nothing, since processes, descriptors or memory are exhausted.
    Exhausted,
    /// It forked nothing and never will.
    Unfit,
    /// Unknown: the zygote has ended, or does not answer.
    Silent,
}

impl Zygote {
    /// Executes one, which boots meanwhile.
    pub(super) fn start(fingerprint: &Fingerprint, dir: BorrowedFd<'_>) -> io::Result<Zygote> {
        let (socket, theirs) = fds::pair(SocketType::SEQPACKET)?;
        let (lifeline, their_lifeline) = fds::pair(SocketType::SEQPACKET)?;
        let (page, shared) = Page::create()?;
        let mark = random::number();
        fds::send_with(lifeline.as_fd(), &summons(mark), &[theirs.as_fd(), shared.as_fd()])?;
        let null = fds::above_standard(fds::sink()?)?;
        let template = &fingerprint.template;
        let child = spawn::spawn(&Program {
            path: template.executable.path(),
            file: template.executable.file(),
            argv: &template.argv,
            envp: &template.marked(mark),
            dir,
            stdin: their_lifeline.as_fd(),
            stdout: Some(null.as_fd()),
            stderr: Some(null.as_fd()),
            stack: template.stack,
        })
        .map_err(|error| error.cause)?;
        // Their ends must be nobody's but the zygote's, or its end is not seen.
        drop((theirs, their_lifeline, shared, null));
        let process = Arc::new(ZygoteProcess::new(child, page));
        let fingerprint = fingerprint.clone();
        Ok(Zygote { fingerprint, process, socket, lifeline, number: 0 })
    }

    /// Waits until it is ready. One that will not be is ended.
    pub(super) fn boot(self) -> Result<Zygote, NoZygote> {
        let why_not = match self.receive(ZYGOTE_BOOT) {
            Some((Reply::Ready, _)) if self.is_usable() => return Ok(self),
            Some((Reply::Ready, _)) => Some(NotForked::Unseen),
            Some((Reply::Unfit(Unfit::Threads), _)) => Some(NotForked::Threads),
            Some((Reply::Unfit(Unfit::Library), _)) => Some(NotForked::Library),
            // It took too long, or it died.
            _ => None,
        };
        self.end();
        Err(NoZygote { why: why_not.unwrap_or(NotForked::NotUp), is_final: why_not.is_some() })
    }

    /// Whether it is alive and has no rights beyond the program's.
    pub(super) fn is_usable(&self) -> bool {
        !self.process.has_ended() && may_look_into(self.process.child.pid())
    }

    pub(super) fn fork(&mut self, worker: &Worker<'_>) -> Answer {
        self.number = self.number.wrapping_add(1);
        let request = Request {
            number: self.number,
            stdout: worker.stdout.is_some(),
            stderr: worker.stderr.is_some(),
        };
        let fds: Vec<_> = [worker.lifeline, worker.dir]
            .into_iter()
            .chain(worker.stdout)
            .chain(worker.stderr)
            .collect();
        self.process.unanswered.store(self.number, Ordering::SeqCst);
        if let Err(error) = fds::send_with(self.socket.as_fd(), &request.encode(), &fds) {
            return self.failed(error.raw_os_error().unwrap_or(0));
        }
        match self.receive(ZYGOTE_REPLY) {
            Some((Reply::Forked { request, pid }, pidfd)) if request == self.number => {
                let Some(pidfd) = pidfd else {
                    // No number was free for the descriptor. The request stays unanswered, so
                    // ending the zygote ends the worker too, and frees descriptors.
                    return Answer::Exhausted;
                };
                self.process.unanswered.store(0, Ordering::SeqCst);
                Child::adopt(pid, pidfd).map_or(Answer::Failed, Answer::Forked)
            }
            Some((Reply::Failed { request, errno }, _)) if request == self.number => {
                self.failed(errno)
            }
            _ => Answer::Silent,
        }
    }

    /// The request forked nothing, or could not be sent.
    fn failed(&self, errno: i32) -> Answer {
        match errno {
            // It has ended.
            libc::EPIPE | libc::ECONNRESET => return Answer::Silent,
            _ => self.process.unanswered.store(0, Ordering::SeqCst),
        }
        match errno {
            libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::ENOBUFS => {
                Answer::Exhausted
            }
            // The system call is forbidden, or unknown.
            libc::EPERM | libc::ENOSYS | libc::EINVAL => Answer::Unfit,
            // It enters the directory before all else.
            libc::EACCES => Answer::NoEntry,
            _ => Answer::Failed,
        }
    }

    /// Its next reply, if it comes within the limit.
    fn receive(&self, limit: Duration) -> Option<(Reply, Option<OwnedFd>)> {
        // Its end too: a copy of it may hold the socket open for a moment.
        let either = [self.socket.as_fd(), self.process.child.pidfd()];
        let [says, _] = fds::wait_for(either, Some(limit)).ok()??;
        if !says {
            return None;
        }
        let (bytes, fds) = fds::receive_with(self.socket.as_fd()).ok()?;
        Some((Reply::decode(&bytes)?, fds.into_iter().next()))
    }

    /// Ends it, and waits for that. Tells whether it is certain that nothing came of
    /// a request that was not answered.
    pub(super) fn end(self) -> bool {
        let Zygote { process, socket, lifeline, .. } = self;
        // By the kernel, if the program may not.
        drop((socket, lifeline));
        let _ = process.child.signal(Signal::KILL);
        let ended = fds::wait_for([process.child.pidfd()], Some(ZYGOTE_END));
        // If it has not ended by then, its watcher reaps it.
        ended.is_ok_and(|ended| ended.is_some()) && process.reap_all()
    }
}

/// A zygote's process, shared by its watcher and its user.
#[derive(Debug)]
pub(super) struct ZygoteProcess {
    child: Child,
    page: Page,
    /// The request that has no answer yet; 0 if there is none.
    unanswered: AtomicU32,
    reaped: AtomicBool,
}

impl ZygoteProcess {
    fn new(child: Child, page: Page) -> ZygoteProcess {
        let (unanswered, reaped) = (AtomicU32::new(0), AtomicBool::new(false));
        ZygoteProcess { child, page, unanswered, reaped }
    }

    pub(super) fn has_ended(&self) -> bool {
        let ended = fds::wait_for([self.child.pidfd()], Some(Duration::ZERO));
        ended.is_ok_and(|ended| ended.is_some())
    }

    /// Waits for its end.
    pub(super) fn wait(&self) {
        let waited = fds::wait_for([self.child.pidfd()], None);
        waited.expect("waiting on a descriptor of our own cannot fail");
    }

    /// What it leaves in its group, once it is reaped.
    pub(super) fn orphans(&self) -> Orphans {
        self.child.orphans()
    }

    /// Reaps it and the worker that it forked without an answer; once, and under the lock of
    /// the zygotes. It has ended. Tells whether it left no such worker.
    pub(super) fn reap_all(&self) -> bool {
        if self.reaped.swap(true, Ordering::SeqCst) {
            return true;
        }
        let unanswered = self.unanswered.load(Ordering::SeqCst);
        let forked = (unanswered != 0).then(|| self.page.forked_for(unanswered)).flatten();
        // Before the zygote is reaped, as its group's number is free afterwards: the worker
        // may still be in the group, and a kill of another group by that number would hit it.
        if let Some(pid) = forked {
            child::end_by_number(pid);
        }
        let _ = self.child.reap();
        forked.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Child {
        let pair = fds::pair(SocketType::SEQPACKET).unwrap();
        let dir = fds::working_directory().unwrap();
        let argv = [c"sleep".to_owned(), c"1000000".to_owned()];
        spawn::spawn(&Program {
            path: c"/bin/sleep",
            file: None,
            argv: &argv,
            envp: &[],
            dir: dir.as_fd(),
            stdin: pair.0.as_fd(),
            stdout: None,
            stderr: None,
            stack: None,
        })
        .unwrap()
    }

    #[test]
    fn what_was_forked_without_a_word_is_ended_with_the_zygote_and_once() {
        // Of the request that has no answer, of an earlier one, of one that was answered.
        for (announced, unanswered, is_ended) in [(7, 7, true), (6, 7, false), (7, 0, false)] {
            let (page, _) = Page::create().unwrap();
            let copy = sleeper();
            page.announce(announced);
            page.note(copy.pid());
            let process = ZygoteProcess::new(sleeper(), page);
            process.unanswered.store(unanswered, Ordering::SeqCst);
            assert!(!process.has_ended());
            process.child.signal(Signal::KILL).unwrap();
            process.wait();
            assert_eq!(process.reap_all(), !is_ended);
            assert_eq!(copy.reap().is_some(), is_ended, "running, or reaped by number");
            assert!(process.reap_all(), "a second time there is nothing to do");
            copy.kill_group();
            copy.reap_ending();
        }
    }
}
