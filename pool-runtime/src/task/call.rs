//! One call of a task in a worker: arguments out of the message, the body, the
//! result back into bytes. Generated code drives it.

use std::cell::Cell;
use std::rc::Rc;

use serde::Deserialize;

use super::Task;
use super::input::leak_if_too_deep;
use crate::wire::message::{Phase, gap};
use crate::wire::payload::{self, PayloadError};

/// What the call on a thread is at; `None` where there is none.
pub(crate) type At = Rc<Cell<Option<Phase>>>;

thread_local! {
    static AT: At = At::default();
}

/// What the call on this thread is at.
pub(crate) fn phase() -> Option<Phase> {
    AT.try_with(|at| at.get()).ok().flatten()
}

/// Where this thread's calls say what they are at: who runs many asks once, as to find a
/// thread's variable takes a call each time.
pub(crate) fn at() -> At {
    AT.with(Rc::clone)
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
    /// Lent and not owned: whatever is moved about for every item costs more than
    /// running a small one.
    output: &'de mut Vec<u8>,
    at: &'de Cell<Option<Phase>>,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.at.set(None);
    }
}

impl<'de> Call<'de> {
    /// `output` is where the result is appended, and `at` what [`at`] gives.
    pub(crate) fn begin(
        input: &'de [u8],
        output: &'de mut Vec<u8>,
        at: &'de Cell<Option<Phase>>,
    ) -> Self {
        at.set(Some(Phase::Decode));
        Call { input, output, at }
    }

    /// Any argument but the last.
    pub fn argument<T: Deserialize<'de>>(&mut self, name: &str) -> Result<T, CallError> {
        let cut = || CallError::Decode(format!("argument `{name}`: the message ends too early"));
        let (length, rest) = self.input.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut())?;
        let (bytes, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        self.input = rest.get(gap(length)..).ok_or_else(cut)?;
        decode(bytes, name)
    }

    /// The last argument, or the only one.
    pub fn last_argument<T: Deserialize<'de>>(&mut self, name: &str) -> Result<T, CallError> {
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
        self.at.set(Some(Phase::Body));
        let result = function();
        self.at.set(Some(Phase::Encode));
        result
    }

    /// The function's result.
    pub fn output<T: Task>(&mut self, value: T::Output) -> Result<(), CallError> {
        T::encode_output(&value, self.output).map_err(|error| {
            leak_if_too_deep(value, &error);
            CallError::Encode(error.in_worker().to_string())
        })
    }
}

#[inline]
fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8], name: &str) -> Result<T, CallError> {
    payload::decode(bytes).map_err(|error| undecodable(name, error))
}

#[cold]
fn undecodable(name: &str, error: PayloadError) -> CallError {
    CallError::Decode(format!("argument `{name}`: {}", error.in_worker()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::buffer::Buffer;
    use crate::task::ItemWriter;
    use crate::wire::message::{Chunk, put_chunk_head, put_item};
    use crate::wire::payload::Slice;

    /// Two items of a task `(u8, &[f64], &str, &[u16])` as they reach a worker.
    fn frame_of(task: &str) -> Vec<u64> {
        let mut items = Buffer::new(None, 0);
        for text in ["", "abc"] {
            put_item(&mut items, |out| {
                let mut item = ItemWriter::new(out);
                item.argument(&7u8)?;
                item.argument(&[1.5, 2.5][..])?;
                item.argument(text)?;
                item.last_argument(&[1u16, 2, 3][..])?;
                Ok::<(), PayloadError>(())
            })
            .unwrap();
        }
        let mut bytes = Vec::new();
        put_chunk_head(&mut bytes, task, 0, 2);
        bytes.extend_from_slice(&items);
        let mut words = vec![0; bytes.len().div_ceil(8)];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(&bytes);
        words
    }

    #[test]
    fn numbers_are_lent_from_an_aligned_frame() {
        for task in ["", "a", "app::task", "0123456789abcdef"] {
            let words = frame_of(task);
            let body = bytemuck::cast_slice(&words);
            let mut chunk = Chunk::decode(body, None).unwrap();
            let items: Vec<&[u8]> = chunk.by_ref().take(2).collect();
            assert_eq!(items.len(), 2);
            for (item, wanted) in items.into_iter().zip(["", "abc"]) {
                let mut output = Vec::new();
                let at = Cell::default();
                let mut call = Call::begin(item, &mut output, &at);
                assert_eq!(call.argument::<u8>("a").unwrap(), 7);
                let floats: Slice<'_, f64> = call.argument("b").unwrap();
                assert_eq!(call.argument::<&str>("c").unwrap(), wanted);
                let shorts: Slice<'_, u16> = call.last_argument("d").unwrap();
                assert!(matches!(floats, Slice::Borrowed([1.5, 2.5])), "{floats:?}");
                assert!(matches!(shorts, Slice::Borrowed([1, 2, 3])), "{shorts:?}");
            }
        }
    }

    #[test]
    fn a_torn_item_is_an_error() {
        let mut bytes = Buffer::new(None, 0);
        let mut item = ItemWriter::new(&mut bytes);
        item.argument("abc").unwrap();
        let whole = bytes.len();
        for cut in 0..whole {
            let (mut output, at) = (Vec::new(), Cell::default());
            let mut call = Call::begin(&bytes[..cut], &mut output, &at);
            call.argument::<&str>("a").unwrap_err();
        }
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        let (mut output, at) = (Vec::new(), Cell::default());
        Call::begin(&bytes, &mut output, &at).argument::<&str>("a").unwrap_err();
    }
}
