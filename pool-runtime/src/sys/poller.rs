//! One wait for many descriptors, and a bell to interrupt it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

use super::fds::above_standard;

/// The bell's token.
pub(crate) const BELL: u64 = u64::MAX;

/// Waits on descriptors that are each known by a token.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    bell: OwnedFd,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Poller> {
        let epoll = above_standard(epoll::create(CreateFlags::CLOEXEC)?)?;
        let bell = above_standard(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)?;
        let poller = Poller { epoll, bell };
        poller.add(poller.bell.as_fd(), BELL)?;
        Ok(poller)
    }

    /// Reports `fd` as `token` while it is readable or hung up. Closing the
    /// descriptor ends that, as nobody holds a duplicate of it.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(token), EventFlags::IN)?)
    }

    /// Reports a descriptor that was added, or does not, unless it has hung up.
    pub(crate) fn set_heard(&self, fd: BorrowedFd<'_>, token: u64, heard: bool) -> io::Result<()> {
        let flags = if heard { EventFlags::IN } else { EventFlags::empty() };
        Ok(epoll::modify(&self.epoll, fd, EventData::new_u64(token), flags)?)
    }

    /// Ends reports of a descriptor that stays open.
    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Interrupts a wait, now or the next one.
    pub(crate) fn ring(&self) {
        // The one possible failure is a counter that is full: it has rung.
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }

    /// Waits for events, at most `timeout`; appends their tokens.
    pub(crate) fn wait(&self, timeout: Option<Duration>, tokens: &mut Vec<u64>) -> io::Result<()> {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let mut events: Vec<Event> = Vec::with_capacity(64);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        for event in events {
            let token = event.data.u64();
            if token == BELL {
                let mut counter = [MaybeUninit::uninit(); 8];
                let _ = rustix::io::read(&self.bell, &mut counter);
            }
            tokens.push(token);
        }
        Ok(())
    }
}
