//! Writes the shim of `#[faas]`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Ident, ItemFn, LitStr, Path, spanned::Spanned};

use crate::{
    attribute::Faas,
    errors::Errors,
    model::{Rows, read},
    result::{RowResult, Shape},
    signature::Parameters,
};

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let attribute = Faas::parse(arguments, &mut errors);
    let function = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            errors.at(&item, "`#[faas]` stands on a function: `fn name(rows: &[T]) -> …`");
            let errors = errors.into_tokens();
            return quote!(#item #errors);
        }
    };
    let (arguments, rows) = read(&function, &mut errors);
    let krate = &attribute.krate;
    let ident = &function.sig.ident;
    let name = attribute.name.unwrap_or_else(|| LitStr::new(&ident.to_string(), ident.span()));
    let shim = match (errors.into_tokens(), rows) {
        // Within an `impl` there is no place for a type.
        (Some(errors), _) if function.sig.receiver().is_some() => return quote!(#function #errors),
        (Some(errors), _) => {
            let nothing = nothing(krate, ident, &name);
            quote!(#nothing #errors)
        }
        (None, None) => TokenStream::new(),
        (None, Some(rows)) => {
            let reference = Ident::new("rows", Span::mixed_site());
            let failed = quote!(#krate::Answer::Ready(::core::result::Result::Err(error)));
            let parameters = Parameters::new(krate, &arguments, &reference, &failed);
            shim(krate, &function, &name, &rows, &parameters, &reference)
        }
    };
    let visibility = &function.vis;
    let doc = format!(
        "The kisflow function `{}` as a type; see the function of the same name.",
        name.value()
    );
    quote! {
        #function
        #[allow(non_camel_case_types, reason = "it has the name of its function")]
        #[doc = #doc]
        #visibility struct #ident {}
        #shim
    }
}

fn shim(
    krate: &Path,
    function: &ItemFn,
    name: &LitStr,
    rows: &Rows,
    parameters: &Parameters,
    reference: &Ident,
) -> TokenStream {
    let ident = &function.sig.ident;
    let is_async = function.sig.asyncness.is_some();
    let Parameters { bound, bind, get, pass } = parameters;
    let (row, call) = match rows {
        Rows::Batch { row } if is_async => {
            // The span says where a future is not `Send`.
            let call = quote_spanned! {ident.span()=>
                call.batch_async(move |borrowed: #krate::Borrowed<#row>| async move {
                    let #reference = borrowed.rows();
                    let result = #ident(#pass).await;
                    call.finish_async(&borrowed, result)
                })
            };
            (row, call)
        }
        Rows::Batch { row } => {
            let call =
                quote_spanned!(output(function)=> call.batch(|#reference: &[#row]| #ident(#pass)));
            (row, call)
        }
        Rows::Each { row, result } => (row, each(krate, function, row, result, pass, reference)),
    };
    let line = quote_spanned!(ident.span()=> ::core::line!());
    quote! {
        const _: () = {
            impl #krate::Function for #ident {
                const NAME: &'static str = #name;
                const PLACE: #krate::Place = #krate::Place { file: ::core::file!(), line: #line };
                const ASYNC: bool = #is_async;
                type Bound = #bound;

                #[allow(unused_variables, reason = "a function may have no parameters but its rows")]
                fn bind(link: &mut #krate::Link<'_>) -> ::core::option::Option<Self::Bound> {
                    #bind
                }

                fn call<'a>(bound: &'a Self::Bound, call: #krate::Call<'a>) -> #krate::Answer<'a> {
                    #[allow(unused_variables, reason = "a function may have no parameters but its rows")]
                    let cx = call.cx();
                    #get
                    #call
                }

                fn fields() -> #krate::__private::Fields {
                    <#row as #krate::Row>::fields()
                }
            }
            #krate::__submit!(#krate::__private::FunctionDef::of::<#ident>());
        };
    }
}

/// A call for each row, its result wrapped in what becomes of the row.
fn each(
    krate: &Path,
    function: &ItemFn,
    row: &syn::Type,
    result: &RowResult,
    pass: &TokenStream,
    reference: &Ident,
) -> TokenStream {
    let ident = &function.sig.ident;
    let span = output(function);
    let wrap = match result.shape {
        Shape::Sink => None,
        Shape::Map => Some(quote_spanned!(span=> #krate::__private::Map)),
        Shape::FilterMap => Some(quote_spanned!(span=> #krate::__private::FilterMap)),
        Shape::Filter => Some(quote_spanned!(span=> #krate::__private::Filter)),
        Shape::FlatMap => Some(quote_spanned!(span=> #krate::__private::FlatMap)),
    };
    let body = match (wrap, result.fallible) {
        (None, _) => quote!(#ident(#pass)),
        (Some(wrap), true) => quote!(#ident(#pass).map(#wrap)),
        (Some(wrap), false) => quote!(#wrap(#ident(#pass))),
    };
    // The words of a type decide what becomes of a row: an alias would hide them.
    let plain = result.ty.as_ref().filter(|_| result.shape == Shape::Map).map(|ty| {
        quote_spanned! {ty.span()=>
            const _: () = {
                #[allow(unused_imports, reason = "it is what a plain type falls back on")]
                use #krate::__private::Plain as _;
                ::core::assert!(
                    !#krate::__private::Shape::<#ty>::HIDDEN,
                    "this result is an alias of `Option`, `Vec`, `Result`, `bool` or `()`: write the type itself, because it decides what becomes of the row"
                );
            };
        }
    });
    let call = quote_spanned!(span=> call.each(|#reference: &#row| #body));
    quote!(#plain #call)
}

/// Where a wrong result is shown.
fn output(function: &ItemFn) -> Span {
    match &function.sig.output {
        syn::ReturnType::Default => function.sig.ident.span(),
        syn::ReturnType::Type(_, ty) => ty.span(),
    }
}

/// A shim for a function with mistakes: nothing that uses it is a mistake of its own.
fn nothing(krate: &Path, ident: &Ident, name: &LitStr) -> TokenStream {
    quote! {
        const _: () = {
            impl #krate::Function for #ident {
                const NAME: &'static str = #name;
                const PLACE: #krate::Place = #krate::Place { file: ::core::file!(), line: ::core::line!() };
                type Bound = ();

                fn bind(_: &mut #krate::Link<'_>) -> ::core::option::Option<()> {
                    ::core::option::Option::None
                }

                fn call<'a>(_: &'a (), call: #krate::Call<'a>) -> #krate::Answer<'a> {
                    #krate::Answer::action(call, #krate::Action::Abort)
                }
            }
        };
    }
}
