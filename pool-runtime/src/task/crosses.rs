//! Which types can be sent to a worker and back, with the reason in words.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::wire::payload::{self, PayloadError};

/// A type that an argument may have: it is encoded in the program and decoded
/// in a worker, where it may borrow from the message (`'de`).
///
/// Implemented for everything that is `Serialize + Deserialize`, and so for nothing by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross the process boundary",
    label = "must implement `Serialize` and `Deserialize`, because it is sent to a worker process",
    note = "of a type of your own: derive both: `#[derive(serde::Serialize, serde::Deserialize)]`",
    note = "of an `Rc` or `Arc`: turn on serde's feature `rc`",
    note = "of an array: serde has none that is longer than 32; take a `Vec` or `&[u8]`, or a struct \
            with the crate serde-big-array",
    note = "of a trait object: write an `enum` of the types that occur, or see the crate typetag"
)]
pub trait Crosses<'de>: Serialize + Deserialize<'de> {}

#[diagnostic::do_not_recommend]
impl<'de, T: Serialize + Deserialize<'de>> Crosses<'de> for T {}

/// A type that a task may return: it is encoded in a worker and decoded in the
/// program, where it outlives the message.
///
/// Implemented for everything that is `Serialize + DeserializeOwned + 'static`, and so for
/// nothing by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross the process boundary",
    label = "must implement `Serialize` and `Deserialize` and own its data, because it is sent back from a worker process",
    note = "of a type of your own: derive both: `#[derive(serde::Serialize, serde::Deserialize)]`",
    note = "of an error: most have no serde; send its text: `Result<T, String>` with \
            `.map_err(|error| error.to_string())`",
    note = "of an `Rc` or `Arc`: turn on serde's feature `rc`",
    note = "of an array: serde has none that is longer than 32; return a `Vec`, or a struct with \
             the crate serde-big-array",
    note = "of a trait object: write an `enum` of the types that occur, or see the crate typetag"
)]
pub trait CrossesBack: Serialize + DeserializeOwned + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + 'static> CrossesBack for T {}

/// What a task gives for its result: the ways to bytes and back.
///
/// Implemented for every task whose result is [`CrossesBack`], and so for nothing by hand. It
/// is a bound of the task and not of its `Output`, because only then a result that does not
/// cross is one error, in the words of [`CrossesBack`], and not two of serde's.
pub trait Returns<O> {
    /// Appends the result to a message.
    #[doc(hidden)]
    fn encode_output(output: &O, into: &mut Vec<u8>) -> Result<(), PayloadError>;

    /// Reads the result from a message.
    #[doc(hidden)]
    fn decode_output(bytes: &[u8]) -> Result<O, PayloadError>;
}

impl<T, O: CrossesBack> Returns<O> for T {
    fn encode_output(output: &O, into: &mut Vec<u8>) -> Result<(), PayloadError> {
        payload::encode(output, into)
    }

    fn decode_output(bytes: &[u8]) -> Result<O, PayloadError> {
        payload::decode(bytes)
    }
}

/// A type as it is with a lifetime that is not written in it; implemented for the type of
/// a function that returns it with the lifetime of its argument.
pub trait Living<'a> {
    /// That type.
    type Type;
}

#[diagnostic::do_not_recommend]
impl<'a, F: Fn(&'a ()) -> O, O> Living<'a> for F {
    type Type = O;
}
