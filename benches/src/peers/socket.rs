//! The floor of what a socket can do: bytes to another process and bytes back,
//! with nothing between but the kernel.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::Helper;
use crate::roles;

/// What stands before a request: how long it is, and how long the answer.
const HEAD: usize = 8;

/// The near end of a pair, with the process at the far end.
pub(crate) struct SocketFloor {
    stream: UnixStream,
    _helper: Helper,
    answer: Vec<u8>,
}

impl SocketFloor {
    pub(crate) fn start() -> io::Result<SocketFloor> {
        let (stream, far) = UnixStream::pair()?;
        let helper = roles::command("socket").stdin(OwnedFd::from(far)).spawn()?;
        Ok(SocketFloor { stream, _helper: Helper(helper), answer: Vec::new() })
    }

    /// Sends 16 bytes and waits for 16.
    pub(crate) fn ping_pong(&mut self) -> io::Result<()> {
        self.exchange(&[0; HEAD], HEAD * 2)
    }

    /// Sends `request` with its head, and waits for an answer of that length.
    pub(crate) fn exchange(&mut self, request: &[u8], answer: usize) -> io::Result<()> {
        let head = ((request.len() as u64) << 32 | answer as u64).to_le_bytes();
        if request.len() <= HEAD {
            let mut message = [0; HEAD * 2];
            message[..HEAD].copy_from_slice(&head);
            message[HEAD..][..request.len()].copy_from_slice(request);
            self.stream.write_all(&message[..HEAD + request.len()])?;
        } else {
            self.stream.write_all(&head)?;
            self.stream.write_all(request)?;
        }
        if self.answer.len() < answer {
            self.answer.resize(answer, 0);
        }
        self.stream.read_exact(&mut self.answer[..answer])
    }
}

/// The far end: answers until the near end is closed.
pub(crate) fn answer() -> Result<(), String> {
    let failed = |error: io::Error| format!("the far end of the socket failed: {error}");
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    let mut stream = UnixStream::from(stdin);
    let mut buffer = vec![0; 64];
    let mut filled = 0;
    loop {
        while filled < HEAD {
            match stream.read(&mut buffer[filled..]).map_err(failed)? {
                0 => return Ok(()),
                count => filled += count,
            }
        }
        let head = u64::from_le_bytes(buffer[..HEAD].try_into().expect("it is as long"));
        let (request, answer) = ((head >> 32) as usize, (head & 0xFFFF_FFFF) as usize);
        if buffer.len() < (HEAD + request).max(answer) {
            buffer.resize((HEAD + request).max(answer), 0);
        }
        stream.read_exact(&mut buffer[filled..HEAD + request]).map_err(failed)?;
        stream.write_all(&buffer[..answer]).map_err(failed)?;
        filled = 0;
    }
}
