//! What stands in the parentheses of `#[faas(…)]` and `#[caas(…)]`.

use proc_macro2::{Span, TokenStream};
use syn::{
    Expr, ExprLit, ExprPath, Ident, Lit, LitStr, Path, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    parse_quote,
    punctuated::Punctuated,
};

use crate::{errors::Errors, words::words};

/// The arguments of `#[faas]`.
pub(crate) struct Faas {
    pub(crate) name: Option<LitStr>,
    pub(crate) krate: Path,
}

/// The arguments of `#[caas]`; a name is empty only after a mistake has been reported.
pub(crate) struct Caas {
    pub(crate) connector: String,
    pub(crate) function: String,
    pub(crate) krate: Path,
}

const FAAS: &str = "write `#[faas]` or `#[faas(\"Name\")]`";
const CAAS: &str = "write `#[caas(connector = \"…\", function = \"…\")]`";
const CRATE: &str = "`crate` is the path of the kisflow crate: write `crate = path::to::kisflow`";

impl Faas {
    pub(crate) fn parse(arguments: &TokenStream, errors: &mut Errors) -> Self {
        let mut faas = Self { name: None, krate: parse_quote!(::kisflow) };
        for Argument { key, value } in parse(arguments, FAAS, errors) {
            match key {
                None => faas.take_name(&value, errors),
                Some(key) if key == "crate" => take_path(&value, &mut faas.krate, errors),
                Some(key) if key == "name" => {
                    errors.at(&key, format!("the name has no key; {FAAS}"));
                }
                Some(key) => errors.at(&key, format!("unknown argument `{key}`; {FAAS}")),
            }
        }
        faas
    }

    fn take_name(&mut self, value: &Expr, errors: &mut Errors) {
        let Some(name) = text(value) else {
            let written = words(value);
            let advice = match value {
                Expr::Path(_) => format!("write `#[faas(\"{written}\")]`"),
                _ => FAAS.to_owned(),
            };
            return errors.at(value, format!("the name is a text in quotes; {advice}"));
        };
        if self.name.is_some() {
            return errors.at(name, format!("one name is enough; {FAAS}"));
        }
        if name.value().trim().is_empty() {
            errors.at(name, format!("the name is empty; {FAAS}"));
        }
        self.name = Some(name.clone());
    }
}

impl Caas {
    pub(crate) fn parse(arguments: &TokenStream, errors: &mut Errors) -> Self {
        let mut caas = Self {
            connector: String::new(),
            function: String::new(),
            krate: parse_quote!(::kisflow),
        };
        let before = errors.len();
        let given = parse(arguments, CAAS, errors);
        if given.iter().any(|argument| argument.key.is_none()) {
            errors.at(
                arguments,
                format!("say which is the connector and which the function; {CAAS}"),
            );
        }
        for Argument { key, value } in given {
            match key {
                None => {}
                Some(key) if key == "crate" => take_path(&value, &mut caas.krate, errors),
                Some(key) if key == "connector" => {
                    take_text(&key, &value, &mut caas.connector, errors)
                }
                Some(key) if key == "function" => {
                    take_text(&key, &value, &mut caas.function, errors)
                }
                Some(key) => errors.at(&key, format!("unknown argument `{key}`; {CAAS}")),
            }
        }
        if errors.len() == before {
            caas.demand_both(arguments, errors);
        }
        caas
    }

    /// What is missing may be what another mistake was meant to be: only asked for without one.
    fn demand_both(&self, arguments: &TokenStream, errors: &mut Errors) {
        let missing = match (self.connector.is_empty(), self.function.is_empty()) {
            (false, false) => return,
            (true, false) => "`connector` is missing",
            (false, true) => "`function` is missing",
            (true, true) => "`connector` and `function` are missing",
        };
        let message = format!("{missing}; {CAAS}");
        errors.add(match arguments.is_empty() {
            true => syn::Error::new(Span::call_site(), message),
            false => syn::Error::new_spanned(arguments, message),
        });
    }
}

fn take_path(value: &Expr, path: &mut Path, errors: &mut Errors) {
    match value {
        Expr::Group(group) => take_path(&group.expr, path, errors),
        Expr::Path(ExprPath { path: found, qself: None, .. }) => *path = found.clone(),
        _ => errors.at(value, CRATE),
    }
}

fn take_text(key: &Ident, value: &Expr, text_of: &mut String, errors: &mut Errors) {
    match text(value) {
        None => errors.at(value, format!("`{key}` is a text in quotes; {CAAS}")),
        Some(text) if text.value().trim().is_empty() => {
            errors.at(value, format!("`{key}` is empty; {CAAS}"));
        }
        Some(text) => *text_of = text.value(),
    }
}

fn text(value: &Expr) -> Option<&LitStr> {
    match value {
        // What a `macro_rules!` was given.
        Expr::Group(group) => text(&group.expr),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text),
        _ => None,
    }
}

/// `value` or `key = value`.
struct Argument {
    key: Option<Ident>,
    value: Expr,
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let keyed = input.peek(Ident::peek_any) && input.peek2(Token![=]);
        let key = match keyed {
            true => {
                let key = input.call(Ident::parse_any)?;
                input.parse::<Token![=]>()?;
                Some(key)
            }
            false => None,
        };
        Ok(Self { key, value: input.parse()? })
    }
}

fn parse(arguments: &TokenStream, usage: &str, errors: &mut Errors) -> Vec<Argument> {
    let parser = Punctuated::<Argument, Token![,]>::parse_terminated;
    match parser.parse2(arguments.clone()) {
        Ok(arguments) => arguments.into_iter().collect(),
        Err(_) => {
            errors.at(arguments, format!("these are no arguments; {usage}"));
            Vec::new()
        }
    }
}
