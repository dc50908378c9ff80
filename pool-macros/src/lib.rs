//! The attribute of `pool-runtime`, which re-exports it; depend on that crate
//! alone. Here is only the dispatch: options (`args`), the rules of a
//! signature (`check`), the code (`expand`).

mod args;
mod check;
mod expand;
mod function;
mod types;

use proc_macro::TokenStream;

/// Makes a function a task: something that can run in worker processes.
///
/// ```text
/// #[pool_task]
/// fn doubler(n: u64) -> u64 {
///     n * 2
/// }
///
/// doubler.pmap(0..10, 3)?;    // every item in one of three fresh processes
/// doubler.pmap(0..10, &pool)?;// the same on a pool that stays
/// doubler.spawn(21)?.join()?; // one call in one process
/// doubler(21);                // a plain call, right here
/// iter.map(*doubler);         // the plain function, where one is wanted
/// ```
///
/// The name then stands for a unit struct with the function's visibility,
/// documentation and attributes, which dereferences to the function.
///
/// # Arguments
///
/// Up to 16, under any pattern. What a caller gives is the argument itself, a
/// tuple of several, or `()` for none.
///
/// | written | what arrives | what a caller may give |
/// |---|---|---|
/// | `u64`, `Vec<Row>`, any type with `Serialize` and `Deserialize` | the value | exactly that type |
/// | `&str`, `&[u8]`, `&Path` | a borrow of the message itself | whatever owns or borrows such a value |
/// | `&[T]` | a borrow of a decoded `Vec<T>` | vectors, slices, arrays |
/// | `&T` | a borrow of a decoded `T` | `T` or `&T` |
/// | `Option<&str>`, `Option<&[T]>`, `Option<&T>` and the like | likewise | an `Option` of what the reference takes |
/// | `Cow<'_, str>`, `Vec<&str>`, or a type of your own that borrows, as `View<'_>` for `struct View<'a> { text: &'a str }` | the value, borrowing from the message where its type does | exactly that type |
///
/// A lifetime may be left out in a path (`Cow<str>`, `Vec<View>`), as in any function; only
/// behind a reference that is the one argument it is written: `&View<'_>`.
///
/// `Path` and `str` mean the types of the standard library; for a type of your
/// own of such a name, write where it comes from: `&crate::map::Path`.
///
/// Named lifetimes are accepted (`fn f<'a>(a: &'a str, b: &'a str)`), and an
/// argument may live as long as the call. `&mut T` is refused: what a worker
/// changes in its copy would be lost. So are generics, `self`, `impl Trait`,
/// `async`, `const`, `unsafe` and `extern` functions; each error says what to
/// write instead.
///
/// # Only free functions
///
/// A task is a free function. An `impl` or a `trait` cannot hold one, not even
/// without `self`: the compiler says "struct is not supported in `trait`s or
/// `impl`s" there. Write the function beside the `impl`, and call it from a method.
///
/// # Result
///
/// Any type with `Serialize` and `Deserialize` that owns its data; `()` and
/// `Result` are results like any other. Most error types have no serde
/// (`std::io::Error`, `Box<dyn Error>`, that of the crate anyhow): return
/// `Result<T, String>` with `.map_err(|error| error.to_string())`.
///
/// # Options
///
/// - `name = "…"`: the name that messages and errors use. Without it, that is
///   `module::function`. No two tasks of a program may choose the same.
/// - `crate = path`: where the runtime is, if it is renamed or re-exported:
///   `#[pool_task(crate = my_crate::pool_runtime)]`.
///
/// # A variable of the task's name
///
/// Where a task is in scope, its name in a pattern means the task, as that of
/// any unit struct would. So this does not compile (E0308, or E0530 for `mut`),
/// nor does another function with an argument `checksum` beside it:
///
/// ```text
/// let checksum = checksum(path);
/// ```
///
/// Give the variable another name; or keep tasks in a module of their own and
/// call them by their path, which leaves the name free: `let checksum =
/// tasks::checksum(path);`. The body and the arguments of the task itself may
/// use the name, as those of any function.
///
/// # Types that are private
///
/// A `pub` task must not use types that are less visible than itself (E0446):
/// they are part of the struct's public face.
#[proc_macro_attribute]
pub fn pool_task(options: TokenStream, item: TokenStream) -> TokenStream {
    run(options.into(), item.into()).into()
}

/// The version of this crate, for `pool-runtime` to compare with its own.
#[doc(hidden)]
#[proc_macro]
pub fn __version(_: TokenStream) -> TokenStream {
    let version = env!("CARGO_PKG_VERSION");
    quote::quote!(#version).into()
}

fn run(
    options: proc_macro2::TokenStream,
    item: proc_macro2::TokenStream,
) -> proc_macro2::TokenStream {
    let task = check::task(options, item.clone());
    // The function stays when it is refused, so that its uses give no errors of
    // their own and an editor goes on understanding them.
    task.map_or_else(
        |error| {
            let error = error.to_compile_error();
            quote::quote!(#error #item)
        },
        |task| expand::expand(&task),
    )
}
