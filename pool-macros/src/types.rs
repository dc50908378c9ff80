//! What the syntax of a type tells.

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    GenericArgument, Ident, Lifetime, ParenthesizedGenericArguments, PathArguments, TraitBound,
    Type, TypeFnPtr, TypeImplTrait, TypeMacro, TypePath, TypePtr, TypeReference, TypeTraitObject,
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
    let mut parts = Parts { found: Vec::new(), within: 0 };
    parts.visit_type(ty);
    parts.found
}

struct Parts {
    found: Vec<(Part, Span)>,
    /// How many generic types enclose the place that is visited. Syntax cannot tell what such
    /// a type does with its arguments: with the right crate a `Box<dyn Shape>` crosses, and so
    /// does an `Id<fn()>` that holds only a number.
    within: usize,
}

impl Parts {
    /// Notes a part that cannot cross by itself, only as an argument of another type.
    fn bare(&mut self, part: Part, span: Span) {
        if self.within == 0 {
            self.found.push((part, span));
        }
    }
}

impl Visit<'_> for Parts {
    fn visit_path_arguments(&mut self, arguments: &PathArguments) {
        self.within += 1;
        visit::visit_path_arguments(self, arguments);
        self.within -= 1;
    }

    fn visit_parenthesized_generic_arguments(&mut self, _: &ParenthesizedGenericArguments) {
        // Of `dyn Fn(&str)`; no lifetime in it is one of the value.
    }

    fn visit_type_impl_trait(&mut self, ty: &TypeImplTrait) {
        self.found.push((Part::ImplTrait, ty.impl_token.span));
    }

    fn visit_type_trait_object(&mut self, ty: &TypeTraitObject) {
        let span = ty.dyn_token.map_or_else(Span::call_site, |dyn_token| dyn_token.span);
        self.bare(Part::TraitObject, span);
        if self.within > 0 {
            visit::visit_type_trait_object(self, ty);
        }
    }

    fn visit_trait_bound(&mut self, bound: &TraitBound) {
        if bound.lifetimes.is_none() {
            visit::visit_trait_bound(self, bound);
        }
    }

    fn visit_type_ptr(&mut self, ty: &TypePtr) {
        self.bare(Part::RawPointer, ty.star_token.span);
        if self.within > 0 {
            visit::visit_type_ptr(self, ty);
        }
    }

    fn visit_type_fn_ptr(&mut self, ty: &TypeFnPtr) {
        self.bare(Part::FnPointer, ty.fn_token.span);
    }

    fn visit_type_reference(&mut self, ty: &TypeReference) {
        let part = match (&ty.mutability, &ty.lifetime) {
            (Some(_), _) => Part::Mutable,
            (None, Some(lifetime)) if lifetime.ident == "static" => Part::StaticReference,
            (None, _) => Part::Reference,
        };
        self.found.push((part, ty.and_token.span));
        self.visit_type(&ty.elem);
    }

    fn visit_lifetime(&mut self, lifetime: &Lifetime) {
        if lifetime.ident != "static" {
            self.found.push((Part::Lifetime, lifetime.span()));
        }
    }

    fn visit_type_path(&mut self, ty: &TypePath) {
        if ty.qself.is_none() && ty.path.segments.first().is_some_and(|one| one.ident == "Self") {
            self.found.push((Part::SelfType, ty.path.segments[0].ident.span()));
        }
        // Of a user's type nobody knows here what it leaves out.
        if let Some(last) = ty.path.segments.last()
            && last.ident == "Cow"
            && leaves_out_lifetimes(&last.arguments)
        {
            self.found.push((Part::Lifetime, last.ident.span()));
        }
        visit::visit_type_path(self, ty);
    }
}

/// The type with every lifetime but `'static`, written or left out before a
/// reference, replaced by `lifetime`. Those that are left out in a path stay so.
pub(crate) fn living(ty: &Type, lifetime: &Lifetime) -> Type {
    let mut ty = ty.clone();
    Living { lifetime, functions: 0, bound: Vec::new() }.visit_type_mut(&mut ty);
    ty
}

struct Living<'a> {
    lifetime: &'a Lifetime,
    /// In how many types of functions this is, where what is left out is another in each
    /// call.
    functions: usize,
    /// Lifetimes that a `for<'a>` has declared.
    bound: Vec<Ident>,
}

impl Living<'_> {
    fn declared(&mut self, lifetimes: Option<&syn::BoundLifetimes>, visit: impl FnOnce(&mut Self)) {
        let before = self.bound.len();
        for parameter in lifetimes.into_iter().flat_map(|lifetimes| &lifetimes.lifetimes) {
            if let syn::GenericParam::Lifetime(parameter) = parameter {
                self.bound.push(parameter.lifetime.ident.clone());
            }
        }
        visit(self);
        self.bound.truncate(before);
    }
}

impl VisitMut for Living<'_> {
    fn visit_type_reference_mut(&mut self, ty: &mut TypeReference) {
        if self.functions == 0 {
            ty.lifetime.get_or_insert_with(|| self.lifetime.clone());
        }
        visit_mut::visit_type_reference_mut(self, ty);
    }

    fn visit_type_fn_ptr_mut(&mut self, ty: &mut TypeFnPtr) {
        let lifetimes = ty.lifetimes.clone();
        self.functions += 1;
        self.declared(lifetimes.as_ref(), |living| visit_mut::visit_type_fn_ptr_mut(living, ty));
        self.functions -= 1;
    }

    fn visit_trait_bound_mut(&mut self, bound: &mut TraitBound) {
        let lifetimes = bound.lifetimes.clone();
        self.declared(lifetimes.as_ref(), |living| {
            visit_mut::visit_trait_bound_mut(living, bound);
        });
    }

    fn visit_parenthesized_generic_arguments_mut(
        &mut self,
        arguments: &mut ParenthesizedGenericArguments,
    ) {
        self.functions += 1;
        visit_mut::visit_parenthesized_generic_arguments_mut(self, arguments);
        self.functions -= 1;
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        let of_a_call = lifetime.ident == "_" && self.functions > 0;
        if lifetime.ident != "static" && !of_a_call && !self.bound.contains(&lifetime.ident) {
            // The place stays the user's, for errors about it.
            lifetime.ident = self.lifetime.ident.clone();
        }
    }
}

/// Types that everybody knows to have no lifetime.
const WITHOUT: &[&str] = &[
    "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64",
    "i128", "isize", "f32", "f64", "String", "PathBuf", "OsString", "CString", "Duration", "Vec",
    "VecDeque", "Option", "Result", "Box", "Rc", "Arc", "HashMap", "HashSet", "BTreeMap",
    "BTreeSet",
];

/// Whether no lifetime is among these arguments.
fn leaves_out_lifetimes(arguments: &PathArguments) -> bool {
    match arguments {
        PathArguments::AngleBracketed(list) => {
            !list.args.iter().any(|one| matches!(one, GenericArgument::Lifetime(_)))
        }
        _ => true,
    }
}

/// Whether a lifetime may be left out in a path of the type: who declares `View` may have
/// declared `View<'a>`.
pub(crate) fn may_hide_a_lifetime(ty: &Type) -> bool {
    struct Search(bool);
    impl Visit<'_> for Search {
        fn visit_type_path(&mut self, ty: &TypePath) {
            let last = ty.path.segments.last();
            self.0 |= last.is_none_or(|last| {
                let known = WITHOUT.iter().any(|name| last.ident == name);
                leaves_out_lifetimes(&last.arguments) && !known
            });
            visit::visit_type_path(self, ty);
        }

        fn visit_type_macro(&mut self, _: &TypeMacro) {
            self.0 = true;
        }
    }
    let mut search = Search(false);
    search.visit_type(ty);
    search.0
}
