//! One call of a task in a worker: arguments out of the message, the body, the
//! result back into bytes. Generated code drives it.

use std::cell::Cell;

use super::{Crosses, Task};
use crate::wire::message::Phase;
use crate::wire::payload;

thread_local! {
    static PHASE: Cell<Option<Phase>> = const { Cell::new(None) };
}

/// What the call on this thread is at; `None` on threads that run no task.
pub(crate) fn phase() -> Option<Phase> {
    PHASE.get()
}

/// Why a call gave no result, though its function neither panicked nor died.
#[derive(Debug)]
pub enum CallError {
    /// An argument could not be decoded.
    Decode(String),
    /// The result could not be encoded.
    Encode(String),
}

/// One call, from its bytes to its bytes.
#[derive(Debug)]
pub struct Call<'de> {
    input: &'de [u8],
    output: Vec<u8>,
}

impl<'de> Call<'de> {
    /// `output` is where the result is appended.
    pub(crate) fn begin(input: &'de [u8], output: Vec<u8>) -> Self {
        PHASE.set(Some(Phase::Decode));
        Call { input, output }
    }

    pub(crate) fn end(self) -> Vec<u8> {
        PHASE.set(None);
        self.output
    }

    /// Any argument but the last.
    pub fn argument<T: Crosses<'de>>(&mut self, name: &str) -> Result<T, CallError> {
        let cut = || CallError::Decode(format!("argument `{name}`: the message ends too early"));
        let (length, rest) = self.input.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut())?;
        let (bytes, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        self.input = rest;
        decode(bytes, name)
    }

    /// The last argument, or the only one.
    pub fn last_argument<T: Crosses<'de>>(&mut self, name: &str) -> Result<T, CallError> {
        decode(std::mem::take(&mut self.input), name)
    }

    /// The arguments of a function that has none.
    pub fn no_argument(&mut self) -> Result<(), CallError> {
        if self.input.is_empty() {
            return Ok(());
        }
        let extra = self.input.len();
        Err(CallError::Decode(format!(
            "the task takes no argument, but the message holds {extra} bytes"
        )))
    }

    /// The user's function.
    pub fn body<R>(&mut self, function: impl FnOnce() -> R) -> R {
        PHASE.set(Some(Phase::Body));
        let result = function();
        PHASE.set(Some(Phase::Encode));
        result
    }

    /// The function's result.
    pub fn output<T: Task>(&mut self, value: &T::Output) -> Result<(), CallError> {
        T::encode_output(value, &mut self.output)
            .map_err(|error| CallError::Encode(error.to_string()))
    }
}

fn decode<'de, T: Crosses<'de>>(bytes: &'de [u8], name: &str) -> Result<T, CallError> {
    payload::decode(bytes).map_err(|error| CallError::Decode(format!("argument `{name}`: {error}")))
}
