//! The zygote: a copy of the program that does nothing but fork workers.
//!
//! It was executed as a worker is, and has run the constructors of shared libraries.
//! Then it waits for requests. A fork of it takes a tenth of the time of an exec, since the
//! dynamic loader and those constructors have run already. The copy has none of the program's
//! memory and none of its descriptors, since the zygote has none.
//!
//! What it must never do is what copies must not have in common: draw random
//! numbers (the seeds of hash maps), start threads, or print.

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
    /// Held, never used: the kernel watches it, and ends the zygote with the
    /// program, also one that is stopped.
    _lifeline: OwnedFd,
    socket: OwnedFd,
    page: Page,
}

/// What a request comes with.
struct Asked {
    request: Request,
    lifeline: OwnedFd,
    dir: OwnedFd,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

/// Forks whenever it is asked to. Returns in each copy, with the copy's lifeline;
/// never in the zygote, which ends when the program does, lets go of it, or asks
/// for nothing in ten seconds.
pub(super) fn serve(lifeline: OwnedFd) -> io::Result<OwnedFd> {
    let Some(mut zygote) = Zygote::open(lifeline)? else {
        fork::leave(FAREWELL);
    };
    // First: to learn the number takes a fork.
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
    // It keeps no file system busy; a copy gets its directory with the request.
    rustix::process::chdir("/")?;
    let name = rustix::thread::name()?;
    let _ = rustix::thread::set_name(c"pool-zygote");
    zygote.say(Reply::Ready, None);
    loop {
        let Some(asked) = zygote.next() else {
            // Without exit handlers, which are the workers' to run.
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
                // Not held while the answer is on its way: a worker forked next has
                // no business with these.
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
    /// `None` if the program is gone already.
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
                // There was no room for them here.
                None => {
                    let errno = libc::EMFILE;
                    self.say(Reply::Failed { request: request.number, errno }, None);
                }
            }
        }
    }

    fn fork(&mut self, asked: &Asked, number: ThreadNumber) -> io::Result<Forked> {
        // Here, so that it fails before there is a process.
        rustix::process::fchdir(&asked.dir)?;
        self.page.announce(asked.request.number);
        let forked = fork::sibling(&self.page, number);
        if !matches!(forked, Ok(Forked::Here)) {
            // The root of the program's may be gone: then it stays where it is.
            let _ = rustix::process::chdir("/");
        }
        forked
    }

    /// A program that does not hear it has let go of this zygote, which the next
    /// request that does not come tells too.
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

    /// In the copy: what is left of the surroundings that exec would have given.
    /// Standard input is empty already, and an output that the program has closed leads
    /// nowhere.
    fn become_worker(self) -> io::Result<OwnedFd> {
        // The program does the same, since either may need it first.
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
