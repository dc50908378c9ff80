//! What a worker is told before it is one.

use super::{PROTOCOL, Reader, put_text};
use crate::wire::output::Seal;
use crate::wire::settings::Settings;

/// What a worker is told when it boots. It travels on the lifeline, together
/// with the descriptor of the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Boot {
    /// What the worker's environment variable says too.
    pub(crate) mark: u64,
    /// How deep this worker's pools are nested, the program itself being 0.
    pub(crate) depth: u32,
    /// One item and out, with the exit status saying how it went.
    pub(crate) one_shot: bool,
    /// The descriptor of the memory in which it reads long items follows those of the channel.
    pub(crate) arena: bool,
    /// A descriptor for standard input comes last.
    pub(crate) stdin: bool,
    /// There are cores enough that a worker may look for work for a moment before
    /// it sleeps.
    pub(crate) spin: bool,
    pub(crate) lifespan: Lifespan,
    /// It marks in its output where items begin and end, by this.
    pub(crate) seal: Option<Seal>,
    pub(crate) name: String,
    pub(crate) settings: Settings,
}

impl Boot {
    /// The mark of a message whose rest may be of another protocol.
    pub(crate) fn mark(bytes: &[u8]) -> Option<u64> {
        Reader { bytes }.u64()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.name.len());
        out.extend_from_slice(&self.mark.to_le_bytes());
        out.extend_from_slice(&PROTOCOL.to_le_bytes());
        out.extend_from_slice(&self.depth.to_le_bytes());
        out.push(u8::from(self.one_shot));
        out.push(u8::from(self.arena));
        out.push(u8::from(self.stdin));
        out.push(u8::from(self.spin));
        let Lifespan { tasks, age, memory } = self.lifespan;
        for limit in [tasks, age, memory] {
            // Nobody means a limit of so much.
            out.extend_from_slice(&limit.unwrap_or(u64::MAX).to_le_bytes());
        }
        out.push(u8::from(self.seal.is_some()));
        out.extend(self.seal.iter().flatten());
        put_text(&mut out, &self.name);
        self.settings.put(&mut out);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Boot> {
        let mut reader = Reader { bytes };
        let mark = reader.u64()?;
        if reader.u32()? != PROTOCOL {
            return None;
        }
        let depth = reader.u32()?;
        let one_shot = reader.u8()? != 0;
        let arena = reader.u8()? != 0;
        let stdin = reader.u8()? != 0;
        let spin = reader.u8()? != 0;
        let mut limit = || Some(reader.u64()?).map(|limit| (limit < u64::MAX).then_some(limit));
        let lifespan = Lifespan { tasks: limit()?, age: limit()?, memory: limit()? };
        let seal = if reader.u8()? != 0 { Some(reader.array()?) } else { None };
        let name = reader.text()?;
        let settings = Settings::read(&mut reader)?;
        reader.end()?;
        Some(Boot { mark, depth, one_shot, arena, stdin, spin, lifespan, seal, name, settings })
    }
}

/// When a worker retires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifespan {
    /// After so many items.
    pub(crate) tasks: Option<u64>,
    /// So many nanoseconds after its start, or after the item that it is at.
    pub(crate) age: Option<u64>,
    /// After the item in which its resident memory has grown past so many bytes.
    pub(crate) memory: Option<u64>,
}
