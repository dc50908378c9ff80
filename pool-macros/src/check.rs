//! The rules of a task: one function for each, one message each, on the token
//! that breaks it. All that is wrong with one signature is reported at once.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{Attribute, FnArg, GenericParam, Item, ReturnType, Safety, Signature, TraitItemFn, Type};

use crate::args::Args;
use crate::expand::Task;
use crate::function::Function;
use crate::types::{self, Part};

/// More would make a call nobody can read; a struct has names.
const MOST_ARGUMENTS: usize = 16;

/// Collects errors.
#[derive(Default)]
pub(crate) struct Problems(Option<syn::Error>);

impl Problems {
    /// One more error.
    pub(crate) fn add(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// One more error, at one token.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.add(syn::Error::new(span, message));
    }

    /// One more error, at all tokens of a piece of syntax.
    fn on(&mut self, syntax: impl ToTokens, message: impl Display) {
        self.add(syn::Error::new_spanned(syntax, message));
    }

    /// All errors, if there are any.
    pub(crate) fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Reads options and function, and holds them against the rules.
pub(crate) fn task(options: TokenStream, item: TokenStream) -> syn::Result<Task> {
    let mut problems = Problems::default();
    let args = Args::parse(options, &mut problems);
    let function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            problems.add(not_a_function(item, error));
            problems.finish()?;
            unreachable!("an error was added");
        }
    };
    let signature = &function.signature;
    attributes(&function.attributes, &mut problems);
    qualifiers(signature, &mut problems);
    generics(signature, &mut problems);
    arguments(signature, &mut problems);
    output(signature, &mut problems);
    problems.finish()?;
    Ok(Task::new(args, function))
}

fn not_a_function(item: TokenStream, error: syn::Error) -> syn::Error {
    if let Ok(TraitItemFn { semi_token: Some(semicolon), .. }) = syn::parse2(item.clone()) {
        let message = "a task needs a body: write `{ … }` in place of the semicolon";
        return syn::Error::new(semicolon.span, message);
    }
    let message = "only a function can be a task";
    match syn::parse2::<Item>(item) {
        Ok(Item::Fn(_)) | Err(_) => error,
        Ok(Item::Struct(item)) => syn::Error::new(item.struct_token.span, message),
        Ok(Item::Enum(item)) => syn::Error::new(item.enum_token.span, message),
        Ok(Item::Trait(item)) => syn::Error::new(item.trait_token.span, message),
        Ok(Item::Mod(item)) => syn::Error::new(
            item.mod_token.span,
            format!("{message}: put the attribute on each function of the module"),
        ),
        Ok(Item::Impl(item)) => syn::Error::new(
            item.impl_token.span,
            format!("{message}: write a free function, which may call the method"),
        ),
        Ok(item) => syn::Error::new_spanned(item, message),
    }
}

fn attributes(attributes: &[Attribute], problems: &mut Problems) {
    for attribute in attributes {
        let Some(last) = attribute.path().segments.last() else {
            continue;
        };
        if last.ident == "target_feature" {
            problems.on(
                attribute,
                "a task cannot have `target_feature`, since it must be callable as a plain \
                 function: test for the feature in the task and call a function that has it",
            );
        } else if last.ident == "pool_task" {
            problems.on(attribute, "`#[pool_task]` is there twice");
        }
    }
}

fn qualifiers(signature: &Signature, problems: &mut Problems) {
    if let Some(token) = &signature.constness {
        problems.at(
            token.span,
            "a task cannot be `const`, since the name of a task cannot be called in constants: \
             leave it out, or call a `const fn` from the task",
        );
    }
    if let Some(token) = &signature.asyncness {
        problems.at(
            token.span,
            "a task cannot be `async`: write a plain `fn` and run the future in it, for example \
             with `block_on`",
        );
    }
    if let Safety::Unsafe(token) = &signature.safety {
        problems.at(
            token.span,
            "a task cannot be `unsafe`: write a safe `fn` that checks what must hold and has an \
             `unsafe` block inside",
        );
    }
    if let Some(abi) = &signature.abi {
        problems.on(
            abi,
            "a task has Rust's own calling convention: write a plain `fn` that calls the \
             `extern` one",
        );
    }
    if let Some(variadic) = &signature.variadic {
        let message = "a task takes a fixed number of arguments: take a `Vec` for the rest";
        problems.at(variadic.dots.spans[0], message);
    }
}

fn generics(signature: &Signature, problems: &mut Problems) {
    for parameter in &signature.generics.params {
        match parameter {
            GenericParam::Lifetime(lifetime) => {
                if !lifetime.bounds.is_empty() {
                    problems.on(
                        &lifetime.bounds,
                        "a lifetime of a task has no bounds, since all arguments live for the \
                         call: use one lifetime for both",
                    );
                }
            }
            GenericParam::Type(parameter) => problems.at(
                parameter.ident.span(),
                "a task cannot be generic, since a worker finds it by its name alone: write the \
                 types that occur, one task for each, and let them call the generic function",
            ),
            GenericParam::Const(parameter) => problems.at(
                parameter.ident.span(),
                "a task cannot be generic, since a worker finds it by its name alone: take the \
                 value as an argument",
            ),
        }
    }
    if let Some(clause) = &signature.generics.where_clause {
        problems
            .at(clause.where_token.span, "a task has no `where` clause, since its types are known");
    }
}

fn arguments(signature: &Signature, problems: &mut Problems) {
    if let Some(extra) = signature.inputs.iter().nth(MOST_ARGUMENTS) {
        let message = format!(
            "a task takes at most {MOST_ARGUMENTS} arguments: put them into a struct that derives \
             `Serialize` and `Deserialize`"
        );
        problems.on(extra, message);
    }
    for argument in &signature.inputs {
        match argument {
            FnArg::Receiver(receiver) => problems.at(
                receiver.self_token.span,
                "a task cannot be a method: write a free function that takes the value as an \
                 argument",
            ),
            FnArg::Typed(argument) => {
                argument_attributes(&argument.attrs, problems);
                argument_type(&argument.ty, problems);
            }
        }
    }
}

fn argument_attributes(attributes: &[Attribute], problems: &mut Problems) {
    let lints = ["allow", "expect", "warn", "deny", "forbid"];
    for attribute in attributes {
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            problems.on(
                attribute,
                "an argument of a task cannot depend on `cfg`: write two functions, each with \
                 its own `#[cfg]`",
            );
        } else if !lints.iter().any(|lint| attribute.path().is_ident(lint)) {
            problems.on(attribute, "an argument of a task takes no such attribute");
        }
    }
}

/// Why a type of this kind can be neither argument nor result.
fn never_crosses(part: Part) -> Option<&'static str> {
    match part {
        Part::TraitObject => Some(
            "a trait object cannot cross the process boundary: name the type, or write an `enum` \
             of the types that occur",
        ),
        Part::RawPointer => {
            Some("a pointer means nothing in another process: send the value itself")
        }
        Part::FnPointer => Some(
            "a function pointer means nothing in another process: write an `enum` of the \
             functions and choose in the task",
        ),
        Part::SelfType => Some("a task is not part of an `impl`: name the type"),
        _ => None,
    }
}

fn argument_type(ty: &Type, problems: &mut Problems) {
    unsized_std(ty, problems);
    for (part, span) in types::parts(ty) {
        let message = match part {
            Part::ImplTrait => Some(
                "an argument of a task has one type, which a worker decodes: name it (for a \
                 sequence of `T`, a `Vec<T>` or `&[T]`)",
            ),
            Part::Mutable => Some(
                "what a worker changes in its copy would be lost: take the value without `&mut` and \
                 return it",
            ),
            Part::StaticReference => {
                Some("an argument lives only as long as the call: leave `'static` out")
            }
            Part::Reference | Part::Lifetime => None,
            other => never_crosses(other),
        };
        if let Some(message) = message {
            problems.at(span, message);
        }
    }
}

/// The borrowed types that serde can only decode owned.
fn unsized_std(ty: &Type, problems: &mut Problems) {
    let inside = types::inside_option(ty).unwrap_or(ty);
    let Type::Reference(reference) = types::bare(inside) else {
        return;
    };
    for (name, owned) in [("OsStr", "std::ffi::OsString"), ("CStr", "std::ffi::CString")] {
        if types::is_std(&reference.elem, name, &[&["ffi"], &["std", "ffi"]]) {
            let message = format!("`&{name}` cannot be decoded: take a `{owned}`");
            problems.on(inside, message);
        }
    }
}

fn output(signature: &Signature, problems: &mut Problems) {
    let ReturnType::Type(_, ty) = &signature.output else {
        return;
    };
    if let Type::Never(_) = types::bare(ty) {
        return;
    }
    for (part, span) in types::parts(ty) {
        let message = match part {
            Part::ImplTrait => Some(
                "the result of a task has one type, which the caller decodes: name it (for an \
                 iterator over `T`, collect it into a `Vec<T>`)",
            ),
            Part::Mutable | Part::StaticReference | Part::Reference | Part::Lifetime => Some(
                "a result cannot borrow, since it is sent to another process: return an owned \
                 value, such as a `String` or a `Vec<T>`",
            ),
            other => never_crosses(other),
        };
        if let Some(message) = message {
            problems.at(span, message);
            // `&'a mut View<'a>` is one mistake, not three.
            return;
        }
    }
}
