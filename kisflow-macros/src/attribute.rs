//! What stands in the parentheses of `#[faas(…)]` and `#[caas(…)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Ident, LitStr, Path, Token, ext::IdentExt, parse::ParseStream, parse::Parser, parse_quote,
};

use crate::errors::Errors;

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

impl Faas {
    pub(crate) fn parse(arguments: TokenStream, errors: &mut Errors) -> Self {
        let mut faas = Self { name: None, krate: parse_quote!(::kisflow) };
        for (key, value) in pairs(arguments, FAAS, errors) {
            match (key, value) {
                (None, Value::Text(name)) if faas.name.is_none() => {
                    if name.value().trim().is_empty() {
                        errors.at(&name, format!("the name is empty; {FAAS}"));
                    }
                    faas.name = Some(name);
                }
                (Some(key), Value::Path(path)) if key == "crate" => faas.krate = path,
                (Some(key), _) => errors.at(&key, format!("unknown argument `{key}`; {FAAS}")),
                (None, value) => errors.at(value.tokens(), format!("one name is enough; {FAAS}")),
            }
        }
        faas
    }
}

impl Caas {
    pub(crate) fn parse(arguments: TokenStream, errors: &mut Errors) -> Self {
        let (mut connector, mut function, mut krate) = (None, None, parse_quote!(::kisflow));
        let pairs = pairs(arguments, CAAS, errors);
        for (key, value) in pairs.iter().flat_map(|(key, value)| Some((key.as_ref()?, value))) {
            match value {
                Value::Text(text) if key == "connector" => connector = Some(text.value()),
                Value::Text(text) if key == "function" => function = Some(text.value()),
                Value::Path(path) if key == "crate" => krate = path.clone(),
                _ => errors.at(key, format!("unknown argument `{key}`; {CAAS}")),
            }
        }
        for (_, value) in pairs.iter().filter(|(key, _)| key.is_none()) {
            errors.at(value.tokens(), format!("which of the two is this? {CAAS}"));
        }
        for (word, found) in [("connector", &connector), ("function", &function)] {
            if found.is_none() {
                errors.add(syn::Error::new(
                    proc_macro2::Span::call_site(),
                    format!("`{word}` is missing; {CAAS}"),
                ));
            }
        }
        Self {
            connector: connector.unwrap_or_default(),
            function: function.unwrap_or_default(),
            krate,
        }
    }
}

enum Value {
    Text(LitStr),
    Path(Path),
}

impl Value {
    fn tokens(&self) -> TokenStream {
        match self {
            Self::Text(text) => quote!(#text),
            Self::Path(path) => quote!(#path),
        }
    }
}

/// `"text"`, `key = "text"` or `crate = path`, with commas.
fn pairs(arguments: TokenStream, usage: &str, errors: &mut Errors) -> Vec<(Option<Ident>, Value)> {
    let pair = |input: ParseStream<'_>| -> syn::Result<(Option<Ident>, Value)> {
        if input.peek(LitStr) {
            return Ok((None, Value::Text(input.parse()?)));
        }
        let unexpected = |error: syn::Error| {
            syn::Error::new(error.span(), format!("unexpected argument; {usage}"))
        };
        let key = input.call(Ident::parse_any).map_err(unexpected)?;
        input.parse::<Token![=]>().map_err(unexpected)?;
        let value = match input.peek(LitStr) {
            true => Value::Text(input.parse()?),
            false if key == "crate" => Value::Path(input.parse()?),
            false => {
                return Err(syn::Error::new(
                    input.span(),
                    format!("`{key}` is a text in quotes; {usage}"),
                ));
            }
        };
        Ok((Some(key), value))
    };
    let parser = |input: ParseStream<'_>| {
        let mut pairs = Vec::new();
        while !input.is_empty() {
            pairs.push(pair(input)?);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(pairs)
    };
    match parser.parse2(arguments) {
        Ok(pairs) => pairs,
        Err(error) => {
            errors.add(error);
            Vec::new()
        }
    }
}
