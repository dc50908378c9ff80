//! Generated code keeps the lints that a crate forbids, since it could not
//! allow them itself.

#![forbid(
    unsafe_code,
    dead_code,
    missing_docs,
    nonstandard_style,
    rust_2018_idioms,
    single_use_lifetimes,
    unreachable_pub,
    unused
)]

use pool_runtime::pool_task;

/// A task.
#[pool_task]
fn owned(n: u64) -> u64 {
    n
}

/// A task.
#[pool_task]
pub fn borrowed(text: &str, numbers: &[u8], more: Option<&u8>) -> usize {
    text.len() + numbers.len() + usize::from(more.is_some())
}

mod inner {
    /// A task.
    #[pool_runtime::pool_task]
    pub(crate) fn alone(text: &str) -> usize {
        text.len()
    }

    macro_rules! task {
        ($visibility:vis $name:ident) => {
            /// A task.
            #[pool_runtime::pool_task]
            $visibility fn $name() {}
        };
    }

    task!(pub(crate) by_macro);
}

fn main() {
    assert_eq!(owned(1), 1);
    assert_eq!(borrowed("a", &[], None), 1);
    assert_eq!(inner::alone("a"), 1);
    let () = inner::by_macro();
}
