//! The options in the attribute's parentheses.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, Lit, LitStr, Path, Token};

use crate::check::Problems;

/// What the user may write, in the words of an error.
const KNOWN: &str = "the options are `name = \"…\"` and `crate = path`";

/// The options of one task.
#[derive(Default)]
pub(crate) struct Args {
    /// The registered name, if the user chose one.
    pub(crate) name: Option<LitStr>,
    /// Where the runtime is, if not at `::pool_runtime`.
    pub(crate) runtime: Option<Path>,
}

impl Args {
    /// Reads the options; what is wrong with them goes to `problems`.
    pub(crate) fn parse(options: TokenStream, problems: &mut Problems) -> Args {
        let mut args = Args::default();
        let read = |input: ParseStream<'_>| -> syn::Result<()> {
            while !input.is_empty() {
                args.option(input, problems)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = read.parse2(options) {
            problems.add(error);
        }
        args
    }

    /// One option. An `Err` means that what follows cannot be made out.
    fn option(&mut self, input: ParseStream<'_>, problems: &mut Problems) -> syn::Result<()> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error(format!("expected an option: {KNOWN}")));
        }
        let key = Ident::parse_any(input)?;
        match key.to_string().as_str() {
            "name" => {
                let value = value_of(&key, input, "a string: `name = \"…\"`")?;
                let again = self.name.is_some();
                self.name = read_name(value, problems)?.or(self.name.take());
                refuse_again(again, &key, problems);
            }
            "crate" => {
                let value = value_of(&key, input, "a path: `crate = my_crate::pool_runtime`")?;
                let again = self.runtime.is_some();
                self.runtime = read_runtime(value, problems)?.or(self.runtime.take());
                refuse_again(again, &key, problems);
            }
            unknown => {
                return Err(syn::Error::new(
                    key.span(),
                    format!("unknown option `{unknown}`: {KNOWN}"),
                ));
            }
        }
        Ok(())
    }
}

/// Steps over the `=`.
fn value_of<'a>(
    key: &Ident,
    input: ParseStream<'a>,
    expected: &str,
) -> syn::Result<ParseStream<'a>> {
    if input.parse::<Option<Token![=]>>()?.is_some() {
        return Ok(input);
    }
    Err(syn::Error::new(key.span(), format!("`{key}` needs {expected}")))
}

fn refuse_again(again: bool, key: &Ident, problems: &mut Problems) {
    if again {
        problems.at(key.span(), format!("`{key}` is given twice"));
    }
}

fn read_name(input: ParseStream<'_>, problems: &mut Problems) -> syn::Result<Option<LitStr>> {
    let wanted = "the name must be a string literal: `name = \"…\"`";
    let Ok(literal) = input.parse::<Lit>() else {
        return Err(input.error(wanted));
    };
    match literal {
        Lit::Str(name) if name.value().trim().is_empty() => {
            let message = "the name is empty: errors and messages name the task by it";
            problems.at(name.span(), message);
            Ok(None)
        }
        Lit::Str(name) => Ok(Some(name)),
        other => {
            problems.at(other.span(), wanted);
            Ok(None)
        }
    }
}

fn read_runtime(input: ParseStream<'_>, problems: &mut Problems) -> syn::Result<Option<Path>> {
    if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        let message = format!("write a path, not a string: `crate = {}`", text.value());
        problems.at(text.span(), message);
        return Ok(None);
    }
    input.call(Path::parse_mod_style).map(Some).map_err(|error| {
        let span: Span = error.span();
        syn::Error::new(span, "expected a path: `crate = my_crate::pool_runtime`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::{ToTokens, quote};

    fn read(options: TokenStream) -> Result<(Option<String>, Option<String>), Vec<String>> {
        let mut problems = Problems::default();
        let args = Args::parse(options, &mut problems);
        problems.finish().map_err(|error| {
            let messages = error.into_iter().map(|one| one.to_string());
            messages.collect::<Vec<_>>()
        })?;
        let path = |path: Path| path.to_token_stream().to_string().replace(' ', "");
        Ok((args.name.map(|name| name.value()), args.runtime.map(path)))
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn options_come_in_any_order_with_or_without_a_last_comma() {
        assert_eq!(read(quote!()), Ok((None, None)));
        assert_eq!(read(quote!(name = "a")), Ok((some("a"), None)));
        assert_eq!(
            read(quote!(crate = crate::rt, name = "a",)),
            Ok((some("a"), some("crate::rt")))
        );
        assert_eq!(read(quote!(name = "a", crate = ::x::y)), Ok((some("a"), some("::x::y"))));
    }

    #[test]
    fn an_unknown_option_lists_the_known() {
        let [message] = read(quote!(nmae = "a")).unwrap_err().try_into().unwrap();
        assert!(message.contains("unknown option `nmae`"), "{message}");
        assert!(message.contains("`name = \"…\"`"), "{message}");
        assert!(message.contains("`crate = path`"), "{message}");
    }

    #[test]
    fn a_flag_is_told_what_it_needs() {
        assert_eq!(read(quote!(name)).unwrap_err(), ["`name` needs a string: `name = \"…\"`"]);
        assert_eq!(
            read(quote!(crate)).unwrap_err(),
            ["`crate` needs a path: `crate = my_crate::pool_runtime`"]
        );
    }

    #[test]
    fn several_mistakes_are_reported_together() {
        let messages = read(quote!(name = "", crate = "x", name = 1)).unwrap_err();
        assert_eq!(messages.len(), 3, "{messages:?}");
        let messages = read(quote!(name = "a", name = "b")).unwrap_err();
        assert_eq!(messages, ["`name` is given twice"]);
    }

    #[test]
    fn a_string_for_the_crate_is_told_to_be_a_path() {
        assert_eq!(
            read(quote!(crate = "my::rt")).unwrap_err(),
            ["write a path, not a string: `crate = my::rt`"]
        );
    }
}
