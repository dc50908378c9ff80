//! What a task is: the traits that generated code implements, and the registry.
//!
//! An item on the wire is the arguments in order. Each but the last is preceded
//! by its length (`u64`, little endian) and followed by a gap up to a multiple of
//! eight bytes, the last takes the rest: so one argument alone costs nothing,
//! every argument can be decoded, and blamed, by itself, and its numbers are
//! aligned.

mod call;
mod crosses;
mod input;
mod registry;

pub(crate) use call::{At, at, phase};
pub use call::{Call, CallError};
pub use crosses::{Crosses, CrossesBack, Living, Returns};
pub use input::{ItemWriter, Lend, TaskInput};
pub(crate) use registry::{Found, find, registered_twice};
pub use registry::{TASKS, TaskDef};

/// A function under `#[pool_task]`.
///
/// The attribute implements this for the unit struct that carries the
/// function's name, and nothing else can: its hidden part belongs to no version's
/// public surface. Use it as a bound where code is generic over tasks:
///
/// ```
/// use pool_runtime::{Error, Pool, Task, TaskInput, pool_task};
///
/// #[pool_task]
/// fn doubler(n: u64) -> u64 {
///     n * 2
/// }
///
/// fn first<T: Task, I: TaskInput<T>>(pool: &Pool, task: T, item: I) -> Result<T::Output, Error> {
///     pool.apply(task, item)
/// }
///
/// assert_eq!(first(&Pool::new(1)?, doubler, 4)?, 8);
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task",
    label = "not a task",
    note = "put `#[pool_task]` on a function and give that function's name; closures and functions \
            without the attribute cannot be sent to a worker"
)]
pub trait Task: Returns<<Self as Task>::Output> + Copy + Send + Sync + 'static {
    /// What the function returns.
    type Output: 'static;

    /// The registered entry; only the attribute can write one.
    #[doc(hidden)]
    fn def() -> &'static TaskDef;
}
