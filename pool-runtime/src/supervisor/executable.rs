//! The file that the processes of a pool execute.
//!
//! As a rule this is the running file, by the kernel's link to it. If the kernel has executed
//! another one, as the dynamic loader, that file would take the program's arguments for its
//! own. Then it is the program's own file, if that is found; otherwise the start fails, as
//! only a file that is known to be this program is executed.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::exhaustion::describe_exhaustion;
use crate::error::{Error, ErrorKind};
use crate::sys::fds::{self, Identity};
use crate::sys::image::{self, ImageFile};
use crate::sys::linked;

/// Leads to the running file, even if its name now belongs to another file or to none.
const LINK: &str = "/proc/self/exe";

/// The same, by a name for which valgrind and qemu do not substitute the program's own file.
const TRUE_LINK: &str = "/proc/thread-self/exe";

/// A file to be executed.
#[derive(Debug)]
pub(crate) struct Executable {
    path: CString,
    /// The opened file, if the path alone is not trusted.
    opened: Option<Opened>,
}

/// The program's file, and the file that the kernel executed in its place.
#[derive(Debug)]
struct Opened {
    file: OwnedFd,
    identity: Identity,
    starter: PathBuf,
}

impl PartialEq for Executable {
    fn eq(&self, other: &Self) -> bool {
        let identity = |of: &Self| of.opened.as_ref().map(|opened| opened.identity);
        self.path == other.path && identity(self) == identity(other)
    }
}

impl Eq for Executable {}

impl Executable {
    /// A worker program of the user's choosing.
    pub(super) fn named(path: &Path) -> Result<Executable, Error> {
        let path = c_string(path.as_os_str(), "the worker program")?;
        Ok(Executable { path, opened: None })
    }

    /// This program.
    pub(super) fn of_this_program() -> Result<Executable, Error> {
        let failed = |cause: io::Error| {
            let hint = match cause.kind() {
                io::ErrorKind::NotFound => {
                    " (likely cause: /proc is not mounted, or not for this PID namespace: the \
                     library finds the program there)"
                        .into()
                }
                io::ErrorKind::PermissionDenied => {
                    " (likely cause: this is a task in a sandbox, where no pool can be made; or \
                     something else forbids to read /proc/self/exe)"
                        .into()
                }
                _ => describe_exhaustion(&cause),
            };
            let message = format!("failed to see how this program was started: {cause}{hint}");
            Error::new(ErrorKind::Spawn, message).with_source(cause)
        };
        static IS_LINKED: OnceLock<bool> = OnceLock::new();
        if !IS_LINKED.get_or_init(linked::is_linked) {
            let message = "this program cannot be executed as a worker, since it has loaded the \
                           library that makes the pool after it began (by `dlopen`, as Python \
                           loads an extension): name a program that links the tasks, see \
                           `worker_program`";
            return Err(Error::new(ErrorKind::Spawn, message));
        }
        // The executed file does not change.
        static IS_EXECUTED: OnceLock<bool> = OnceLock::new();
        let is_executed = match IS_EXECUTED.get() {
            Some(&known) => known,
            None => {
                let seen = image::is_executed().map_err(failed)?;
                *IS_EXECUTED.get_or_init(|| seen)
            }
        };
        if is_executed {
            let path = CString::new(LINK).expect("it has no NUL byte");
            return Ok(Executable { path, opened: None });
        }
        let starter = std::fs::read_link(TRUE_LINK).map_err(failed)?;
        let open = || {
            let ImageFile { path, file } = image::file()?;
            let file = fds::above_standard(file)?;
            let identity = fds::identity(file.as_fd())?;
            let path = CString::new(path.as_os_str().as_bytes())?;
            Ok(Executable {
                path,
                opened: Some(Opened { file, identity, starter: starter.clone() }),
            })
        };
        open().map_err(|cause: io::Error| {
            let hint = describe_exhaustion(&cause);
            let message = format!(
                "failed to find the file of this program, which was started through {starter:?}: \
                 {cause}{hint}; name the program that the workers run, see `worker_program`"
            );
            Error::new(ErrorKind::Spawn, message).with_source(cause)
        })
    }

    pub(super) fn path(&self) -> &CString {
        &self.path
    }

    /// The file and its identity, if the path alone is not trusted.
    pub(super) fn file(&self) -> Option<(BorrowedFd<'_>, Identity)> {
        self.opened.as_ref().map(|opened| (opened.file.as_fd(), opened.identity))
    }

    /// The file that the kernel executed in the program's place, if it did.
    pub(super) fn starter(&self) -> Option<&Path> {
        self.opened.as_ref().map(|opened| &*opened.starter)
    }

    /// The path of the file, for messages.
    pub(super) fn shown(&self) -> PathBuf {
        let path = Path::new(OsStr::from_bytes(self.path.to_bytes()));
        match path == Path::new(LINK) {
            true => std::fs::read_link(path).unwrap_or_else(|_| path.into()),
            false => path.into(),
        }
    }
}

pub(super) fn c_string(text: &OsStr, what: &str) -> Result<CString, Error> {
    CString::new(text.as_bytes()).map_err(|cause| {
        Error::invalid(format!("{what} contains a NUL byte: {text:?}")).with_source(cause)
    })
}
