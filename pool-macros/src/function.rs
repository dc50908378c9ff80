//! A function as the attribute needs it: the signature parsed, the body kept
//! as the tokens that the user wrote.

use std::hash::{DefaultHasher, Hash, Hasher};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Ident, PatIdent, Signature, Visibility};

/// The function under the attribute.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// Braces, perhaps inside the invisible delimiters of a macro's `$body`.
    pub(crate) body: TokenTree,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (attributes, visibility) = (input.call(Attribute::parse_outer)?, input.parse()?);
        let signature = input.parse()?;
        let body = match input.parse::<TokenTree>()? {
            body @ TokenTree::Group(_) => body,
            other => return Err(syn::Error::new(other.span(), "a task needs a body")),
        };
        Ok(Function { attributes, visibility, signature, body })
    }
}

impl Function {
    /// Whether the body needs the task's name to mean the task (`f.pmap(…)`,
    /// `pool.map(f, …)`), and not just a function to call or a name to bind.
    ///
    /// A unit struct cannot be shadowed by a variable, a function can. So the
    /// body lives beside a function of its own name, which also reads well in
    /// backtraces and profiles, unless it uses the task as a value.
    pub(crate) fn body_names_the_task(&self) -> bool {
        let name = &self.signature.ident;
        uses_as_value(self.body.clone().into(), name) && !self.binds(name)
    }

    /// Of what is written there: the same for the same text, whoever compiles it by the same
    /// compiler.
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.signature.to_token_stream().to_string().hash(&mut hasher);
        self.body.to_string().hash(&mut hasher);
        hasher.finish()
    }

    /// Whether an argument or a variable in the body has this name.
    fn binds(&self, name: &Ident) -> bool {
        let mut search = Search { name, found: false };
        search.visit_signature(&self.signature);
        if let Ok(block) = syn::parse2::<Block>(self.body.clone().into()) {
            search.visit_block(&block);
        }
        search.found
    }
}

struct Search<'a> {
    name: &'a Ident,
    found: bool,
}

impl Visit<'_> for Search<'_> {
    fn visit_pat_ident(&mut self, pattern: &PatIdent) {
        self.found |= pattern.ident.unraw() == self.name.unraw();
        visit::visit_pat_ident(self, pattern);
    }
}

/// Whether `name` occurs otherwise than as the function of a call. Looks at
/// tokens, since nobody knows what the arguments of a macro are.
fn uses_as_value(tokens: TokenStream, name: &Ident) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let found = match token {
            TokenTree::Group(group) => uses_as_value(group.stream(), name),
            TokenTree::Ident(ident) => {
                let called = matches!(tokens.peek(), Some(TokenTree::Group(group))
                    if group.delimiter() == Delimiter::Parenthesis);
                ident.unraw() == name.unraw() && !called
            }
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn names_the_task(function: TokenStream) -> bool {
        syn::parse2::<Function>(function).unwrap().body_names_the_task()
    }

    #[test]
    fn a_call_or_a_variable_does_not_need_the_task() {
        assert!(!names_the_task(quote!(
            fn f(n: u8) -> u8 {
                f(n - 1)
            }
        )));
        assert!(!names_the_task(quote!(
            fn f(f: u8) -> u8 {
                f + 1
            }
        )));
        assert!(!names_the_task(quote!(
            fn f() -> u8 {
                let mut f = 0;
                f += 1;
                f
            }
        )));
        assert!(!names_the_task(quote!(
            fn r#type() -> u8 {
                let r#type = 0;
                r#type
            }
        )));
        assert!(!names_the_task(quote!(
            fn f() -> u8 {
                [1].iter().map(|f| f + 1).sum()
            }
        )));
    }

    #[test]
    fn a_task_used_as_a_value_is_needed() {
        assert!(names_the_task(quote!(
            fn f() {
                f.pmap([()], 2);
            }
        )));
        assert!(names_the_task(quote!(
            fn f() {
                assert!(pool.map(f, [()]).is_ok())
            }
        )));
    }
}
