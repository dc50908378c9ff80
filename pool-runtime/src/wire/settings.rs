//! What a worker sets on itself, after it has booted and before it reports in.
//!
//! It travels with the boot message, so that a worker that was forked and one that
//! was executed do the same.

use super::message::Reader;

/// The limit of core dumps, in bytes, by which the kernel knows that there is to be none at
/// all: not even the program is started that `core_pattern` names.
pub(crate) const NO_DUMP: u64 = 1;

/// A resource that the kernel counts for each worker, and ends or refuses more of;
/// see [`PoolBuilder::rlimit`](crate::PoolBuilder::rlimit).
///
/// Of memory there is [`PoolBuilder::memory_limit`](crate::PoolBuilder::memory_limit),
/// of the stack [`PoolBuilder::stack_size`](crate::PoolBuilder::stack_size).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Bytes of address space (`RLIMIT_AS`), the executable, libraries and 32 MiB of
    /// shared memory included.
    AddressSpace,
    /// Bytes of a core dump (`RLIMIT_CORE`). 0 does not hold where dumps go to a program:
    /// see [`PoolBuilder::core_dumps`](crate::PoolBuilder::core_dumps).
    Core,
    /// Seconds of processor time in the life of a worker (`RLIMIT_CPU`): then it is
    /// killed by SIGXCPU, or a second later by SIGKILL.
    Cpu,
    /// Bytes that a file may be made long (`RLIMIT_FSIZE`); who writes beyond is killed
    /// by SIGXFSZ.
    FileSize,
    /// Bytes of memory that may be locked (`RLIMIT_MEMLOCK`).
    LockedMemory,
    /// Bytes in POSIX message queues of the user (`RLIMIT_MSGQUEUE`).
    MessageQueues,
    /// One more than the highest number that a descriptor may have (`RLIMIT_NOFILE`).
    OpenFiles,
    /// Signals that may be queued for the user (`RLIMIT_SIGPENDING`).
    PendingSignals,
    /// Processes and threads of the user, whichever program they belong to
    /// (`RLIMIT_NPROC`): one that has more already can start none.
    Processes,
    /// The highest real-time priority that may be taken (`RLIMIT_RTPRIO`).
    RealtimePriority,
    /// Microseconds of processor time at a real-time priority without a blocking call
    /// (`RLIMIT_RTTIME`).
    RealtimeTime,
}

impl Resource {
    /// In the order of their numbers on the wire.
    const ALL: [Resource; 11] = [
        Resource::AddressSpace,
        Resource::Core,
        Resource::Cpu,
        Resource::FileSize,
        Resource::LockedMemory,
        Resource::MessageQueues,
        Resource::OpenFiles,
        Resource::PendingSignals,
        Resource::Processes,
        Resource::RealtimePriority,
        Resource::RealtimeTime,
    ];
}

/// See the module. What is `None` stays as it is in the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The one core that it runs on.
    pub(crate) core: Option<u32>,
    pub(crate) nice: Option<i32>,
    /// Soft and hard.
    pub(crate) limits: Vec<(Resource, u64)>,
    /// Bytes of private writable memory.
    pub(crate) memory: Option<u64>,
    /// What is added to how soon the kernel kills it for want of memory, and whether it
    /// has to be.
    pub(crate) oom: OomScore,
    /// It leaves SIGTERM to the program.
    pub(crate) ignore_sigterm: bool,
    /// The directory of the control group that it joins.
    pub(crate) group: Option<Vec<u8>>,
    pub(crate) sandbox: Option<Rules>,
}

/// An amount to be added to `oom_score_adj`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OomScore {
    pub(crate) amount: i32,
    /// Somebody asked for it: what cannot be had is an error then.
    pub(crate) asked: bool,
}

impl Default for OomScore {
    /// Workers are what may be lost, rather than the program.
    fn default() -> OomScore {
        OomScore { amount: 100, asked: false }
    }
}

/// What a sandbox allows: paths, as the kernel takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) read: Vec<Vec<u8>>,
    /// And read.
    pub(crate) write: Vec<Vec<u8>>,
}

impl Settings {
    /// Sets a limit, in place of an earlier one of the same resource.
    pub(crate) fn limit(&mut self, resource: Resource, limit: u64) {
        self.unlimit(resource);
        self.limits.push((resource, limit));
    }

    /// Leaves a resource as it is in the program.
    pub(crate) fn unlimit(&mut self, resource: Resource) {
        self.limits.retain(|(other, _)| *other != resource);
    }

    /// Whether an allocation may fail for a limit.
    pub(crate) fn limits_memory(&self) -> bool {
        let limits_addresses =
            |(resource, _): &(Resource, u64)| *resource == Resource::AddressSpace;
        self.memory.is_some() || self.limits.iter().any(limits_addresses)
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_option(out, self.core, |out, core| out.extend_from_slice(&core.to_le_bytes()));
        put_option(out, self.nice, |out, nice| out.extend_from_slice(&nice.to_le_bytes()));
        put_count(out, self.limits.len());
        for &(resource, limit) in &self.limits {
            out.push(resource as u8);
            out.extend_from_slice(&limit.to_le_bytes());
        }
        put_option(out, self.memory, |out, bytes| out.extend_from_slice(&bytes.to_le_bytes()));
        out.extend_from_slice(&self.oom.amount.to_le_bytes());
        out.push(u8::from(self.oom.asked));
        out.push(u8::from(self.ignore_sigterm));
        put_option(out, self.group.as_deref(), put_path);
        put_option(out, self.sandbox.as_ref(), |out, rules| {
            for paths in [&rules.read, &rules.write] {
                put_count(out, paths.len());
                paths.iter().for_each(|path| put_path(out, path));
            }
        });
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Settings> {
        Some(Settings {
            core: option(reader, |reader| reader.u32())?,
            nice: option(reader, |reader| reader.u32().map(u32::cast_signed))?,
            limits: list(reader, |reader| {
                let resource = *Resource::ALL.get(usize::from(reader.u8()?))?;
                Some((resource, reader.u64()?))
            })?,
            memory: option(reader, |reader| reader.u64())?,
            oom: OomScore { amount: reader.u32()?.cast_signed(), asked: flag(reader)? },
            ignore_sigterm: flag(reader)?,
            group: option(reader, path)?,
            sandbox: option(reader, |reader| {
                Some(Rules { read: list(reader, path)?, write: list(reader, path)? })
            })?,
        })
    }
}

fn put_path(out: &mut Vec<u8>, path: &[u8]) {
    put_count(out, path.len());
    out.extend_from_slice(path);
}

fn path(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    let length = reader.u32()? as usize;
    Some(reader.take(length)?.to_vec())
}

fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

fn option<T>(
    reader: &mut Reader<'_>,
    read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Option<Option<T>> {
    match flag(reader)? {
        false => Some(None),
        true => Some(Some(read(reader)?)),
    }
}

fn flag(reader: &mut Reader<'_>) -> Option<bool> {
    match reader.u8()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("settings are short");
    out.extend_from_slice(&count.to_le_bytes());
}

fn list<T>(
    reader: &mut Reader<'_>,
    mut read: impl FnMut(&mut Reader<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = reader.u32()?;
    (0..count).map(|_| read(reader)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(settings: &Settings) -> Vec<u8> {
        let mut out = Vec::new();
        settings.put(&mut out);
        out
    }

    fn decoded(bytes: &[u8]) -> Option<Settings> {
        let mut reader = Reader { bytes };
        let settings = Settings::read(&mut reader)?;
        reader.end()?;
        Some(settings)
    }

    fn full() -> Settings {
        Settings {
            core: Some(3),
            nice: Some(-5),
            limits: Resource::ALL.map(|resource| (resource, u64::MAX - resource as u64)).into(),
            memory: Some(64 << 20),
            oom: OomScore { amount: -17, asked: true },
            ignore_sigterm: true,
            group: Some(b"/g".into()),
            sandbox: Some(Rules {
                read: vec![b"/a".into(), b"".into()],
                write: vec![b"\xff".into()],
            }),
        }
    }

    #[test]
    fn settings_come_back() {
        for settings in [Settings::default(), full()] {
            assert_eq!(decoded(&encoded(&settings)), Some(settings));
        }
    }

    #[test]
    fn settings_cut_short_or_too_long_are_refused() {
        let whole = encoded(&full());
        for cut in 0..whole.len() {
            assert_eq!(decoded(&whole[..cut]), None, "cut at {cut}");
        }
        let mut longer = whole;
        longer.push(0);
        assert_eq!(decoded(&longer), None);
    }

    #[test]
    fn no_byte_can_make_decoding_panic() {
        let whole = encoded(&full());
        for position in 0..whole.len() {
            for byte in 0..=255 {
                let mut bytes = whole.clone();
                bytes[position] = byte;
                let _ = decoded(&bytes);
            }
        }
    }

    #[test]
    fn every_resource_has_its_place_on_the_wire() {
        for (number, resource) in Resource::ALL.into_iter().enumerate() {
            assert_eq!(resource as usize, number);
        }
    }
}
