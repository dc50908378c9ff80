//! What goes wrong between values and bytes.

use std::fmt;
use std::str::Utf8Error;

use serde::{de, ser};

use crate::sys::headroom::Shortage;

/// Why a value could not be turned into bytes, or bytes into a value.
///
/// Boxed, since every step of a codec returns it and few ever fail.
#[derive(Debug)]
pub struct PayloadError(Box<Cause>);

pub(super) type Result<T> = std::result::Result<T, PayloadError>;

#[derive(Debug)]
pub(super) enum Cause {
    /// In the words of the type's own `Serialize` or `Deserialize`.
    Custom(String),
    /// A sequence or map is encoded with its length first.
    UnknownLength,
    /// A field that decoding will expect is left out.
    SkippedField(&'static str),
    /// A type asks the bytes what they are, and they do not tell.
    NotSelfDescribing(&'static str),
    TooShort,
    Trailing,
    Bool(u8),
    Char,
    Utf8(Utf8Error),
    OptionTag(u8),
    /// More elements than there is reason to believe in.
    EmptyElements(u64),
    /// The value is nested deeper than the stack allows.
    TooDeep {
        /// How deep it got before the stack was used up.
        levels: u64,
        shortage: Shortage,
        /// Whether that was a worker's stack, not the program's.
        in_worker: bool,
    },
}

impl Cause {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Cause::Custom(_) | Cause::EmptyElements(_) | Cause::TooDeep { .. } => None,
            Cause::UnknownLength => {
                Some("`#[serde(flatten)]`, or a sequence whose length is not known beforehand")
            }
            Cause::SkippedField(_) => Some("`#[serde(skip_serializing_if)]`"),
            Cause::NotSelfDescribing(_) => Some(
                "`#[serde(untagged)]`, `#[serde(tag)]`, `#[serde(flatten)]` or a type like \
                 `serde_json::Value`, which needs a self-describing format",
            ),
            Cause::TooShort
            | Cause::Trailing
            | Cause::Bool(_)
            | Cause::Char
            | Cause::Utf8(_)
            | Cause::OptionTag(_) => Some(
                "`Serialize` and `Deserialize` of the type do not match, as under \
                 `#[serde(skip_serializing_if)]`",
            ),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Custom(text) => f.write_str(text),
            Cause::UnknownLength => {
                f.write_str("a sequence or map can only be encoded if its length is known")
            }
            Cause::SkippedField(name) => write!(f, "field `{name}` is left out"),
            Cause::NotSelfDescribing(what) => {
                write!(f, "the bytes do not describe themselves, so they have no `{what}`")
            }
            Cause::TooDeep { levels, shortage, in_worker } => {
                too_deep(f, *levels, *shortage, *in_worker)
            }
            Cause::TooShort => f.write_str("the bytes end too early"),
            Cause::Trailing => f.write_str("bytes are left after the value"),
            Cause::Bool(byte) => {
                write!(f, "invalid u8 while decoding bool, expected 0 or 1, found {byte}")
            }
            Cause::Char => f.write_str("char is not valid"),
            Cause::Utf8(error) => write!(f, "string is not valid utf8: {error}"),
            Cause::OptionTag(byte) => write!(f, "tag for enum is not valid, found {byte}"),
            Cause::EmptyElements(most) => {
                write!(
                    f,
                    "more than {most} elements that take no bytes: send how many there are instead"
                )
            }
        }
    }
}

fn too_deep(
    f: &mut fmt::Formatter<'_>,
    levels: u64,
    shortage: Shortage,
    in_worker: bool,
) -> fmt::Result {
    write!(f, "it is nested too deep for the stack: after {levels} levels ")?;
    match shortage {
        Shortage::OwnStack { size, left } => write!(f, "{left} of {size} bytes are left")?,
        Shortage::OtherStack { used } => write!(
            f,
            "{used} bytes are used of one that is not its thread's own, such as a coroutine's"
        )?,
    }
    f.write_str(match (in_worker, shortage) {
        (true, _) => "; see `stack_size` for a larger one",
        (false, Shortage::OwnStack { .. }) => {
            "; make the call on a thread with a larger one, see `thread::Builder::stack_size`"
        }
        (false, Shortage::OtherStack { .. }) => "; make the call outside of it",
    })
}

impl PayloadError {
    #[cold]
    pub(super) fn too_deep(levels: u64, shortage: Shortage) -> Self {
        Cause::TooDeep { levels, shortage, in_worker: false }.into()
    }

    /// The same, seen from one level further out.
    #[cold]
    pub(super) fn outwards(mut self) -> Self {
        if let Cause::TooDeep { levels, .. } = &mut *self.0 {
            *levels += 1;
        }
        self
    }

    /// The same, with advice for a worker.
    pub(crate) fn in_worker(mut self) -> Self {
        if let Cause::TooDeep { in_worker, .. } = &mut *self.0 {
            *in_worker = true;
        }
        self
    }

    /// Whether there was too little stack to follow a value to its end. Then there may be
    /// too little to drop it.
    pub(crate) fn is_too_deep(&self) -> bool {
        matches!(*self.0, Cause::TooDeep { .. })
    }
}

impl From<Cause> for PayloadError {
    #[cold]
    fn from(cause: Cause) -> Self {
        PayloadError(Box::new(cause))
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match self.0.hint() {
            Some(hint) => write!(f, " (likely cause: {hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PayloadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.0 {
            Cause::Utf8(error) => Some(error),
            _ => None,
        }
    }
}

impl ser::Error for PayloadError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Cause::Custom(text.to_string()).into()
    }
}

impl de::Error for PayloadError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Cause::Custom(text.to_string()).into()
    }
}
