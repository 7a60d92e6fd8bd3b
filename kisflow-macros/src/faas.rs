//! Writes the shim of `#[faas]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Ident, ItemFn, LitStr, Path, Type, ext::IdentExt};

use crate::{
    assertion::{self, member, placed},
    attribute::Faas,
    borrow::ungrouped,
    errors::Errors,
    model::{Rows, read},
    result::{Output, Shape},
    signature::{Parameters, is_named, local},
};

pub(crate) fn expand(arguments: &TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let attribute = Faas::parse(arguments, &mut errors);
    let function = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            errors.at(item, "`#[faas]` stands on a function: `fn name(rows: &[T]) -> …`");
            let errors = errors.into_tokens();
            return quote!(#item #errors);
        }
    };
    let written = &function;
    let function = ungrouped(written);
    let (arguments, rows) = read(&function, &mut errors);
    let krate = &attribute.krate;
    let ident = &function.sig.ident;
    let name =
        attribute.name.unwrap_or_else(|| LitStr::new(&ident.unraw().to_string(), ident.span()));
    let shim = match (errors.into_tokens(), rows) {
        // Within an `impl` there is no place for a type.
        (Some(errors), _) if function.sig.receiver().is_some() => return quote!(#written #errors),
        (Some(errors), _) => {
            let nothing = nothing(krate, ident, &name);
            quote!(#nothing #errors)
        }
        (None, None) => TokenStream::new(),
        (None, Some(rows)) => {
            let (reference, error) = (local("rows"), local("error"));
            let failed = quote!(#krate::Answer::Ready(::core::result::Result::Err(#error)));
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
        #[allow(clippy::ptr_arg, reason = "a row is a value of its own: `&String`, not `&str`")]
        #written
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
    let Parameters { assertions, bound, bind, get, .. } = parameters;
    let (Rows::Batch { row } | Rows::Each { row, .. }) = rows;
    let answer = answer(krate, function, rows, &parameters.pass, reference);
    let (link, found, call, cx) = (local("link"), local("bound"), local("call"), local("cx"));
    let fields = member(row, &quote!(#krate::Row), "fields");
    let emits = emits(krate, function, rows);
    let result = match rows {
        Rows::Batch { .. } => assertion::batch_result(krate, &function.sig.output),
        Rows::Each { shape, .. } => assertion::row_result(krate, &function.sig.output, *shape),
    };
    let state = match rows {
        Rows::Each { state: Some(state), .. } => assertion::state(krate, state),
        _ => TokenStream::new(),
    };
    let is_keyed = !state.is_empty();
    let line = quote_spanned!(ident.span()=> ::core::line!());
    quote! {
        #assertions
        #result
        #state
        const _: () = {
            impl #krate::Function for #ident {
                const NAME: &'static str = #name;
                const PLACE: #krate::Place = #krate::Place { file: ::core::file!(), line: #line };
                const ASYNC: bool = #is_async;
                const KEYED: bool = #is_keyed;
                type Bound = #bound;

                #[allow(unused_variables, reason = "a function may have no parameters but its rows")]
                fn bind(#link: &mut #krate::Link<'_>) -> ::core::option::Option<Self::Bound> {
                    #[allow(unused_imports, reason = "it is what a type that does not fit falls back on")]
                    use #krate::__private::Missing as _;
                    #bind
                }

                fn call<'a>(#found: &'a Self::Bound, #call: #krate::Call<'a>) -> #krate::Answer<'a> {
                    #[allow(unused_imports, reason = "it is what a type that does not fit falls back on")]
                    use #krate::__private::{Missing as _, Unfit as _, Unreadable as _};
                    #[allow(unused_variables, reason = "a function may have no parameters but its rows")]
                    let #cx = #call.cx();
                    #get
                    #answer
                }

                fn reads() -> ::core::option::Option<#krate::__private::Fields> {
                    ::core::option::Option::Some(#fields())
                }

                fn emits() -> #krate::__private::Emits {
                    #[allow(unused_imports, reason = "it is what a type that hides its fields falls back on")]
                    use #krate::__private::Hidden as _;
                    #emits
                }
            }
            #krate::__submit!(#krate::__private::FunctionDef::of::<#ident>());
        };
    }
}

/// Calls the function through `__private::Shim`, which is silent about types that do not fit.
fn answer(
    krate: &Path,
    function: &ItemFn,
    rows: &Rows,
    pass: &TokenStream,
    reference: &Ident,
) -> TokenStream {
    let ident = &function.sig.ident;
    let (call, borrowed, result) = (local("call"), local("borrowed"), local("result"));
    let shim = quote!(#krate::__private::Shim);
    match rows {
        Rows::Batch { row } if function.sig.asyncness.is_some() => {
            // The span says where a future is not `Send`.
            let shim = placed(&shim, ident.span());
            let made = quote_spanned! {ident.span()=>
                #shim::of_future(move |#borrowed: #krate::Borrowed<#row>| async move {
                    let #reference = #borrowed.rows();
                    let #result = #ident(#pass).await;
                    #krate::__private::Done(&#borrowed, #result).finish(#call)
                })
            };
            quote!(#made.later(#call))
        }
        Rows::Batch { row } => {
            quote!(#shim::of_batch(|#reference: &[#row]| #ident(#pass)).batch(#call))
        }
        Rows::Each { row, shape, state } => {
            let wrap = match shape {
                Shape::Sink => None,
                Shape::Map => Some(quote!(#krate::__private::Map)),
                Shape::FilterMap => Some(quote!(#krate::__private::FilterMap)),
                Shape::Filter => Some(quote!(#krate::__private::Filter)),
                Shape::FlatMap => Some(quote!(#krate::__private::FlatMap)),
            };
            let body = match (wrap, Output::read(&function.sig.output).fallible) {
                (None, _) => quote!(#ident(#pass)),
                (Some(wrap), true) => quote!(#ident(#pass).map(#wrap)),
                (Some(wrap), false) => quote!(#wrap(#ident(#pass))),
            };
            match state {
                None => quote!(#shim::of_row(|#reference: &#row| #body).each(#call)),
                Some(state) => {
                    let (shim, local) = (quote!(#krate::__private::KeyedShim), local("state"));
                    quote! {
                        #shim::of_row(|#reference: &#row, #local: &mut #state| #body).each(#call)
                    }
                }
            }
        }
    }
}

/// What the words of the result type say of the rows that are handed on.
fn emits(krate: &Path, function: &ItemFn, rows: &Rows) -> TokenStream {
    let output = Output::read(&function.sig.output);
    let emits = quote!(#krate::__private::Emits);
    let rows_of = |ty: &Type| quote!(#krate::__private::Given::<#ty>::fields());
    let emitted = match rows {
        Rows::Batch { .. } => output.emitted(),
        Rows::Each { shape: Shape::Map, .. } => output.ty,
        Rows::Each { .. } => output.inner(),
    };
    match (output.ty, emitted) {
        (Some(Type::Tuple(_)), Some(row)) => {
            let row = rows_of(row);
            quote!(#emits::Either(#row))
        }
        (_, Some(row)) => {
            let row = rows_of(row);
            quote!(#emits::Rows(#row))
        }
        _ if output.shape() == Shape::Sink => quote!(#emits::Nothing),
        (Some(ty), None) if is_named(ty, "Action") || is_named(ty, "bool") => {
            quote!(#emits::Passed)
        }
        _ => quote!(#emits::Unsaid),
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
