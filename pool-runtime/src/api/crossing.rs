//! Values on their way to a worker and back: results decoded, and the errors of what does not
//! get across.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::engine::NotEncoded;
use crate::error::{Error, ErrorKind, on_item};
use crate::ids::{Item, index};
use crate::limits::MAX_ITEM;
use crate::task::{Task, TaskDef};
use crate::wire::payload;

/// A result, as the caller gets it.
pub(super) fn decode<T: Task>(item: Option<Item>, bytes: &[u8]) -> Result<T::Output, Error> {
    // Caught, because the outcome is taken already: a caller that catches the panic
    // itself and goes on would wait for it.
    match catch_unwind(AssertUnwindSafe(|| T::decode_output(bytes))) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(undecodable(T::def(), item, Some(error))),
        Err(_) => Err(undecodable(T::def(), item, None)),
    }
}

/// A result that could not be decoded, or whose decoding panicked.
#[cold]
pub(super) fn undecodable(
    task: &'static TaskDef,
    item: Option<Item>,
    error: Option<payload::PayloadError>,
) -> Error {
    let item = item.map(index);
    let result = format!("the result of {}{}", task.name, on_item(item));
    match error {
        None => Error::new(ErrorKind::Decode, format!("{result} panicked while it was decoded")),
        Some(error) => Error::new(ErrorKind::Decode, format!("failed to decode {result}: {error}"))
            .with_source(error),
    }
    .with_task(task.name, item)
}

/// An input that could not be packed.
pub(super) fn unencodable(
    task: &'static TaskDef,
    item: Option<Item>,
    error: NotEncoded<payload::PayloadError>,
) -> Error {
    let item = item.map(index);
    let failed = format!("failed to encode the input of {}{}", task.name, on_item(item));
    match error {
        NotEncoded::Unencodable(error) => {
            Error::new(ErrorKind::Encode, format!("{failed}: {error}")).with_source(error)
        }
        NotEncoded::TooLong(length) => {
            let message = format!(
                "{failed}: it takes {length} bytes, and a message holds at most {MAX_ITEM}"
            );
            Error::new(ErrorKind::Encode, message)
        }
    }
    .with_task(task.name, item)
}
