//! What the syntax of a type tells.

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    GenericArgument, Lifetime, PathArguments, Type, TypeFnPtr, TypeImplTrait, TypePath, TypePtr,
    TypeReference, TypeTraitObject,
};

/// The type without parentheses and without the invisible delimiters that a
/// `macro_rules!` fragment brings along.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

/// The `T` of an `Option<T>`.
pub(crate) fn inside_option(ty: &Type) -> Option<&Type> {
    let Type::Path(TypePath { qself: None, path, .. }) = bare(ty) else {
        return None;
    };
    let last = path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(inside)) if last.ident == "Option" => Some(inside),
        _ => None,
    }
}

/// Whether this is the path `name`, or `name` in one of these modules. A longer
/// path, such as `crate::map::Path`, is how the user says that it is another.
pub(crate) fn is_std(ty: &Type, name: &str, modules: &[&[&str]]) -> bool {
    let Type::Path(TypePath { qself: None, path, .. }) = bare(ty) else {
        return false;
    };
    if path.segments.iter().any(|one| !one.arguments.is_none()) {
        return false;
    }
    let mut segments: Vec<String> = Vec::with_capacity(path.segments.len());
    segments.extend(path.segments.iter().map(|one| one.ident.to_string()));
    let Some((last, module)) = segments.split_last() else {
        return false;
    };
    last == name && (module.is_empty() || modules.contains(&as_strs(module).as_slice()))
}

fn as_strs(segments: &[String]) -> Vec<&str> {
    segments.iter().map(String::as_str).collect()
}

/// A part of a type that has a rule of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// `impl Trait`
    ImplTrait,
    /// `dyn Trait`
    TraitObject,
    /// `*const T`, `*mut T`
    RawPointer,
    /// `fn(…) -> …`
    FnPointer,
    /// `&mut T`
    Mutable,
    /// `&'static T`
    StaticReference,
    /// `&T`, `&'a T`
    Reference,
    /// `'a` or `'_` as an argument of a path
    Lifetime,
    /// `Self`
    SelfType,
}

/// The parts of a type, in the order in which they are written.
pub(crate) fn parts(ty: &Type) -> Vec<(Part, Span)> {
    let mut parts = Parts(Vec::new());
    parts.visit_type(ty);
    parts.0
}

struct Parts(Vec<(Part, Span)>);

impl Visit<'_> for Parts {
    fn visit_type_impl_trait(&mut self, ty: &TypeImplTrait) {
        self.0.push((Part::ImplTrait, ty.impl_token.span));
    }

    fn visit_type_trait_object(&mut self, ty: &TypeTraitObject) {
        let span = ty.dyn_token.map_or_else(Span::call_site, |dyn_token| dyn_token.span);
        self.0.push((Part::TraitObject, span));
    }

    fn visit_type_ptr(&mut self, ty: &TypePtr) {
        self.0.push((Part::RawPointer, ty.star_token.span));
    }

    fn visit_type_fn_ptr(&mut self, ty: &TypeFnPtr) {
        self.0.push((Part::FnPointer, ty.fn_token.span));
    }

    fn visit_type_reference(&mut self, ty: &TypeReference) {
        let part = match (&ty.mutability, &ty.lifetime) {
            (Some(_), _) => Part::Mutable,
            (None, Some(lifetime)) if lifetime.ident == "static" => Part::StaticReference,
            (None, _) => Part::Reference,
        };
        self.0.push((part, ty.and_token.span));
        self.visit_type(&ty.elem);
    }

    fn visit_lifetime(&mut self, lifetime: &Lifetime) {
        if lifetime.ident != "static" {
            self.0.push((Part::Lifetime, lifetime.span()));
        }
    }

    fn visit_type_path(&mut self, ty: &TypePath) {
        if ty.qself.is_none() && ty.path.segments.first().is_some_and(|one| one.ident == "Self") {
            self.0.push((Part::SelfType, ty.path.segments[0].ident.span()));
        }
        visit::visit_type_path(self, ty);
    }
}

/// The type with every lifetime but `'static`, written or left out before a
/// reference, replaced by `lifetime`.
pub(crate) fn living(ty: &Type, lifetime: &Lifetime) -> Type {
    let mut ty = ty.clone();
    Living(lifetime).visit_type_mut(&mut ty);
    ty
}

struct Living<'a>(&'a Lifetime);

impl VisitMut for Living<'_> {
    fn visit_type_reference_mut(&mut self, ty: &mut TypeReference) {
        ty.lifetime.get_or_insert_with(|| self.0.clone());
        visit_mut::visit_type_reference_mut(self, ty);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident != "static" {
            // The place stays the user's, for errors about it.
            lifetime.ident = self.0.ident.clone();
        }
    }
}
