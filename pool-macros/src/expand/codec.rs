//! From the arguments to bytes and back.
//!
//! That a type crosses the process boundary is asked in exactly one place for
//! each argument: where a marker trait, `__PoolArgument0`, is implemented for
//! the task. All other code is generic over a task that has the marker, and
//! through it has the functions of `__PoolCrosses`. So a type that does not
//! cross is one error, on that type, and none wherever the task is used.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::spanned::Spanned;

use super::argument::Argument;
use super::{Task, generate, is_never, message_lifetime};

/// Everything between the messages and the function.
pub(super) fn functions(task: &Task) -> TokenStream {
    let crossing = crossing(task);
    let encode = encode(task);
    let decode = decode(task);
    let call = call(task);
    generate!(#crossing #encode #decode #call)
}

/// The arguments with a type that the user wrote, and that type.
fn users(task: &Task) -> impl Iterator<Item = (&Argument, TokenStream)> {
    task.arguments.iter().filter_map(|argument| {
        let ty = argument.kind.user_type()?;
        Some((argument, ty.to_token_stream()))
    })
}

fn user_tokens(argument: &Argument) -> TokenStream {
    argument.kind.user_type().to_token_stream()
}

fn marker(argument: &Argument) -> Ident {
    format_ident!("__PoolArgument{}", argument.index, span = Span::mixed_site())
}

/// What the task has, for each argument, in code that is generic over it.
fn markers(task: &Task) -> Vec<TokenStream> {
    let message = message_lifetime();
    users(task)
        .map(|(argument, _)| {
            let marker = marker(argument);
            generate!(#marker<#message>)
        })
        .collect()
}

fn reader(argument: &Argument) -> Ident {
    format_ident!("__pool_read_{}", argument.index, span = Span::mixed_site())
}

fn writer(argument: &Argument) -> Ident {
    format_ident!("__pool_write_{}", argument.index, span = Span::mixed_site())
}

/// Reads one argument from `__pool_call`.
fn read(task: &Task, argument: &Argument, user: &TokenStream) -> TokenStream {
    let private = task.private();
    let (decoded, shown) = (argument.kind.decoded(user, &private), &argument.shown);
    if argument.index + 1 == task.arguments.len() {
        generate!(#private::Call::last_argument::<#decoded>(__pool_call, #shown))
    } else {
        generate!(#private::Call::argument::<#decoded>(__pool_call, #shown))
    }
}

/// Writes one argument to `__pool_item`.
fn write(task: &Task, argument: &Argument, user: &TokenStream) -> TokenStream {
    let private = task.private();
    let (encoded, value) = (argument.kind.encoded(user), argument.kind.encode(&argument.binding()));
    if argument.index + 1 == task.arguments.len() {
        generate!(#private::ItemWriter::last_argument::<#encoded>(__pool_item, #value))
    } else {
        generate!(#private::ItemWriter::argument::<#encoded>(__pool_item, #value))
    }
}

/// The marker traits, and what they give.
fn crossing(task: &Task) -> TokenStream {
    let (private, message) = (task.private(), message_lifetime());
    let any = generate!(__PoolAny);
    let (mut declared, mut defined, mut markers) = (Vec::new(), Vec::new(), Vec::new());
    for (argument, user) in users(task) {
        let (reader, writer) = (reader(argument), writer(argument));
        let (decoded, view) = (argument.kind.decoded(&any, &private), argument.kind.view(&any));
        let (read, write) = (read(task, argument, &any), write(task, argument, &any));
        let binding = argument.binding();
        let read_signature = generate! {
            fn #reader(__pool_call: &mut #private::Call<#message>)
                -> ::core::result::Result<#decoded, #private::CallError>
        };
        let write_signature = generate! {
            fn #writer(__pool_item: &mut #private::ItemWriter<'_>, #binding: #view)
                -> ::core::result::Result<(), #private::PayloadError>
        };
        declared.push(generate!(#read_signature; #write_signature;));
        defined.push(generate! {
            #read_signature { #read }
            #write_signature { #write }
        });
        let marker = marker(argument);
        let name = task.name_at(&user);
        // The bound is placed at the type too, so that no error points at the
        // whole attribute. With a lifetime of its own and no `for<…>`, in which the
        // compiler forgets which lifetime a function's type has been given (`Living`).
        let here = Span::mixed_site().located_at(user.span());
        let bound = quote_spanned! {here=> __PoolCrosses<#message, #user> };
        markers.push(generate! {
            trait #marker<#message>: #bound {}
            impl<#message> #marker<#message> for #name {}
        });
    }
    if markers.is_empty() {
        return TokenStream::new();
    }
    generate! {
        trait __PoolCrosses<#message, #any> { #(#declared)* }
        impl<#message, __PoolTask, #any> __PoolCrosses<#message, #any> for __PoolTask
        where
            #any: #private::Crosses<#message>,
        {
            #(#defined)*
        }
        #(#markers)*
    }
}

/// `__pool_encode`: views of the arguments, as a tuple, into the message.
fn encode(task: &Task) -> TokenStream {
    let (private, message) = (task.private(), message_lifetime());
    let markers = markers(task);
    let bindings = task.arguments.iter().map(Argument::binding);
    let views = task.arguments.iter().map(|argument| argument.kind.view(&user_tokens(argument)));
    let writes = task.arguments.iter().map(|argument| {
        let user = user_tokens(argument);
        if user.is_empty() {
            return write(task, argument, &user);
        }
        let (writer, binding) = (writer(argument), argument.binding());
        generate! {
            <__PoolTask as __PoolCrosses<#message, #user>>::#writer(__pool_item, #binding)
        }
    });
    generate! {
        fn __pool_encode<#message, __PoolTask: #(#markers)+*>(
            __pool_item: &mut #private::ItemWriter<'_>,
            (#(#bindings,)*): (#(#views,)*),
        ) -> ::core::result::Result<(), #private::PayloadError> {
            #(#writes?;)*
            ::core::result::Result::Ok(())
        }
    }
}

/// `__pool_decode`: the message into a tuple of what the arguments need.
fn decode(task: &Task) -> TokenStream {
    let (private, message) = (task.private(), message_lifetime());
    let markers = markers(task);
    let decoded = |argument: &Argument| argument.kind.decoded(&user_tokens(argument), &private);
    let types = task.arguments.iter().map(decoded);
    let reads = task.arguments.iter().map(|argument| {
        let user = user_tokens(argument);
        if user.is_empty() {
            return read(task, argument, &user);
        }
        let reader = reader(argument);
        generate!(<__PoolTask as __PoolCrosses<#message, #user>>::#reader(__pool_call))
    });
    let none =
        task.arguments.is_empty().then(|| generate!(#private::Call::no_argument(__pool_call)?;));
    generate! {
        fn __pool_decode<#message, __PoolTask: #(#markers)+*>(
            __pool_call: &mut #private::Call<#message>,
        ) -> ::core::result::Result<(#(#types,)*), #private::CallError> {
            #none
            ::core::result::Result::Ok((#(#reads?,)*))
        }
    }
}

/// `__pool_call`: what a worker runs.
fn call(task: &Task) -> TokenStream {
    let private = task.private();
    let (name, body) = (task.name(), task.body_name());
    let values = task.arguments.iter().map(|argument| {
        let mut index = syn::Index::from(argument.index);
        // At the type, for the error about a `Path` that is not the standard
        // library's.
        let here = Span::mixed_site().located_at(argument.span);
        index.span = here;
        argument.kind.pass(&quote_spanned!(here=> __pool_decoded.#index))
    });
    // The closure owns what was decoded, so that it is dropped within the body
    // and a panic of a destructor counts as the function's.
    let run = match &task.function.signature.output {
        syn::ReturnType::Type(_, ty) if is_never(ty) => {
            generate!(move || -> () { #body(#(#values),*) })
        }
        _ => generate!(move || #body(#(#values),*)),
    };
    generate! {
        fn __pool_call(
            __pool_call: &mut #private::Call<'_>,
        ) -> ::core::result::Result<(), #private::CallError> {
            let __pool_decoded = __pool_decode::<#name>(__pool_call)?;
            let __pool_output = #private::Call::body(__pool_call, #run);
            #private::Call::output::<#name>(__pool_call, __pool_output)
        }
    }
}
