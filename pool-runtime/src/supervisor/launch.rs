//! Starts the workers of a pool.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

use super::executable::{Executable, c_string};
use super::exhaustion::{describe_exhaustion, is_exhausted};
use super::groups::{Group, Groups};
use super::nesting;
use super::options::{self, LaunchOptions, Stdio};
use super::output::{Ends, Mailbox, Output, OutputCapture};
use super::refusal;
use super::start::{NotForked, Start};
use super::zygote::{self, Template};
use crate::channel::ParentEnd;
use crate::error::{Error, ErrorKind};
use crate::ids::Slot;
use crate::limits::head;
use crate::sys::arena::Arena;
use crate::sys::child::Child;
use crate::sys::spawn::{self, Program, SpawnError};
use crate::sys::{fds, random};
use crate::wire::message::{Boot, Lifespan};
use crate::wire::output::Seal;
use crate::wire::settings::Settings;
use crate::worker;

/// Bytes of a process's name that the kernel keeps.
const NAME_BYTES: usize = 15;

/// The surroundings of every worker, as they were when the pool was built.
#[derive(Debug)]
pub(crate) struct Launch {
    template: Arc<Template>,
    /// Whether a zygote may fork workers.
    may_fork: Result<(), NotForked>,
    dir: OwnedFd,
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    output: Output,
    /// The queue for prefixed lines.
    mailbox: Option<Arc<Mailbox>>,
    name: String,
    one_shot: bool,
    depth: u32,
    /// See [`LaunchOptions`]; never empty.
    cores: Option<Vec<u32>>,
    settings: Settings,
    /// Control groups, if memory is limited and groups can be made.
    groups: Option<Arc<Groups>>,
    /// The memory in which workers read large items, and the file that they map for it.
    arena: Option<(Arc<Arena>, OwnedFd)>,
    /// There are no more workers than cores, so an idle worker may poll for a moment before it
    /// sleeps, without taking a core from a busy one.
    spin: bool,
    lifespan: Lifespan,
    /// Distinguishes a worker of this pool from any other process.
    mark: u64,
}

/// A worker's process, and the program's ends of its channel and of its output, if that is
/// captured.
type Process = (Child, ParentEnd, Option<OutputCapture>);

/// A worker's process, how it was started, and the control group that it joins, if any.
pub(crate) struct Started {
    pub(crate) process: Process,
    pub(crate) start: Start,
    pub(crate) group: Option<Group>,
}

/// The two ends of what a worker gets.
struct Opened {
    channel: ParentEnd,
    capture: Option<OutputCapture>,
    lifeline: OwnedFd,
    ends: Option<Ends>,
}

impl Launch {
    /// Takes a copy of the program's environment and working directory.
    pub(crate) fn new(options: LaunchOptions, workers: usize) -> Result<Launch, Error> {
        let depth = nesting::depth()?;
        let cores = options.check()?;
        let arena = options.arena();
        let dir = match &options.dir {
            Some(path) => fds::directory(path)
                .map_err(|cause| failed_to(&format!("open the working directory {path:?}"), cause)),
            None => fds::working_directory()
                .map_err(|cause| failed_to("open the current directory", cause)),
        }?;
        let (stdout, stderr) = match options.output {
            Output::Null => (Stdio::Null, Stdio::Null),
            _ => (options.stdout, options.stderr),
        };
        let may_fork = match (&options.program, options.forked) {
            (Some(_), _) => Err(NotForked::WorkerProgram),
            (None, false) => Err(NotForked::Unwanted),
            (None, true) => Ok(()),
        };
        let (executable, argv) = match &options.program {
            Some(path) => {
                let executable = Executable::named(path)?;
                let argv = vec![executable.path().clone()];
                (executable, argv)
            }
            None => {
                let argv = std::env::args_os().map(|arg| c_string(&arg, "an argument"));
                (Executable::of_this_program()?, argv.collect::<Result<_, _>>()?)
            }
        };
        Ok(Launch {
            name: options.name.unwrap_or_else(|| program_name(&argv)),
            template: Arc::new(Template {
                executable,
                argv,
                envp: environment(options.env)?,
                stack: options.stack,
            }),
            may_fork,
            dir,
            stdin: stream(options.stdin, 0)?,
            stdout: stream(stdout, 1)?,
            stderr: stream(stderr, 2)?,
            mailbox: (options.output == Output::Prefix).then(Arc::default),
            output: options.output,
            one_shot: options.one_shot,
            lifespan: options.lifespan,
            depth,
            spin: workers <= options::room(cores.as_deref()),
            cores,
            groups: options.settings.memory.and_then(Groups::open),
            arena,
            settings: options.settings,
            mark: random::number(),
        })
    }

    /// How messages call the worker of a slot.
    pub(crate) fn who(&self, slot: Slot) -> String {
        match self.one_shot {
            true => format!("process {}", self.name),
            false => format!("worker {slot}"),
        }
    }

    /// The file that the kernel executed in the program's place, which workers do not use.
    pub(crate) fn starter(&self) -> Option<&Path> {
        self.template.executable.starter()
    }

    /// How many bytes of memory a worker may have.
    pub(crate) fn memory_limit(&self) -> Option<u64> {
        self.settings.memory
    }

    /// Starts a process, its boot message on the way to it. `may_wait`: see `zygote::fork`.
    pub(crate) fn start(&self, slot: Slot, may_wait: bool) -> Result<Started, Error> {
        // The kernel shows no more of it, and a message holds no more.
        let mut name = match self.one_shot {
            true => self.name.clone(),
            false => format!("{}-{slot}", self.name),
        };
        name.truncate(head(&name, NAME_BYTES).len());
        let group = self.groups.as_ref().and_then(Groups::make);
        let boot = Boot {
            mark: self.mark,
            depth: self.depth,
            one_shot: self.one_shot,
            arena: self.arena.is_some(),
            stdin: self.stdin.is_some(),
            spin: self.spin,
            lifespan: self.lifespan,
            seal: self.is_read().then(draw_seal),
            name,
            settings: Settings {
                core: self.cores.as_ref().map(|cores| cores[slot.0 % cores.len()]),
                group: group.as_ref().map(|group| group.path().as_os_str().as_bytes().into()),
                ..self.settings.clone()
            },
        };
        if boot.encode().len() > fds::LONGEST {
            let most = fds::LONGEST;
            let message = format!(
                "a worker's settings take more than {most} bytes: too many paths of its sandbox"
            );
            return Err(Error::invalid(message));
        }
        let forked = match self.may_fork {
            Ok(()) => self.fork(slot, &boot, may_wait)?,
            Err(why) => Err(why),
        };
        let (process, start) = match forked {
            Ok(process) => (process, Start::Forked),
            Err(why) => (self.execute(slot, &boot)?, Start::Executed(why)),
        };
        Ok(Started { process, start, group })
    }

    pub(crate) fn arena(&self) -> Option<&Arc<Arena>> {
        self.arena.as_ref().map(|(arena, _)| arena)
    }

    /// Whether the workers' output is captured or prefixed.
    fn is_read(&self) -> bool {
        matches!(self.output, Output::Capture | Output::Prefix)
    }

    pub(crate) fn mailbox(&self) -> Option<&Arc<Mailbox>> {
        self.mailbox.as_ref()
    }

    /// No worker will queue more lines.
    pub(crate) fn close_mailbox(&self) {
        if let Some(mailbox) = &self.mailbox {
            mailbox.close();
        }
    }

    /// Lets the zygote fork a worker, or tells why it cannot. Executing one may still work, and
    /// has its own error.
    fn fork(
        &self,
        slot: Slot,
        boot: &Boot,
        may_wait: bool,
    ) -> Result<Result<Process, NotForked>, Error> {
        let Opened { channel, capture, lifeline, ends } = self.open(slot, boot)?;
        let [inherited_stdout, inherited_stderr] = fds::inherited_output();
        let [stdout, stderr] = self.output(ends.as_ref());
        let child = zygote::fork(
            &self.template,
            &zygote::Worker {
                lifeline: lifeline.as_fd(),
                dir: self.dir.as_fd(),
                stdout: stdout.or(inherited_stdout),
                stderr: stderr.or(inherited_stderr),
            },
            may_wait,
        );
        // Without a child the channel is dropped too, as it may have been used.
        Ok(child.map(|child| (child, channel, capture)))
    }

    fn execute(&self, slot: Slot, boot: &Boot) -> Result<Process, Error> {
        let Opened { channel, capture, lifeline, ends } = self.open(slot, boot)?;
        let [stdout, stderr] = self.output(ends.as_ref());
        let child = spawn::spawn(&Program {
            path: self.template.executable.path(),
            file: self.template.executable.file(),
            argv: &self.template.argv,
            envp: &self.template.marked(self.mark),
            dir: self.dir.as_fd(),
            stdin: lifeline.as_fd(),
            stdout,
            stderr,
            stack: self.template.stack,
        })
        .map_err(|SpawnError { step, cause }| self.failed(slot, step, cause))?;
        Ok((child, channel, capture))
    }

    /// Standard output and error of a worker, if not the program's.
    fn output<'a>(&'a self, ends: Option<&'a Ends>) -> [Option<BorrowedFd<'a>>; 2] {
        match ends {
            Some(ends) => [Some(ends.stdout.as_fd()), Some(ends.stderr.as_fd())],
            None => [&self.stdout, &self.stderr].map(|fd| fd.as_ref().map(AsFd::as_fd)),
        }
    }

    fn open(&self, slot: Slot, boot: &Boot) -> Result<Opened, Error> {
        let who = self.who(slot);
        let open = || -> io::Result<Opened> {
            let arena = self.arena.as_ref().map(|(_, file)| file.as_fd());
            let stdin = self.stdin.as_ref().map(AsFd::as_fd);
            let extra: Vec<_> = arena.into_iter().chain(stdin).collect();
            let (channel, lifeline) = ParentEnd::open(&boot.encode(), &extra)?;
            let relay = self.mailbox.as_ref().map(|mailbox| (mailbox, &*who));
            let output = boot.seal.map(|seal| OutputCapture::new(seal, relay)).transpose()?;
            let (capture, ends) = output.unzip();
            Ok(Opened { channel, capture, lifeline, ends })
        };
        // An idle zygote must not keep a worker from starting.
        let opened = open().or_else(|cause| match is_exhausted(&cause) && zygote::make_room() {
            true => open(),
            false => Err(cause),
        });
        opened.map_err(|cause| self.failed(slot, "make its channel", cause))
    }

    pub(crate) fn failed(&self, slot: Slot, step: &str, cause: io::Error) -> Error {
        let (what, hint) = match step {
            spawn::EXECUTE => refusal::of(&self.template, &cause),
            _ => (step.to_owned(), String::new()),
        };
        let hint = describe_exhaustion(&cause) + &hint;
        let message =
            format!("failed to start {}: failed to {what}: {cause}{hint}", self.who(slot));
        Error::new(ErrorKind::Spawn, message).with_source(cause)
    }
}

/// A worker's environment as exec takes it: the program's with the user's additions, without
/// a mark.
fn environment(mut added: Vec<(OsString, OsString)>) -> Result<Vec<CString>, Error> {
    added.retain(|(name, _)| name != worker::MARK);
    let overridden =
        |name: &OsStr| name == worker::MARK || added.iter().any(|(other, _)| other == name);
    let own = std::env::vars_os().filter(|(name, _)| !overridden(name));
    let mut envp = Vec::new();
    // If a name is added twice, the later addition counts.
    let later = |index: usize| added[index + 1..].iter().any(|(other, _)| *other == added[index].0);
    let added = (0..added.len()).filter(|&index| !later(index)).map(|index| added[index].clone());
    for (name, value) in own.chain(added) {
        if name.is_empty() || name.as_bytes()[1..].contains(&b'=') {
            let message = format!("an environment variable cannot have the name {name:?}");
            return Err(Error::invalid(message));
        }
        let mut entry = name.into_vec();
        entry.push(b'=');
        entry.extend_from_slice(value.as_bytes());
        envp.push(c_string(OsStr::from_bytes(&entry), "an environment variable")?);
    }
    Ok(envp)
}

fn program_name(argv: &[CString]) -> String {
    let path = argv.first().map_or(&b""[..], |arg| arg.to_bytes());
    let name = Path::new(OsStr::from_bytes(path)).file_name();
    name.map_or_else(|| "worker".into(), |name| name.to_string_lossy().into_owned())
}

/// Random bytes, which no task can guess.
fn draw_seal() -> Seal {
    let mut seal = Seal::default();
    random::fill(&mut seal);
    seal
}

/// The error of a step before any worker is started.
fn failed_to(what: &str, cause: io::Error) -> Error {
    let message = format!("failed to {what}: {cause}{}", describe_exhaustion(&cause));
    Error::new(ErrorKind::Spawn, message).with_source(cause)
}

/// A descriptor of our own for the stream `number`, if it is not the default.
fn stream(stdio: Stdio, number: u8) -> Result<Option<OwnedFd>, Error> {
    let name = ["input", "output", "error"][usize::from(number)];
    let place =
        if matches!(stdio, Stdio::Null) { " to /dev/null, which cannot be opened" } else { "" };
    open_stream(stdio, number)
        .map_err(|cause| failed_to(&format!("redirect standard {name}{place}"), cause))
}

fn open_stream(stdio: Stdio, number: u8) -> io::Result<Option<OwnedFd>> {
    let own = |fd: BorrowedFd<'_>| Ok(Some(rustix::io::fcntl_dupfd_cloexec(fd, 3)?));
    match (stdio, number) {
        // A worker's standard input is /dev/null unless it is told otherwise.
        (Stdio::Null, 0) | (Stdio::Inherit, 1 | 2) => Ok(None),
        (Stdio::Inherit, _) => own(rustix::stdio::stdin()),
        (Stdio::Null, _) => Ok(Some(fds::above_standard(fds::dev_null()?)?)),
        (Stdio::To(fd), _) => Ok(Some(fds::above_standard(fd)?)),
    }
}
