//! Descriptors: pairs of sockets, passing one along, the standard three.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, sendmsg, socketpair,
};

/// A connected pair, closed on exec, neither end at a standard descriptor.
pub(crate) fn pair(kind: SocketType) -> io::Result<(OwnedFd, OwnedFd)> {
    let (a, b) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    Ok((above_standard(a)?, above_standard(b)?))
}

/// Moves a descriptor off 0, 1 and 2, which a program that closed its standard
/// streams gets for the next thing it opens.
pub(crate) fn above_standard(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&fd, 3)?)
}

/// Moves what a worker keeps off the low numbers, which others may have agreed upon: make
/// and systemd name descriptors from 3 on in the environment, and what a worker has not must
/// not seem to be there. From 100 on where the limit is no lower than twice that, else from
/// the middle of what there is; where all of these are taken, it stays.
pub(crate) fn out_of_the_way(fd: OwnedFd) -> io::Result<OwnedFd> {
    const LOWEST: u64 = 100;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let from = limit.current.map_or(LOWEST, |limit| LOWEST.min(limit / 2));
    let from = RawFd::try_from(from).expect("at most 100");
    if fd.as_raw_fd() >= from {
        return above_standard(fd);
    }
    rustix::io::fcntl_dupfd_cloexec(&fd, from.max(3)).or_else(|_| above_standard(fd))
}

/// A descriptor by its number, for one call. A task may have closed it, or given
/// its number to something else: then the call goes wrong, and no more.
pub(crate) fn borrowed<'a>(fd: RawFd) -> BorrowedFd<'a> {
    // SAFETY: not -1, and whether it is open matters to the kernel only, which
    // checks it in each call. The caller makes one that is harmless on whatever the
    // number may stand for: sending on a descriptor that is no socket is an error.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// A pipe, closed on exec, neither end at a standard descriptor: what reads, which
/// does not wait, and what writes, which does.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reads, writes) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&reads, OFlags::NONBLOCK)?;
    Ok((above_standard(reads)?, above_standard(writes)?))
}

/// Device and number of what a descriptor stands for; of a pipe they are its own, for
/// as long as it exists.
pub(crate) type Identity = (u64, u64);

pub(crate) fn identity(fd: BorrowedFd<'_>) -> io::Result<Identity> {
    let stat = rustix::fs::fstat(fd)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Waits until something can be written, or nothing ever will.
pub(crate) fn wait_for_room(fd: BorrowedFd<'_>) -> io::Result<()> {
    loop {
        match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], None) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The most descriptors in one message: what a worker is forked with.
const MOST: usize = 4;

/// Sends `bytes` and descriptors as one message.
pub(crate) fn send_with(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let pushed = ancillary.push(SendAncillaryMessage::ScmRights(fds));
    assert!(pushed, "at most {MOST} descriptors");
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The longest message, in bytes: a boot message with the paths of a sandbox.
pub(crate) const LONGEST: usize = 32 << 10;

/// Receives one message of at most [`LONGEST`] with the descriptors it carries, none at
/// a standard one. Nothing at all means that the other end is gone.
pub(crate) fn receive_with(socket: BorrowedFd<'_>) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let into = &mut [IoSliceMut::new(&mut bytes)];
        match recvmsg(socket, into, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    bytes.truncate(received.bytes);
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            for fd in received {
                fds.push(above_standard(fd)?);
            }
        }
    }
    Ok((bytes, fds))
}

/// The head of the message that waits on standard input, if that is a socket
/// and a message waits there. The message stays where it is.
pub(crate) fn peek_stdin<const HEAD: usize>() -> Option<[u8; HEAD]> {
    let mut head = [0; HEAD];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    let (_, length) = recv(rustix::stdio::stdin(), &mut head[..], flags).ok()?;
    (length >= head.len()).then_some(head)
}

/// Takes what stands at descriptor 0 and puts there what is empty.
pub(crate) fn take_stdin() -> io::Result<OwnedFd> {
    let taken = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::stdio::dup2_stdin(source()?)?;
    out_of_the_way(taken)
}

/// Puts what is written in vain at standard output and error where they are closed, so
/// that nothing opened later lands there and is printed into. Standard input is open.
pub(crate) fn fill_standard() -> io::Result<()> {
    let is_closed =
        |fd: BorrowedFd<'_>| rustix::io::fcntl_getfd(fd).is_err_and(|why| why == Errno::BADF);
    if is_closed(rustix::stdio::stdout()) {
        rustix::stdio::dup2_stdout(above_standard(sink()?)?)?;
    }
    if is_closed(rustix::stdio::stderr()) {
        rustix::stdio::dup2_stderr(above_standard(sink()?)?)?;
    }
    Ok(())
}

/// What is empty: /dev/null, or where that cannot be opened, as in a bare chroot or a
/// directory without devices, a pipe into which nobody writes.
fn source() -> io::Result<OwnedFd> {
    dev_null().or_else(|_| Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?.0))
}

/// What is written in vain, where that is little: /dev/null, or else a file in memory, which
/// grows, but is not full as a pipe would be, nor closed.
pub(crate) fn sink() -> io::Result<OwnedFd> {
    let memory = || memfd_create("pool-nothing", MemfdFlags::CLOEXEC);
    dev_null().or_else(|_| Ok(memory()?))
}

/// Standard output and error as an executed program would inherit them: not if they
/// are closed, or will be on exec.
pub(crate) fn inherited_output() -> [Option<BorrowedFd<'static>>; 2] {
    let inherited = |fd: BorrowedFd<'static>| {
        let flags = rustix::io::fcntl_getfd(fd).ok()?;
        (!flags.contains(rustix::io::FdFlags::CLOEXEC)).then_some(fd)
    };
    [inherited(rustix::stdio::stdout()), inherited(rustix::stdio::stderr())]
}

/// Waits until one of the descriptors is readable or hung up; gives which are.
/// No limit is for ever; `None` means that the time is over.
pub(crate) fn wait_for<const N: usize>(
    fds: [BorrowedFd<'_>; N],
    limit: Option<Duration>,
) -> io::Result<Option<[bool; N]>> {
    let deadline = limit.map(|limit| Instant::now() + limit);
    loop {
        let mut polled = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let left = deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() }
        });
        match poll(&mut polled, left.as_ref()) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(polled.map(|fd| !fd.revents().is_empty()))),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

pub(crate) fn dev_null() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}

/// The working directory as a descriptor, which stays right when the directory
/// is renamed or the program moves on.
pub(crate) fn working_directory() -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(".", flags, Mode::empty()) {
        // A program that has given up rights may stand where it may not go. The link of
        // the kernel's leads there without a search.
        Err(Errno::ACCESS) => rustix::fs::open("/proc/self/cwd", flags, Mode::empty()),
        opened => opened,
    };
    above_standard(opened?)
}

/// Opens a directory for a worker to start in.
pub(crate) fn directory(path: &std::path::Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    above_standard(rustix::fs::open(path, flags, Mode::empty())?)
}
