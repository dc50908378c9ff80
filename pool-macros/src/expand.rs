//! The code of a task: a unit struct under the function's name, and one
//! anonymous constant that holds all the rest.
//!
//! Three rules keep generated and written code apart. Every path starts at the
//! runtime or at a crate of the standard library. Every generated name begins
//! with `__pool`, since a pattern that is the name of a task in scope would
//! mean that task. And there is no `use`, so that the function's body, which
//! lives in the constant too, sees what it would see outside.

mod argument;
mod attributes;
mod codec;
mod inputs;

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{FnArg, Ident, Lifetime, PatType, Path, ReturnType, Signature, Type};

use crate::args::Args;
use crate::function::Function;
use crate::types;
use argument::Argument;
use attributes::Attributes;

/// `quote!`, with every token that is not interpolated resolved as this crate's
/// edition says, whatever the edition of the user's crate.
macro_rules! generate {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned! { ::proc_macro2::Span::mixed_site() => $($tokens)* }
    };
}
use generate;

/// A task that keeps the rules, ready to be written out.
pub(crate) struct Task {
    args: Args,
    function: Function,
    arguments: Vec<Argument>,
    output: Type,
}

impl Task {
    /// The function must have been checked.
    pub(crate) fn new(args: Args, function: Function) -> Task {
        let (typed, private) = (typed_arguments(&function.signature), private(&args));
        let arguments =
            typed.enumerate().map(|(index, typed)| Argument::new(index, typed, &private));
        let output = match &function.signature.output {
            ReturnType::Type(_, ty) if !is_never(ty) => Type::clone(ty),
            // A task that never returns has no result to send, so any type will
            // do for it.
            _ => syn::parse_quote!(()),
        };
        Task { arguments: arguments.collect(), output, args, function }
    }

    /// The name of the task's struct.
    fn name(&self) -> &Ident {
        &self.function.signature.ident
    }

    /// The task's struct, placed where an error about `syntax` belongs.
    fn name_at(&self, syntax: &impl Spanned) -> Ident {
        let mut name = self.name().clone();
        name.set_span(name.span().located_at(syntax.span()));
        name
    }

    /// The name of the function that holds the body.
    fn body_name(&self) -> Ident {
        if self.function.body_names_the_task() {
            Ident::new("__pool_body", Span::mixed_site())
        } else {
            self.name().clone()
        }
    }

    /// The root of the runtime crate.
    fn runtime(&self) -> TokenStream {
        runtime(&self.args)
    }

    /// The module that generated code may use.
    fn private(&self) -> TokenStream {
        private(&self.args)
    }

    fn attributes(&self) -> Attributes {
        Attributes::of(&self.function.attributes)
    }
}

fn runtime(args: &Args) -> TokenStream {
    match &args.runtime {
        Some(path) => Path::to_token_stream(path),
        None => generate!(::pool_runtime),
    }
}

fn private(args: &Args) -> TokenStream {
    let runtime = runtime(args);
    generate!(#runtime::__private)
}

fn typed_arguments(signature: &Signature) -> impl Iterator<Item = &PatType> {
    signature.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    })
}

fn is_never(ty: &Type) -> bool {
    matches!(types::bare(ty), Type::Never(_))
}

/// The user's tokens, in their places, as the attribute's own. Lints about how
/// an item is named and whether it is used then pass over it; an `#[allow]`
/// would be an error (E0453) in a crate that forbids such a lint.
fn generated(tokens: TokenStream) -> TokenStream {
    let own = |mut token: TokenTree| {
        if token.to_string() != "$crate" {
            token.set_span(token.span().resolved_at(Span::mixed_site()));
        }
        match token {
            TokenTree::Group(group) => {
                let inside = generated(group.stream());
                TokenTree::Group(Group::new(group.delimiter(), inside))
            }
            other => other,
        }
    };
    tokens.into_iter().map(own).collect()
}

/// How long a message lives, in generated code.
fn message_lifetime() -> Lifetime {
    Lifetime::new("'__pool_de", Span::mixed_site())
}

/// All that stands in the place of the function.
pub(crate) fn expand(task: &Task) -> TokenStream {
    let attributes = task.attributes();
    let conditions = &attributes.conditions;
    // A task that is deprecated is named by its own code.
    let deprecated = attributes.deprecated.then(|| generate!(#[allow(deprecated)]));
    let structure = structure(task, &attributes);
    let parts = [
        body(task, &attributes),
        plain_call(task),
        methods(task),
        codec::functions(task),
        inputs::implementations(task),
        registration(task),
    ];
    generate! {
        #structure
        #(#conditions)*
        #deprecated
        const _: () = { #(#parts)* };
    }
}

fn structure(task: &Task, attributes: &Attributes) -> TokenStream {
    let name = generated(task.name().to_token_stream());
    let visibility = &task.function.visibility;
    let conditions = &attributes.conditions;
    let attributes = &attributes.structure;
    generate! {
        #(#conditions)*
        #(#attributes)*
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #visibility struct #name;
    }
}

/// The function as it was written.
fn body(task: &Task, attributes: &Attributes) -> TokenStream {
    let attributes = &attributes.body;
    let mut signature = task.function.signature.clone();
    signature.ident = task.body_name();
    let body = &task.function.body;
    quote! {
        #(#attributes)*
        #signature #body
    }
}

/// What makes `doubler(21)` and `iter.map(*doubler)` work.
fn plain_call(task: &Task) -> TokenStream {
    let (name, body) = (task.name(), task.body_name());
    let signature = &task.function.signature;
    let lifetimes = &signature.generics.params;
    let types = typed_arguments(signature).map(|argument| &argument.ty);
    let output = &signature.output;
    let bound = (!lifetimes.is_empty()).then(|| generate!(for<#lifetimes>));
    generate! {
        impl ::core::ops::Deref for #name {
            type Target = #bound fn(#(#types),*) #output;
            fn deref(&self) -> &Self::Target {
                const __POOL_PLAIN: <#name as ::core::ops::Deref>::Target = #body;
                &__POOL_PLAIN
            }
        }
    }
}

/// The calls that run the task in other processes.
fn methods(task: &Task) -> TokenStream {
    let (name, output) = (task.name(), &task.output);
    let visibility = generated(task.function.visibility.to_token_stream());
    let (runtime, private) = (task.runtime(), task.private());
    generate! {
        impl #name {
            /// Runs the task on every item, in worker processes, and returns the
            /// results in the order of the items.
            ///
            /// An item is the task's argument, a tuple of several, or `()` for none.
            /// The workers are a number of fresh processes, gone when this returns, or
            /// a `&Pool` that stays.
            ///
            /// # Errors
            ///
            /// The first failure ends the call: an item whose function panicked, whose
            /// worker died or whose value could not be sent, or workers that could not
            /// be started. The error tells which item it was.
            #visibility fn pmap<__PoolItems>(
                self,
                __pool_items: __PoolItems,
                __pool_workers: impl #runtime::Workers,
            ) -> ::core::result::Result<::std::vec::Vec<#output>, #runtime::Error>
            where
                __PoolItems: ::core::iter::IntoIterator,
                <__PoolItems as ::core::iter::IntoIterator>::Item: #runtime::TaskInput<#name>,
            {
                #private::pmap(self, __pool_items, __pool_workers)
            }

            /// Starts one process for one call.
            ///
            /// What is given is the task's argument, a tuple of several, or `()` for
            /// none. `join` on the process waits for the result.
            ///
            /// # Errors
            ///
            /// When the arguments could not be encoded or the process not started.
            #visibility fn spawn(
                self,
                __pool_arguments: impl #runtime::TaskInput<#name>,
            ) -> ::core::result::Result<#runtime::Process<#output>, #runtime::Error> {
                #private::spawn(self, __pool_arguments)
            }
        }
    }
}

/// The entry in the program's list of tasks.
fn registration(task: &Task) -> TokenStream {
    let (name, output) = (task.name_at(&task.output), &task.output);
    let (runtime, private) = (task.runtime(), task.private());
    let place = generate! {
        ::core::concat!(::core::file!(), ":", ::core::line!(), ":", ::core::column!())
    };
    let (shown, key) = match &task.args.name {
        Some(chosen) => (chosen.to_token_stream(), chosen.to_token_stream()),
        None => {
            let word = task.name().unraw().to_string();
            let shown = generate!(::core::concat!(::core::module_path!(), "::", #word));
            let key = generate!(::core::concat!(#shown, "@", #place));
            (shown, key)
        }
    };

    let hash = task.function.hash();
    generate! {
        impl #runtime::Task for #name {
            type Output = #output;
            fn def() -> &'static #private::TaskDef {
                &__POOL_DEF
            }
        }

        #[#private::linkme::distributed_slice(#private::TASKS)]
        #[linkme(crate = #private::linkme)]
        static __POOL_DEF: #private::TaskDef = #private::TaskDef {
            name: #shown,
            key: #key,
            place: #place,
            hash: #hash,
            path: ::core::any::type_name::<#name>,
            call: __pool_call,
        };
    }
}
