//! What a process inherits: compared between the running zygote and one started now.

use std::ffi::CString;
use std::io;
use std::sync::Arc;

use crate::supervisor::executable::Executable;
use crate::sys::surroundings::Surroundings;
use crate::worker::MARK;

/// What is executed, for a zygote and for a worker alike.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) executable: Executable,
    pub(crate) argv: Vec<CString>,
    /// Without a mark. All of it is compared: constructors and the dynamic loader read it,
    /// so setting it after a fork would be too late.
    pub(crate) envp: Vec<CString>,
    /// The limit of the main thread's stack in bytes, by which the kernel lays out memory.
    pub(crate) stack: Option<u64>,
}

impl Template {
    /// The environment of a process that recognises itself by this mark.
    pub(crate) fn marked(&self, mark: u64) -> Vec<CString> {
        let mark = CString::new(format!("{MARK}={mark}")).expect("digits hold no NUL");
        self.envp.iter().cloned().chain([mark]).collect()
    }
}

/// A zygote may fork a worker only if both fingerprints are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) template: Arc<Template>,
    surroundings: Surroundings,
}

impl Fingerprint {
    pub(super) fn take(template: &Arc<Template>) -> io::Result<Fingerprint> {
        Ok(Fingerprint { template: Arc::clone(template), surroundings: Surroundings::take()? })
    }

    pub(super) fn can_have_siblings(&self) -> bool {
        self.surroundings.are_a_childs_too()
    }
}
