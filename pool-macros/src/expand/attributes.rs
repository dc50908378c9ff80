//! Which attribute of the function goes to which generated item.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

/// The function's attributes by the item that they belong to.
#[derive(Default)]
pub(super) struct Attributes {
    /// On every item.
    pub(super) conditions: Vec<TokenStream>,
    /// What is seen from outside.
    pub(super) structure: Vec<TokenStream>,
    /// What concerns the code.
    pub(super) body: Vec<TokenStream>,
    /// Whether the task is deprecated, perhaps under a condition.
    pub(super) deprecated: bool,
}

impl Attributes {
    pub(super) fn of(attributes: &[Attribute]) -> Attributes {
        let mut sorted = Attributes::default();
        for attribute in attributes {
            sorted.place(attribute);
        }
        sorted
    }

    fn place(&mut self, attribute: &Attribute) {
        if attribute.path().is_ident("cfg_attr")
            && let Some((condition, metas)) = conditional(attribute)
        {
            for meta in metas {
                self.sort(meta, &|meta| quote!(#[cfg_attr(#condition, #meta)]));
            }
            return;
        }
        self.sort(attribute.meta.clone(), &|meta| quote!(#[#meta]));
    }

    fn sort(&mut self, mut meta: Meta, written: &dyn Fn(&Meta) -> TokenStream) {
        let name = meta.path().to_token_stream().to_string();
        match name.as_str() {
            "cfg" => self.conditions.push(written(&meta)),
            "doc" => self.structure.push(written(&meta)),
            "deprecated" => {
                self.deprecated = true;
                self.structure.push(written(&meta));
                // So that recursion is no use of something deprecated.
                self.body.push(written(&meta));
            }
            "allow" | "warn" | "deny" | "forbid" | "expect" => {
                // Which of the two items a lint would fire on is not for the
                // user to know: on the other one, an `expect` is unfulfilled.
                if name == "expect"
                    && let Meta::List(list) = &mut meta
                {
                    list.path = syn::parse_quote!(allow);
                }
                self.structure.push(written(&meta));
                self.body.push(written(&meta));
            }
            _ => self.body.push(written(&meta)),
        }
    }
}

/// The condition and the attributes of a `cfg_attr`.
fn conditional(attribute: &Attribute) -> Option<(Meta, impl Iterator<Item = Meta> + use<>)> {
    let list = attribute.meta.require_list().ok()?;
    let metas = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    let mut metas = metas.ok()?.into_iter();
    Some((metas.next()?, metas))
}
