//! The worker's end.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::SendFlags;

use crate::sys::{fds, lifeline};
use crate::wire::frame::{self, Split};

/// Room for a read where no frame asks for more.
const READ: usize = 64 << 10;

/// The buffer is given back when a frame larger than this has been served.
const KEEP: usize = 1 << 20;

/// The worker's end of a channel.
#[derive(Debug)]
pub(crate) struct WorkerEnd {
    socket: Arc<OwnedFd>,
    /// Held, never used: the kernel watches it.
    _lifeline: OwnedFd,
    inbox: Vec<u8>,
    /// Bytes at the head of `inbox` that the last frame took.
    served: usize,
}

/// What comes on the lifeline when a worker boots.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) boot: Vec<u8>,
    pub(crate) channel: WorkerEnd,
    /// What the boot message says it is for.
    pub(crate) extra: Option<OwnedFd>,
}

/// Receives the channel and arms the lifeline. `None` if the program is gone.
pub(crate) fn accept(lifeline: OwnedFd) -> io::Result<Option<Accepted>> {
    let (boot, fds) = fds::receive_with(lifeline.as_fd())?;
    let mut fds = fds.into_iter();
    let Some(socket) = fds.next() else {
        return Ok(None);
    };
    if !lifeline::arm(lifeline.as_fd())? {
        return Ok(None);
    }
    let socket = Arc::new(socket);
    let channel = WorkerEnd { socket, _lifeline: lifeline, inbox: Vec::new(), served: 0 };
    Ok(Some(Accepted { boot, channel, extra: fds.next() }))
}

impl WorkerEnd {
    /// The next frame's body; waits for it. `None` after goodbye.
    pub(crate) fn receive(&mut self) -> io::Result<Option<&[u8]>> {
        self.inbox.drain(..std::mem::take(&mut self.served));
        if self.inbox.is_empty() && self.inbox.capacity() > KEEP {
            self.inbox = Vec::new();
        }
        loop {
            // Split twice over: the borrow that is returned must not be alive in
            // the arm that reads on.
            let needs = match frame::split(&self.inbox) {
                Split::Frame { used, .. } => {
                    self.served = used;
                    return Ok(Some(&self.inbox[frame::HEADER..used]));
                }
                Split::Partial { needs } => needs,
                Split::Corrupt => return Err(io::ErrorKind::InvalidData.into()),
            };
            self.inbox.reserve((needs - self.inbox.len()).max(READ));
            match rustix::io::read(&*self.socket, spare_capacity(&mut self.inbox)) {
                Ok(0) => return Ok(None),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// The sending half, which the panic hook needs as well as the serve loop.
    pub(crate) fn sender(&self) -> Sender {
        Sender { socket: Arc::clone(&self.socket) }
    }
}

/// Sends frames to the program. Callers send whole frames from one thread, the
/// one that runs the tasks, so that frames never mix.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    socket: Arc<OwnedFd>,
}

impl Sender {
    /// Sends all of `bytes`; waits while the program is busy.
    pub(crate) fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::net::send(&*self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}
