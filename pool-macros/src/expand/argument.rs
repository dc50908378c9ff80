//! The kinds of arguments: what each is on the wire, how it is decoded and
//! handed to the function.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::spanned::Spanned;
use syn::{Pat, PatType, Type};

use super::{generate, message_lifetime};
use crate::types;

/// One argument of a task.
pub(super) struct Argument {
    pub(super) index: usize,
    /// What an error calls it: its name, or its position.
    pub(super) shown: String,
    /// Where its type is written.
    pub(super) span: Span,
    pub(super) kind: Kind,
}

/// How an argument comes to the function. Lifetimes in types have become the
/// message's.
pub(super) enum Kind {
    /// As a value, which may borrow from the message.
    Owned(Type),
    /// As a reference.
    Borrowed {
        target: Target,
        /// `Option<&T>`
        optional: bool,
    },
}

/// What a reference refers to.
pub(super) enum Target {
    /// Text in the message.
    Str,
    /// Bytes in the message.
    Bytes,
    /// A path in the message.
    Path,
    /// Elements that are decoded for the call, or numbers in the message.
    Slice(Type),
    /// A value that is decoded for the call.
    Value {
        ty: Type,
        /// The type as the user wrote it. There are two implementations, one for the type and
        /// one for a reference to it, and the compiler takes them for two types only if both
        /// are written this way.
        written: TokenStream,
    },
}

impl Argument {
    pub(super) fn new(index: usize, argument: &PatType, private: &TokenStream) -> Argument {
        let shown = match &*argument.pat {
            Pat::Ident(name) => name.ident.to_string(),
            _ => (index + 1).to_string(),
        };
        Argument { index, shown, span: argument.ty.span(), kind: Kind::of(&argument.ty, private) }
    }

    /// The binding that holds it in generated code.
    pub(super) fn binding(&self) -> Ident {
        format_ident!("__pool_{}", self.index, span = Span::mixed_site())
    }
}

impl Kind {
    fn of(ty: &Type, private: &TokenStream) -> Kind {
        let optional = types::inside_option(ty);
        match types::bare(optional.unwrap_or(ty)) {
            Type::Reference(reference) => {
                let target = Target::of(&reference.elem, private);
                Kind::Borrowed { target, optional: optional.is_some() }
            }
            _ => Kind::Owned(living(ty, private)),
        }
    }

    /// The type that the user wrote in it and that must cross.
    pub(super) fn user_type(&self) -> Option<&Type> {
        match self {
            Kind::Owned(ty) => Some(ty),
            Kind::Borrowed { target, .. } => target.user_type(),
        }
    }

    /// The type that is encoded, with `user` in the place of the user's type.
    pub(super) fn encoded(&self, user: &TokenStream) -> TokenStream {
        match self {
            Kind::Owned(_) => user.clone(),
            Kind::Borrowed { target, optional } => {
                let target = target.named(user);
                if *optional { option_of(&generate!(&#target)) } else { target }
            }
        }
    }

    /// A borrow of what a caller gave, ready to be encoded.
    pub(super) fn view(&self, user: &TokenStream) -> TokenStream {
        match self {
            Kind::Owned(_) => generate!(&#user),
            Kind::Borrowed { target, optional } => {
                let target = target.named(user);
                let view = generate!(&#target);
                if *optional { option_of(&view) } else { view }
            }
        }
    }

    /// A reference to what is encoded, from the view.
    pub(super) fn encode(&self, view: &Ident) -> TokenStream {
        match self {
            Kind::Borrowed { optional: true, .. } => generate!(&#view),
            _ => generate!(#view),
        }
    }

    /// The type that is decoded.
    pub(super) fn decoded(&self, user: &TokenStream, private: &TokenStream) -> TokenStream {
        match self {
            Kind::Owned(_) => user.clone(),
            Kind::Borrowed { target, optional } => {
                let decoded = target.decoded(user, private);
                if *optional { option_of(&decoded) } else { decoded }
            }
        }
    }

    /// What the function gets, from the place of the decoded value.
    pub(super) fn pass(&self, place: &TokenStream) -> TokenStream {
        match self {
            Kind::Owned(_) => place.clone(),
            Kind::Borrowed { target, optional } => match (target, optional) {
                (Target::Str | Target::Bytes | Target::Path, _) => place.clone(),
                (_, false) => generate!(&#place),
                (Target::Slice(_), true) => generate!(::core::option::Option::as_deref(&#place)),
                (Target::Value { .. }, true) => generate!(::core::option::Option::as_ref(&#place)),
            },
        }
    }
}

impl Target {
    fn of(ty: &Type, private: &TokenStream) -> Target {
        let path_modules: &[&[&str]] = &[&["path"], &["std", "path"]];
        let str_modules: &[&[&str]] = &[&["std", "primitive"], &["core", "primitive"]];
        if types::is_std(ty, "str", str_modules) {
            return Target::Str;
        }
        if types::is_std(ty, "Path", path_modules) {
            return Target::Path;
        }
        match types::bare(ty) {
            Type::Slice(slice) if types::is_std(&slice.elem, "u8", str_modules) => Target::Bytes,
            Type::Slice(slice) => Target::Slice(living(&slice.elem, private)),
            _ => Target::Value {
                ty: living(ty, private),
                written: types::living(ty, &message_lifetime()).to_token_stream(),
            },
        }
    }

    fn user_type(&self) -> Option<&Type> {
        match self {
            Target::Str | Target::Bytes | Target::Path => None,
            Target::Slice(ty) | Target::Value { ty, .. } => Some(ty),
        }
    }

    /// The type behind the reference, with `user` in the place of the user's.
    pub(super) fn named(&self, user: &TokenStream) -> TokenStream {
        match self {
            Target::Str => generate!(::core::primitive::str),
            Target::Bytes => generate!([::core::primitive::u8]),
            Target::Path => generate!(::std::path::Path),
            Target::Slice(_) => generate!([#user]),
            Target::Value { .. } => user.clone(),
        }
    }

    fn decoded(&self, user: &TokenStream, private: &TokenStream) -> TokenStream {
        let message = message_lifetime();
        match self {
            Target::Str | Target::Bytes | Target::Path => {
                let target = self.named(user);
                generate!(&#message #target)
            }
            Target::Slice(_) => generate!(#private::Slice<#message, #user>),
            Target::Value { .. } => user.clone(),
        }
    }
}

/// The type as it lives in a message, also where it leaves a lifetime out: what a function's
/// type leaves out behind its arrow is the lifetime of its argument, and with the function's
/// type that can be chosen. No other place allows it to be left out and chosen.
fn living(ty: &Type, private: &TokenStream) -> Type {
    let message = message_lifetime();
    let living = types::living(ty, &message);
    if !types::may_hide_a_lifetime(&living) {
        return living;
    }
    let here = Span::mixed_site().located_at(ty.span());
    let at = quote_spanned! {here=>
        <fn(&()) -> #living as #private::Living<#message>>::Type
    };
    Type::Verbatim(at)
}

fn option_of(inside: &TokenStream) -> TokenStream {
    generate!(::core::option::Option<#inside>)
}
