//! What workers are told to live under: limits, niceness, cores, a sandbox, where their
//! output goes. And what they must tell of themselves then.

use std::time::Duration;

use pool_runtime::{Output, PoolBuilder, ProcessBuilder, Resource, Sandbox};
use pool_tests::rng::Rng;

use crate::offences::{OF_MEMORY, OF_SANDBOX, Offence};
use crate::report::{KINDS, Report};

/// The memory that a worker may have whose memory is limited, in bytes. Enough for an item
/// with a long argument and a long answer.
pub(crate) const MEMORY: usize = 128 << 20;

/// What workers are called, with their slots.
const NAME: &str = "chaos";

/// Of a pool or a process; without any, as the program itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) limits_memory: bool,
    /// How much nicer than the program.
    nicer: i32,
    cores: Vec<usize>,
    limit: Option<(Resource, u64)>,
    pub(crate) sandboxed: bool,
    /// How many workers may die, and in which time.
    pub(crate) deaths: Option<(u32, Duration)>,
    pub(crate) output: Output,
}

impl Conditions {
    /// Some or none of them, for the children of a program that is like this itself.
    pub(crate) fn draw(rng: &mut Rng, own: &Report) -> Conditions {
        let mut one_in = |n| rng.below(n) == 0;
        let (limits_memory, sandboxed, is_nicer) = (one_in(3), one_in(3), one_in(3));
        let (is_pinned, is_limited, is_mortal) = (one_in(3), one_in(3), one_in(4));
        let cores = if is_pinned { 1 + rng.below(3) } else { 0 };
        Conditions {
            limits_memory,
            nicer: if is_nicer { [1, 2, 5][rng.below(3)] } else { 0 },
            cores: (0..cores).map(|_| rng.pick(&own.cores)).collect(),
            limit: is_limited.then(|| {
                let (resource, _, least, most) = rng.pick(&KINDS);
                (resource, (least + rng.below(most - least)) as u64)
            }),
            sandboxed,
            deaths: is_mortal.then(|| {
                let deaths = u32::try_from(rng.below(5)).unwrap();
                (deaths, Duration::from_millis(50 + rng.below(1000) as u64))
            }),
            output: match rng.below(6) {
                0 => Output::Capture,
                1 => Output::Null,
                2 | 3 => Output::Prefix,
                _ => Output::Inherit,
            },
        }
    }

    /// For the workers of a pool, who note in this directory which items begin.
    pub(crate) fn set_on(&self, builder: PoolBuilder, own: &Report, dir: &str) -> PoolBuilder {
        let mut builder = builder.worker_name(NAME).output(self.output);
        if self.limits_memory {
            builder = builder.memory_limit(MEMORY as u64);
        }
        if self.nicer > 0 {
            builder = builder.nice(own.nice + self.nicer);
        }
        if !self.cores.is_empty() {
            builder = builder.pin(self.cores.iter().copied());
        }
        if let Some((resource, limit)) = self.limit {
            builder = builder.rlimit(resource, limit);
        }
        if self.sandboxed {
            builder = builder.sandbox(sandbox(dir));
        }
        match self.deaths {
            Some((deaths, within)) => builder.restart_limit(deaths, within),
            None => builder,
        }
    }

    /// What of it there is for a process of its own, which has but one core.
    pub(crate) fn set_on_process(
        &mut self,
        builder: ProcessBuilder,
        own: &Report,
        dir: &str,
    ) -> ProcessBuilder {
        (self.deaths, self.output) = (None, Output::Inherit);
        self.cores.truncate(1);
        let mut builder = builder.name(NAME);
        if self.limits_memory {
            builder = builder.memory_limit(MEMORY as u64);
        }
        if self.nicer > 0 {
            builder = builder.nice(own.nice + self.nicer);
        }
        if let Some(&core) = self.cores.first() {
            builder = builder.pin(core);
        }
        if let Some((resource, limit)) = self.limit {
            builder = builder.rlimit(resource, limit);
        }
        if self.sandboxed {
            builder = builder.sandbox(sandbox(dir));
        }
        builder
    }

    /// What is not allowed under them.
    pub(crate) fn offences(&self) -> Vec<Offence> {
        let memory: &[Offence] = if self.limits_memory { &OF_MEMORY } else { &[] };
        let sandbox: &[Offence] = if self.sandboxed { &OF_SANDBOX } else { &[] };
        [memory, sandbox].concat()
    }

    /// What a worker of this name must tell, whose program is like this itself.
    pub(crate) fn expected(&self, own: &Report, name: &str) -> Report {
        let mut report = Report { name: name.to_owned(), ..own.clone() };
        report.nice += self.nicer;
        if !self.cores.is_empty() {
            let slot = match name.strip_prefix(NAME).expect(name) {
                "" => 0,
                slot => slot.strip_prefix('-').expect(name).parse().expect(name),
            };
            report.cores = vec![self.cores[slot % self.cores.len()]];
        }
        if let Some((resource, limit)) = self.limit {
            // So that the signal comes first that says why.
            let hard = limit + u64::from(resource == Resource::Cpu);
            let kind = KINDS.iter().position(|kind| kind.0 == resource).unwrap();
            report.limits[kind] = (Some(limit), Some(hard));
        }
        if self.limits_memory {
            report.memory = (Some(MEMORY as u64), Some(MEMORY as u64));
        }
        if self.sandboxed {
            report.is_filtered = true;
            report.can_write = false;
        }
        report
    }
}

/// What items do that keep to the rules: they read and execute anything, and take notes.
fn sandbox(dir: &str) -> Sandbox {
    Sandbox::read_only().write(dir)
}
