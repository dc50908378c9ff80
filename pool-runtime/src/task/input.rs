//! What a caller may give a task: [`TaskInput`] for whole items, [`Lend`] for
//! one borrowed argument.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;

use crate::sys::buffer::Buffer;
use crate::wire::message::put_gap;
use crate::wire::payload::{self, Out, PayloadError};

/// An item of the task `T`: its argument, a tuple of several, `()` for none.
///
/// The attribute implements this once for each task (so that number literals
/// infer), and for a borrowed argument once for each type that can lend it. Nothing
/// else can implement it: its hidden part belongs to no version's public surface.
///
/// `T` has no bound, so that an error about the task is not repeated here.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an input of the task `{T}`",
    label = "not what the task `{T}` takes",
    note = "an item is the task's argument, a tuple of several arguments, or `()` for none"
)]
pub trait TaskInput<T> {
    /// Encodes the arguments, in order.
    #[doc(hidden)]
    fn write_item(self, item: &mut ItemWriter<'_>) -> Result<(), PayloadError>;
}

/// Appends the arguments of one item to a message.
#[derive(Debug)]
pub struct ItemWriter<'a> {
    bytes: &'a mut Buffer,
}

impl Out for Buffer {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        Buffer::put(self, bytes);
    }

    fn truncate(&mut self, length: usize) {
        Buffer::truncate(self, length);
    }
}

impl<'a> ItemWriter<'a> {
    pub(crate) fn new(bytes: &'a mut Buffer) -> Self {
        ItemWriter { bytes }
    }

    /// Any argument but the last: with its length before it and a gap after it.
    pub fn argument<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), PayloadError> {
        let start = self.bytes.len();
        self.bytes.put(&[0; 8]);
        payload::encode(value, self.bytes)?;
        let length = (self.bytes.len() - start - 8) as u64;
        self.bytes[start..start + 8].copy_from_slice(&length.to_le_bytes());
        put_gap(self.bytes, start);
        Ok(())
    }

    /// The last argument, or the only one.
    pub fn last_argument<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), PayloadError> {
        payload::encode(value, self.bytes)
    }

    /// Drops what a caller gave, which has been written or has not.
    #[inline]
    pub fn drop_given<T>(given: T, written: Result<(), PayloadError>) -> Result<(), PayloadError> {
        written.inspect_err(|error| leak_if_too_deep(given, error))
    }
}

/// A value that there was too little stack to follow may end the process when it is
/// dropped: the destructors that a compiler makes recurse as well, and ask nobody. Its
/// memory is the lesser loss.
pub(super) fn leak_if_too_deep<T>(value: T, error: &PayloadError) {
    if error.is_too_deep() {
        std::mem::forget(value);
    }
}

/// A value that can lend a `B` to a task whose argument is `&B`.
///
/// You cannot implement it for a type of your own. To give such a value to a task, borrow
/// what is in it: `value.as_ref()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot lend a `{B}` to a borrowed argument",
    label = "expected a `{B}`, owned or borrowed"
)]
pub trait Lend<B: ?Sized>: sealed::Lend<B> {
    /// The value as the task will see it.
    #[doc(hidden)]
    fn lend(&self) -> &B;
}

mod sealed {
    pub trait Lend<B: ?Sized> {}
}

impl<B> sealed::Lend<B> for B {}

impl<B> Lend<B> for B {
    fn lend(&self) -> &B {
        self
    }
}

impl<B> sealed::Lend<B> for &B {}

impl<B> Lend<B> for &B {
    fn lend(&self) -> &B {
        self
    }
}

/// The owners of an unsized type, each by the same conversion.
macro_rules! owners {
    ($($borrowed:ty: $([$($generics:tt)*] $owner:ty),+;)*) => {$($(
        impl<$($generics)*> sealed::Lend<$borrowed> for $owner {}

        impl<$($generics)*> Lend<$borrowed> for $owner {
            fn lend(&self) -> &$borrowed {
                self.as_ref()
            }
        }
    )+)*};
}

owners! {
    str: [] String, [] &str, [] &&str, [] &String, [] Box<str>, [] Rc<str>, [] Arc<str>, [] Cow<'_, str>;
    Path: [] PathBuf, [] &Path, [] &&Path, [] &PathBuf, [] Box<Path>, [] String, [] &str, [] &String, [] &OsStr;
    [T]: [T] Vec<T>, [T] &[T], [T] &&[T], [T] &Vec<T>, [T] Box<[T]>, [T] Rc<[T]>, [T] Arc<[T]>,
        [T: Clone] Cow<'_, [T]>, [T, const N: usize] [T; N], [T, const N: usize] &[T; N];
}
