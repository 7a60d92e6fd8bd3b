//! What a type has to be, asserted at the tokens where the user wrote it.
//!
//! Each assertion is `<Type as Trait>::item` with every token at the type's place, so that a type
//! that does not fit is one error there; the rest of a shim goes through `__private::Shim`, which
//! does not complain a second time.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, Path, ReturnType, Type};

use crate::result::{Output, Shape};

/// `<ty as krate::path>::item`, shown at `ty` as a whole.
pub(crate) fn member(ty: &Type, path: &TokenStream, item: &str) -> TokenStream {
    let (start, end) = ends(ty);
    let open = quote_spanned!(start=> <);
    let path = placed(path, end);
    let item = Ident::new(item, end);
    let rest = quote_spanned!(end=> as #path>::#item);
    quote!(#open #ty #rest)
}

/// Asserts that a type is one that a link can find.
pub(crate) fn parameter(krate: &Path, ty: &Type) -> TokenStream {
    items(&[member(ty, &quote!(#krate::Parameter), "bind")])
}

/// Asserts that a function may keep a state of this type.
pub(crate) fn state(krate: &Path, ty: &Type) -> TokenStream {
    items(&[member(ty, &quote!(#krate::KeyedState), "initial")])
}

/// Asserts that a function of a batch may return what it does.
pub(crate) fn batch_result(krate: &Path, output: &ReturnType) -> TokenStream {
    let output = Output::read(output);
    let (Some(ty), Some(whole)) = (output.ty, output.whole) else { return TokenStream::new() };
    let failure = failure(krate, &output);
    let result = match (output.emitted(), output.fallible) {
        (Some(emitted), _) => member(emitted, &quote!(#krate::Emit), "encode"),
        // Without a `Result` in sight, an alias of one is asserted as what it is.
        (None, false) => member(whole, &quote!(#krate::BatchResult), "outcome"),
        (None, true) => member(ty, &quote!(#krate::BatchResult), "outcome"),
    };
    items(&[result, failure])
}

/// Asserts that a function of one row may return what it does.
pub(crate) fn row_result(krate: &Path, output: &ReturnType, shape: Shape) -> TokenStream {
    let output = Output::read(output);
    let Some(ty) = output.ty else { return TokenStream::new() };
    let failure = failure(krate, &output);
    let result = match shape {
        Shape::Sink | Shape::Filter => TokenStream::new(),
        Shape::Map => plain(krate, ty),
        Shape::FilterMap | Shape::FlatMap => match output.inner() {
            Some(emitted) => member(emitted, &quote!(#krate::Emit), "encode"),
            None => TokenStream::new(),
        },
    };
    items(&[result, failure])
}

/// Asserts that storage logic may fail with what it does.
pub(crate) fn reply(krate: &Path, output: &ReturnType) -> TokenStream {
    items(&[failure(krate, &Output::read(output))])
}

/// The words of a type decide what becomes of a row: an alias would hide them.
fn plain(krate: &Path, ty: &Type) -> TokenStream {
    let (start, end) = ends(ty);
    let shape = placed(&quote!(#krate::__private::Shape), start);
    let open = quote_spanned!(start=> #shape::<);
    let close = quote_spanned!(end=> >::emitted);
    let hidden = quote_spanned! {start=>
        ::core::assert!(
            !#shape::<#ty>::HIDDEN,
            "this result is an alias of `Option`, `Vec`, `Result`, `bool` or `()`: write the type itself, because it decides what becomes of the row"
        )
    };
    quote! {{
        #[allow(unused_imports, reason = "it is what a plain type falls back on")]
        use #krate::__private::Plain as _;
        #hidden;
        #open #ty #close
    }}
}

fn failure(krate: &Path, output: &Output<'_>) -> TokenStream {
    let failure = quote!(#krate::__private::Failure);
    match (output.fallible, output.error, output.whole) {
        (true, Some(error), _) => member(error, &failure, "IS"),
        // `Result<T>` is an alias, and names its error elsewhere.
        (true, None, Some(whole)) => {
            let error = member(whole, &quote!(#krate::__private::Fallible), "Error");
            member(&Type::Verbatim(error), &failure, "IS")
        }
        _ => TokenStream::new(),
    }
}

/// A constant that mentions each, and is nothing.
fn items(assertions: &[TokenStream]) -> TokenStream {
    let assertions = assertions.iter().filter(|assertion| !assertion.is_empty());
    quote!(#(const _: () = { let _ = #assertions; };)*)
}

/// A path, shown at `span`. Only `$crate` stays where it is: its place is what it means.
pub(crate) fn placed(path: &TokenStream, span: Span) -> TokenStream {
    let place = |mut token: TokenTree| {
        if !matches!(&token, TokenTree::Ident(ident) if ident == "$crate") {
            token.set_span(span);
        }
        token
    };
    path.clone().into_iter().map(place).collect()
}

/// Where a type begins and ends.
fn ends(ty: &Type) -> (Span, Span) {
    let tokens: Vec<TokenTree> = ty.to_token_stream().into_iter().collect();
    let start = tokens.first().map_or_else(Span::call_site, TokenTree::span);
    (start, tokens.last().map_or(start, TokenTree::span))
}
