//! One zygote, from its start to its end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rustix::net::SocketType;
use rustix::process::Signal;

use super::{Likeness, Worker};
use crate::limits::{ZYGOTE_BOOT, ZYGOTE_END, ZYGOTE_REPLY};
use crate::supervisor::scarcity::is_short;
use crate::supervisor::start::NotForked;
use crate::sys::child::{self, Child};
use crate::sys::fds;
use crate::sys::orphans::Orphans;
use crate::sys::page::Page;
use crate::sys::random;
use crate::sys::spawn::{self, Program};
use crate::sys::surroundings::may_look_into;
use crate::wire::zygote::{Reply, Request, Unfit, summons};

/// A zygote, which forks once it has booted. Dropping it without [`Zygote::end`] lets the kernel
/// end it, and its keeper reap it.
#[derive(Debug)]
pub(super) struct Zygote {
    pub(super) likeness: Likeness,
    pub(super) body: Arc<Body>,
    socket: OwnedFd,
    /// Never used for anything else: its closing is the message.
    lifeline: OwnedFd,
    /// Of the latest request; the first is 1.
    number: u32,
}

/// Why there is none.
#[derive(Debug)]
pub(super) struct NoZygote {
    pub(super) why: NotForked,
    /// It will be the same each time.
    pub(super) is_final: bool,
}

impl From<io::Error> for NoZygote {
    fn from(error: io::Error) -> NoZygote {
        let why = if is_short(&error) { NotForked::Scarce } else { NotForked::NotUp };
        NoZygote { why, is_final: false }
    }
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answer {
    Forked(Child),
    /// Nothing; others may be answered better.
    Failed,
    /// Nothing, since it may not enter the directory.
    NoEntry,
    /// Nothing, since there are not enough processes, descriptors or memory.
    Scarce,
    /// Nothing, and nothing ever will.
    Unfit,
    /// Nobody knows: the zygote has ended, or says nothing.
    Silent,
}

impl Zygote {
    /// Executes one, which boots meanwhile.
    pub(super) fn start(likeness: &Likeness, dir: BorrowedFd<'_>) -> io::Result<Zygote> {
        let (socket, theirs) = fds::pair(SocketType::SEQPACKET)?;
        let (lifeline, their_lifeline) = fds::pair(SocketType::SEQPACKET)?;
        let (page, shared) = Page::create()?;
        let mark = random::number();
        fds::send_with(lifeline.as_fd(), &summons(mark), &[theirs.as_fd(), shared.as_fd()])?;
        let null = fds::above_standard(fds::sink()?)?;
        let template = &likeness.template;
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
        let body = Arc::new(Body::new(child, page));
        let likeness = likeness.clone();
        Ok(Zygote { likeness, body, socket, lifeline, number: 0 })
    }

    /// Waits until it is ready. One that will not be is ended.
    pub(super) fn boot(self) -> Result<Zygote, NoZygote> {
        let why_not = match self.hear(ZYGOTE_BOOT) {
            Some((Reply::Ready, _)) if self.is_at_hand() => return Ok(self),
            Some((Reply::Ready, _)) => Some(NotForked::Unseen),
            Some((Reply::Unfit(Unfit::Threads), _)) => Some(NotForked::Threads),
            Some((Reply::Unfit(Unfit::Library), _)) => Some(NotForked::Library),
            // It took too long, or it died.
            _ => None,
        };
        self.end();
        Err(NoZygote { why: why_not.unwrap_or(NotForked::NotUp), is_final: why_not.is_some() })
    }

    /// Whether it lives, and can do no more than the program can.
    pub(super) fn is_at_hand(&self) -> bool {
        !self.body.has_ended() && may_look_into(self.body.child.pid())
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
        self.body.unanswered.store(self.number, Ordering::SeqCst);
        if let Err(error) = fds::send_with(self.socket.as_fd(), &request.encode(), &fds) {
            return self.failed(error.raw_os_error().unwrap_or(0));
        }
        match self.hear(ZYGOTE_REPLY) {
            Some((Reply::Forked { request, pid }, pidfd)) if request == self.number => {
                let Some(pidfd) = pidfd else {
                    // There was no room for it. The end of the zygote is that of the worker
                    // too, which stays unanswered, and makes some.
                    return Answer::Scarce;
                };
                self.body.unanswered.store(0, Ordering::SeqCst);
                Child::adopt(pid, pidfd).map_or(Answer::Failed, Answer::Forked)
            }
            Some((Reply::Failed { request, errno }, _)) if request == self.number => {
                self.failed(errno)
            }
            _ => Answer::Silent,
        }
    }

    /// Nothing came of the request, or nothing was asked.
    fn failed(&self, errno: i32) -> Answer {
        match errno {
            // It has ended.
            libc::EPIPE | libc::ECONNRESET => return Answer::Silent,
            _ => self.body.unanswered.store(0, Ordering::SeqCst),
        }
        match errno {
            libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::ENOBUFS => {
                Answer::Scarce
            }
            // The system call is forbidden, or unknown.
            libc::EPERM | libc::ENOSYS | libc::EINVAL => Answer::Unfit,
            // Entering it is what comes first.
            libc::EACCES => Answer::NoEntry,
            _ => Answer::Failed,
        }
    }

    /// The next thing that it says, within the limit.
    fn hear(&self, limit: Duration) -> Option<(Reply, Option<OwnedFd>)> {
        // Its end too: a copy of it may hold the socket open for a moment.
        let either = [self.socket.as_fd(), self.body.child.pidfd()];
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
        let Zygote { body, socket, lifeline, .. } = self;
        // By the kernel, if the program may not.
        drop((socket, lifeline));
        let _ = body.child.signal(Signal::KILL);
        let ended = fds::wait_for([body.child.pidfd()], Some(ZYGOTE_END));
        // If not, its keeper buries it.
        ended.is_ok_and(|ended| ended.is_some()) && body.bury()
    }
}

/// A zygote's process, as its keeper and whoever uses it hold it.
#[derive(Debug)]
pub(super) struct Body {
    child: Child,
    page: Page,
    /// The request that has no answer yet; 0 if there is none.
    unanswered: AtomicU32,
    buried: AtomicBool,
}

impl Body {
    fn new(child: Child, page: Page) -> Body {
        let (unanswered, buried) = (AtomicU32::new(0), AtomicBool::new(false));
        Body { child, page, unanswered, buried }
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

    /// Reaps it, and what it forked without a word; once, and under the nursery's
    /// lock. It has ended. Tells whether there was no such thing.
    pub(super) fn bury(&self) -> bool {
        if self.buried.swap(true, Ordering::SeqCst) {
            return true;
        }
        let unanswered = self.unanswered.load(Ordering::SeqCst);
        let forked = (unanswered != 0).then(|| self.page.forked_for(unanswered)).flatten();
        // Before the zygote is reaped, with whom its group goes: this one may be in it
        // still, and must not be killed by anybody who then takes it for another.
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
            let body = Body::new(sleeper(), page);
            body.unanswered.store(unanswered, Ordering::SeqCst);
            assert!(!body.has_ended());
            body.child.signal(Signal::KILL).unwrap();
            body.wait();
            assert_eq!(body.bury(), !is_ended);
            assert_eq!(copy.reap().is_some(), is_ended, "running, or reaped by number");
            assert!(body.bury(), "a second time there is nothing to do");
            copy.kill_group();
            copy.reap_ending();
        }
    }
}
