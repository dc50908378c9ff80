//! The zygote: a copy of the program that only forks workers.
//!
//! It is executed like a worker, runs the constructors of shared libraries, and waits for
//! requests. A fork takes a tenth of the time of an exec, since the dynamic loader and those
//! constructors have run already. A worker gets none of the program's memory or descriptors,
//! since the zygote has none.
//!
//! It must not do anything whose result its copies would share: draw random numbers (the seeds
//! of hash maps), start threads, or print.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::limits::ZYGOTE_IDLE;
use crate::sys::fork::{self, Forked};
use crate::sys::page::Page;
use crate::sys::thread_number::ThreadNumber;
use crate::sys::{fds, lifeline};
use crate::wire::exit::FAREWELL;
use crate::wire::zygote::{Reply, Request, Unfit};

struct Zygote {
    /// Held, never used: by it the kernel ends the zygote, even a stopped one, when the program
    /// ends.
    _lifeline: OwnedFd,
    socket: OwnedFd,
    page: Page,
}

/// The descriptors of a request.
struct Asked {
    request: Request,
    lifeline: OwnedFd,
    dir: OwnedFd,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

/// Forks at each request. Returns in each copy, with the copy's lifeline. It never returns in the
/// zygote, which ends when the program ends or closes its lifeline, or after ten seconds
/// without a request.
pub(super) fn serve(lifeline: OwnedFd) -> io::Result<OwnedFd> {
    let Some(mut zygote) = Zygote::open(lifeline)? else {
        fork::leave(FAREWELL);
    };
    // First, as learning the thread's number takes a fork.
    let number = match fork::threads()? {
        1 => ThreadNumber::learn()?.ok_or(Unfit::Library),
        _ => Err(Unfit::Threads),
    };
    let number = match number {
        Ok(number) => number,
        Err(why) => {
            zygote.say(Reply::Unfit(why), None);
            fork::leave(FAREWELL);
        }
    };
    // So that it keeps no file system busy. A copy gets its directory with the request.
    rustix::process::chdir("/")?;
    let name = rustix::thread::name()?;
    let _ = rustix::thread::set_name(c"pool-zygote");
    zygote.say(Reply::Ready, None);
    loop {
        let Some(asked) = zygote.next() else {
            // Without exit handlers, which only workers run.
            fork::leave(FAREWELL);
        };
        match zygote.fork(&asked, number) {
            Ok(Forked::Here) => {
                drop(zygote);
                let _ = rustix::thread::set_name(&name);
                return asked.become_worker();
            }
            Ok(Forked::There { pid, pidfd }) => {
                let request = asked.request.number;
                // Closed before the answer is sent, so that the next worker does not inherit them.
                drop(asked);
                zygote.say(Reply::Forked { request, pid }, Some(pidfd));
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(0);
                zygote.say(Reply::Failed { request: asked.request.number, errno }, None);
            }
        }
    }
}

impl Zygote {
    /// `None` if the program has ended already.
    fn open(lifeline: OwnedFd) -> io::Result<Option<Zygote>> {
        let (_, fds) = fds::receive_with(lifeline.as_fd())?;
        let Ok([socket, page]) = <[OwnedFd; 2]>::try_from(fds) else {
            return Ok(None);
        };
        let page = Page::map(page.as_fd())?;
        let armed = lifeline::arm(lifeline.as_fd())?;
        Ok(armed.then_some(Zygote { _lifeline: lifeline, socket, page }))
    }

    /// Waits for a request.
    fn next(&self) -> Option<Asked> {
        loop {
            fds::wait_for([self.socket.as_fd()], Some(ZYGOTE_IDLE)).ok()??;
            let (bytes, fds) = fds::receive_with(self.socket.as_fd()).ok()?;
            let request = Request::decode(&bytes)?;
            match Asked::new(request, fds) {
                Some(asked) => return Some(asked),
                // This process had no numbers free for them.
                None => {
                    let errno = libc::EMFILE;
                    self.say(Reply::Failed { request: request.number, errno }, None);
                }
            }
        }
    }

    fn fork(&mut self, asked: &Asked, number: ThreadNumber) -> io::Result<Forked> {
        // Before the fork, so that a failure leaves no process.
        rustix::process::fchdir(&asked.dir)?;
        self.page.announce(asked.request.number);
        let forked = fork::sibling(&self.page, number);
        if !matches!(forked, Ok(Forked::Here)) {
            // An error means that the program's root is gone; then the zygote stays here.
            let _ = rustix::process::chdir("/");
        }
        forked
    }

    /// Sends a reply. An error means that the program has let go of this zygote, which then gets
    /// no more requests and ends.
    fn say(&self, reply: Reply, pidfd: Option<OwnedFd>) {
        let fds: Vec<_> = pidfd.iter().map(AsFd::as_fd).collect();
        let _ = fds::send_with(self.socket.as_fd(), &reply.encode(), &fds);
    }
}

impl Asked {
    fn new(request: Request, fds: Vec<OwnedFd>) -> Option<Asked> {
        let mut fds = fds.into_iter();
        Some(Asked {
            request,
            lifeline: fds.next()?,
            dir: fds.next()?,
            stdout: if request.stdout { Some(fds.next()?) } else { None },
            stderr: if request.stderr { Some(fds.next()?) } else { None },
        })
    }

    /// Sets up, in the copy, what exec would have given it. Standard input is empty already, and
    /// an output that the program has closed is `/dev/null`.
    fn become_worker(self) -> io::Result<OwnedFd> {
        // The program does the same, as either of the two may need the group first.
        rustix::process::setpgid(None, None)?;
        if let Some(stdout) = self.stdout {
            rustix::stdio::dup2_stdout(stdout)?;
        }
        if let Some(stderr) = self.stderr {
            rustix::stdio::dup2_stderr(stderr)?;
        }
        fds::out_of_the_way(self.lifeline)
    }
}
