//! What the program and its zygote say to each other: short messages of whole
//! numbers, little endian, each a packet of its own.
//!
//! Both are the same program, so there is no version in them.

/// The head of what a re-executed program finds on its lifeline. A worker finds
/// its mark and a boot message; a zygote its mark and this word, which no boot
/// message has in this place: there it is the protocol.
const SUMMONS: u64 = u64::MAX;

/// Bytes of a summons.
pub(crate) const HEAD: usize = 16;

/// What makes a re-executed program with this mark a zygote.
pub(crate) fn summons(mark: u64) -> [u8; HEAD] {
    let mut bytes = [0; HEAD];
    bytes[..8].copy_from_slice(&mark.to_le_bytes());
    bytes[8..].copy_from_slice(&SUMMONS.to_le_bytes());
    bytes
}

/// Asks for a fork. With it come the worker's lifeline, its directory, and its
/// standard output and error if there are such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) number: u32,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

impl Request {
    pub(crate) fn encode(self) -> [u8; 8] {
        let streams = u32::from(self.stdout) | u32::from(self.stderr) << 1;
        pair(self.number, streams)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Request> {
        let (number, streams) = unpair(bytes.try_into().ok()?);
        Some(Request { number, stdout: streams & 1 != 0, stderr: streams & 2 != 0 })
    }
}

/// Why a copy of the program cannot be forked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It has more than one thread.
    Threads,
    /// A fork would not know its own number: with this C library, or on a kernel that does
    /// not tell what is to be known for that.
    Library,
}

/// What a zygote says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It has booted.
    Ready,
    /// It cannot fork, and never will.
    Unfit(Unfit),
    /// It has forked this one; the pidfd comes with it.
    Forked { request: u32, pid: u32 },
    /// It could not, for the reason that `errno` tells, and nothing has come of the
    /// request.
    Failed { request: u32, errno: i32 },
}

impl Reply {
    pub(crate) fn encode(self) -> [u8; 12] {
        let (kind, rest) = match self {
            Reply::Ready => (0, pair(0, 0)),
            Reply::Unfit(why) => (1, pair(u32::from(why == Unfit::Library), 0)),
            Reply::Forked { request, pid } => (2, pair(request, pid)),
            Reply::Failed { request, errno } => (3, pair(request, errno.cast_unsigned())),
        };
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&u32::to_le_bytes(kind));
        bytes[4..].copy_from_slice(&rest);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Reply> {
        let (kind, rest) = bytes.split_first_chunk::<4>()?;
        let (request, word) = unpair(rest.try_into().ok()?);
        match u32::from_le_bytes(*kind) {
            0 => Some(Reply::Ready),
            1 => Some(Reply::Unfit(if request == 0 { Unfit::Threads } else { Unfit::Library })),
            2 => Some(Reply::Forked { request, pid: word }),
            3 => Some(Reply::Failed { request, errno: word.cast_signed() }),
            _ => None,
        }
    }
}

fn pair(first: u32, second: u32) -> [u8; 8] {
    (u64::from(first) | u64::from(second) << 32).to_le_bytes()
}

fn unpair(bytes: [u8; 8]) -> (u32, u32) {
    let both = u64::from_le_bytes(bytes);
    (both as u32, (both >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::message::{Boot, Lifespan};
    use crate::wire::settings::Settings;

    #[test]
    fn what_is_encoded_is_decoded() {
        for (stdout, stderr) in [(false, false), (true, false), (false, true), (true, true)] {
            let request = Request { number: u32::MAX - 1, stdout, stderr };
            assert_eq!(Request::decode(&request.encode()), Some(request));
        }
        let replies = [
            Reply::Ready,
            Reply::Unfit(Unfit::Threads),
            Reply::Unfit(Unfit::Library),
            Reply::Forked { request: 3, pid: 4_194_303 },
            Reply::Failed { request: u32::MAX, errno: 11 },
        ];
        for reply in replies {
            assert_eq!(Reply::decode(&reply.encode()), Some(reply));
            assert_eq!(Reply::decode(&reply.encode()[..11]), None);
        }
        assert_eq!(Reply::decode(&[9; 12]), None);
        assert_eq!(Request::decode(&[0; 7]), None);
    }

    #[test]
    fn a_summons_is_no_boot_message() {
        let boot = Boot {
            arena: true,
            mark: 5,
            depth: 1,
            one_shot: false,
            stdin: false,
            spin: false,
            lifespan: Lifespan::default(),
            seal: None,
            name: "worker-0".into(),
            settings: Settings::default(),
        };
        assert_ne!(boot.encode()[..HEAD], summons(5));
        assert_eq!(Boot::decode(&summons(5)), None);
        assert_eq!(Boot::mark(&summons(5)), Some(5));
    }
}
