//! A worker's environment, as exec takes it.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::error::Error;
use crate::worker;

/// The program's environment with the user's additions, and without a mark.
pub(super) fn environment(mut added: Vec<(OsString, OsString)>) -> Result<Vec<CString>, Error> {
    added.retain(|(name, _)| name != worker::MARK);
    let overridden =
        |name: &OsStr| name == worker::MARK || added.iter().any(|(other, _)| other == name);
    let own = std::env::vars_os().filter(|(name, _)| !overridden(name));
    let mut envp = Vec::new();
    // Of an addition made twice the later one counts.
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

pub(super) fn c_string(text: &OsStr, what: &str) -> Result<CString, Error> {
    CString::new(text.as_bytes()).map_err(|cause| {
        Error::invalid(format!("{what} contains a NUL byte: {text:?}")).with_source(cause)
    })
}
