//! What a caller may give: the implementations of `TaskInput`.
//!
//! An owned argument alone has exactly one, so that `0..10` and `1.5` take its
//! type. A borrowed argument alone has one for each common owner, since a
//! generic one would be refused by the orphan rule (E0210). Among several, and
//! in an `Option`, a borrowed position can be generic.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident};

use super::argument::{Argument, Kind, Target};
use super::{Task, generate, message_lifetime};

/// One implementation: its generics, the type, and the arguments as views.
struct Input {
    generics: TokenStream,
    given: TokenStream,
    views: Vec<TokenStream>,
}

/// All implementations of `TaskInput` for the task.
pub(super) fn implementations(task: &Task) -> TokenStream {
    let inputs = match &*task.arguments {
        [one] => alone(task, one),
        several => vec![together(task, several)],
    };
    let (name, runtime, private) = (task.name(), task.runtime(), task.private());
    let message = message_lifetime();
    let inputs = inputs.into_iter().map(|input| {
        let Input { generics, given, views } = input;
        generate! {
            impl<#message, #generics> #runtime::TaskInput<#name> for #given {
                fn write_item(
                    self,
                    __pool_item: &mut #private::ItemWriter<'_>,
                ) -> ::core::result::Result<(), #private::PayloadError> {
                    let __pool_written = __pool_encode::<#name>(__pool_item, (#(#views,)*));
                    #private::ItemWriter::drop_given(self, __pool_written)
                }
            }
        }
    });
    inputs.collect()
}

/// The one argument of a task.
fn alone(task: &Task, argument: &Argument) -> Vec<Input> {
    let whole = generate!(self);
    match &argument.kind {
        Kind::Borrowed { target, optional: false } => {
            let user = argument.kind.user_type().to_token_stream();
            let lent = target.named(&user);
            owners(target, &user).into_iter().map(|owner| owner.input(task, &lent)).collect()
        }
        _ => {
            let position = Position::of(task, argument, &whole);
            vec![Input {
                generics: position.generics,
                given: position.given,
                views: vec![position.view],
            }]
        }
    }
}

/// The tuple of no or several arguments.
fn together(task: &Task, arguments: &[Argument]) -> Input {
    let positions = arguments.iter().map(|argument| {
        let index = syn::Index::from(argument.index);
        Position::of(task, argument, &generate!(self.#index))
    });
    let mut input =
        Input { generics: TokenStream::new(), given: TokenStream::new(), views: Vec::new() };
    for Position { generics, given, view } in positions {
        input.generics.extend(generics);
        input.given.extend(generate!(#given,));
        input.views.push(view);
    }
    let given = input.given;
    input.given = generate!((#given));
    input
}

/// One argument in one way.
struct Position {
    generics: TokenStream,
    given: TokenStream,
    view: TokenStream,
}

impl Position {
    fn of(task: &Task, argument: &Argument, place: &TokenStream) -> Position {
        let private = task.private();
        let user = argument.kind.user_type().to_token_stream();
        match &argument.kind {
            Kind::Owned(_) => {
                Position { generics: TokenStream::new(), given: user, view: generate!(&#place) }
            }
            Kind::Borrowed { target, optional } => {
                let lent = target.named(&user);
                let given: Ident =
                    format_ident!("__PoolGiven{}", argument.index, span = Span::mixed_site());
                let lend = generate!(<#given as #private::Lend<#lent>>::lend);
                let generics = generate!(#given: #private::Lend<#lent>,);
                if *optional {
                    Position {
                        generics,
                        given: generate!(::core::option::Option<#given>),
                        view: generate! {
                            ::core::option::Option::map(
                                ::core::option::Option::as_ref(&#place),
                                #lend,
                            )
                        },
                    }
                } else {
                    Position {
                        generics,
                        given: given.to_token_stream(),
                        view: generate!(#lend(&#place)),
                    }
                }
            }
        }
    }
}

/// A type that can lend what a borrowed argument refers to.
struct Owner {
    generics: TokenStream,
    given: TokenStream,
    /// The type whose `Lend` is used.
    lender: TokenStream,
    /// A reference to the lender.
    place: TokenStream,
}

impl Owner {
    fn plain(given: TokenStream) -> Owner {
        Owner {
            generics: TokenStream::new(),
            lender: given.clone(),
            given,
            place: generate!(&self),
        }
    }

    /// `&&str`, as `iter()` over a list of `&str` gives it.
    fn twice(lender: TokenStream) -> Owner {
        Owner {
            given: generate!(&'__pool_given #lender),
            place: generate!(self),
            ..Owner::plain(lender)
        }
    }

    fn array(given: TokenStream) -> Owner {
        Owner {
            generics: generate!(const __POOL_LENGTH: ::core::primitive::usize),
            ..Owner::plain(given)
        }
    }

    fn input(self, task: &Task, lent: &TokenStream) -> Input {
        let Owner { generics, given, lender, place } = self;
        let private = task.private();
        Input {
            generics: generate!('__pool_given, #generics),
            given,
            views: vec![generate!(<#lender as #private::Lend<#lent>>::lend(#place))],
        }
    }
}

fn owners(target: &Target, user: &TokenStream) -> Vec<Owner> {
    match target {
        Target::Str => text_owners(),
        Target::Path => path_owners(),
        Target::Bytes => {
            let byte = generate!(::core::primitive::u8);
            let mut owners = slice_owners(&byte);
            // Of other slices it would ask that the elements are `Clone`.
            let cow = generate!(::std::borrow::Cow<'__pool_given, [#byte]>);
            owners.push(Owner::plain(cow));
            owners
        }
        Target::Slice(_) => slice_owners(user),
        Target::Value { written, .. } => {
            vec![Owner::plain(written.clone()), Owner::plain(generate!(&'__pool_given #written))]
        }
    }
}

fn text_owners() -> Vec<Owner> {
    let text = generate!(&'__pool_given ::core::primitive::str);
    let mut owners = vec![Owner::twice(text.clone())];
    owners.extend(
        [
            text,
            generate!(::std::string::String),
            generate!(&'__pool_given ::std::string::String),
            generate!(::std::boxed::Box<::core::primitive::str>),
            generate!(::std::rc::Rc<::core::primitive::str>),
            generate!(::std::sync::Arc<::core::primitive::str>),
            generate!(::std::borrow::Cow<'__pool_given, ::core::primitive::str>),
        ]
        .map(Owner::plain),
    );
    owners
}

fn path_owners() -> Vec<Owner> {
    let path = generate!(&'__pool_given ::std::path::Path);
    let text = generate!(&'__pool_given ::core::primitive::str);
    let mut owners = vec![Owner::twice(path.clone()), Owner::twice(text.clone())];
    owners.extend(
        [
            path,
            text,
            generate!(::std::path::PathBuf),
            generate!(&'__pool_given ::std::path::PathBuf),
            generate!(::std::boxed::Box<::std::path::Path>),
            generate!(::std::string::String),
            generate!(&'__pool_given ::std::string::String),
            generate!(&'__pool_given ::std::ffi::OsStr),
        ]
        .map(Owner::plain),
    );
    owners
}

fn slice_owners(element: &TokenStream) -> Vec<Owner> {
    let slice = generate!(&'__pool_given [#element]);
    let array = generate!([#element; __POOL_LENGTH]);
    let mut owners = vec![
        Owner::twice(slice.clone()),
        Owner::array(array.clone()),
        Owner::array(generate!(&'__pool_given #array)),
    ];
    owners.extend(
        [
            slice,
            generate!(::std::vec::Vec<#element>),
            generate!(&'__pool_given ::std::vec::Vec<#element>),
            generate!(::std::boxed::Box<[#element]>),
            generate!(::std::rc::Rc<[#element]>),
            generate!(::std::sync::Arc<[#element]>),
        ]
        .map(Owner::plain),
    );
    owners
}
