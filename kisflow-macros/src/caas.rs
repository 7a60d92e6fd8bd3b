//! Reads a `#[caas]` function and writes its shim.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Ident, ItemFn, Type, TypeReference, parse_quote};

use crate::{
    assertion::{self, placed},
    attribute::Caas,
    borrow::{borrows, ungrouped, unnamed},
    errors::Errors,
    result::Output,
    signature::{Argument, Parameters, arguments, local, the_reference},
    words::words,
};

pub(crate) fn expand(arguments_of_attribute: &TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let attribute = Caas::parse(arguments_of_attribute, &mut errors);
    let function = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            errors.at(
                item,
                "`#[caas]` stands on a function: `async fn name(rows: &[T], …) -> Result<…>`",
            );
            let errors = errors.into_tokens();
            return quote!(#item #errors);
        }
    };
    let written = &function;
    let function = ungrouped(written);
    let arguments = arguments(&function, "what the caller gives", false, &mut errors);
    let given = given(&function, &arguments, &mut errors);
    reply(&function, &mut errors);
    let shim = match (errors.into_tokens(), given) {
        // Within an `impl` there is no place for a type.
        (Some(errors), _) if function.sig.receiver().is_some() => return quote!(#written #errors),
        (Some(errors), _) => {
            let nothing = nothing(&attribute, &function.sig.ident);
            quote!(#nothing #errors)
        }
        (None, None) => TokenStream::new(),
        (None, Some(given)) => shim(&attribute, &function, &arguments, &given),
    };
    let visibility = &function.vis;
    let ident = &function.sig.ident;
    let Caas { connector, function: caller, .. } = &attribute;
    let doc = format!(
        "The storage logic of connector `{connector}` and function `{caller}` as a type; see the function of the same name."
    );
    quote! {
        #written
        #[allow(non_camel_case_types, reason = "it has the name of its function")]
        #[doc = #doc]
        #visibility struct #ident {}
        #shim
    }
}

/// What the caller gives: the type behind the reference.
fn given(function: &ItemFn, arguments: &[Argument], errors: &mut Errors) -> Option<Type> {
    let Some(TypeReference { elem, .. }) = the_reference(arguments) else {
        if function.sig.receiver().is_none() {
            errors.at(&function.sig.ident, "storage logic takes what the caller gives by reference: add a parameter such as `rows: &[T]`");
        }
        return None;
    };
    if borrows(elem) {
        errors.at(elem, format!("`{}` borrows, and what the caller gives is known by its type alone: take a type that owns what it holds", words(elem)));
    }
    Some((**elem).clone())
}

fn reply(function: &ItemFn, errors: &mut Errors) {
    let Some(ty) = Output::read(&function.sig.output).ty else { return };
    if unnamed(ty) || borrows(ty) {
        errors.at(
            ty,
            format!(
                "`{}` is borrowed or has no name: reply with a type that owns what it holds",
                words(ty)
            ),
        );
    }
}

fn shim(attribute: &Caas, function: &ItemFn, arguments: &[Argument], given: &Type) -> TokenStream {
    let Caas { connector, function: caller, krate } = attribute;
    let ident = &function.sig.ident;
    let (reference, error) = (local("given"), local("error"));
    let (link, found, cx) = (local("link"), local("bound"), local("cx"));
    let failed =
        quote!(::std::boxed::Box::pin(::core::future::ready(::core::result::Result::Err(#error))));
    let Parameters { assertions, bound, bind, get, pass } =
        Parameters::new(krate, arguments, &reference, &failed);
    let output = Output::read(&function.sig.output);
    let reply = output.ty.cloned().unwrap_or_else(|| parse_quote!(()));
    let failure = assertion::reply(krate, &function.sig.output);
    let wait = function.sig.asyncness.map(|_| quote!(.await));
    let answer = match output.fallible {
        true => quote!(#krate::__private::Replied(#ident(#pass)#wait).reply()),
        false => quote!(::core::result::Result::Ok(#ident(#pass)#wait)),
    };
    let line = quote_spanned!(ident.span()=> ::core::line!());
    // The span says where a future is not `Send`.
    let task = placed(&quote!(#krate::__private::task), ident.span());
    let future = quote_spanned!(ident.span()=> #task(async move { #answer }));
    quote! {
        #assertions
        #failure
        const _: () = {
            impl #krate::StorageLogic for #ident {
                const CONNECTOR: &'static str = #connector;
                const FUNCTION: &'static str = #caller;
                const PLACE: #krate::Place = #krate::Place { file: ::core::file!(), line: #line };
                type Args = #given;
                type Reply = #reply;
                type Bound = #bound;

                #[allow(unused_variables, reason = "storage logic may have no parameters but what it is given")]
                fn bind(#link: &mut #krate::Link<'_>) -> ::core::option::Option<Self::Bound> {
                    #[allow(unused_imports, reason = "it is what a type that does not fit falls back on")]
                    use #krate::__private::Missing as _;
                    #bind
                }

                #[allow(unused_variables, reason = "storage logic may have no parameters but what it is given")]
                fn call<'a>(
                    #found: &'a Self::Bound,
                    #reference: &'a Self::Args,
                    #cx: #krate::Cx<'a>,
                ) -> #krate::BoxFuture<'a, #krate::Result<Self::Reply>> {
                    #[allow(unused_imports, reason = "it is what a type that does not fit falls back on")]
                    use #krate::__private::{Missing as _, Unfit as _};
                    #get
                    #future
                }
            }
            #krate::__submit!(#krate::__private::CaasDef::of::<#ident>());
        };
    }
}

/// A shim for storage logic with mistakes: nothing that uses it is a mistake of its own.
fn nothing(attribute: &Caas, ident: &Ident) -> TokenStream {
    let Caas { connector, function, krate } = attribute;
    quote! {
        const _: () = {
            impl #krate::StorageLogic for #ident {
                const CONNECTOR: &'static str = #connector;
                const FUNCTION: &'static str = #function;
                const PLACE: #krate::Place = #krate::Place { file: ::core::file!(), line: ::core::line!() };
                type Args = ();
                type Reply = ();
                type Bound = ();

                fn bind(_: &mut #krate::Link<'_>) -> ::core::option::Option<()> {
                    ::core::option::Option::None
                }

                fn call<'a>(_: &'a (), _: &'a (), _: #krate::Cx<'a>) -> #krate::BoxFuture<'a, #krate::Result<()>> {
                    ::std::boxed::Box::pin(::core::future::ready(::core::result::Result::Ok(())))
                }
            }
        };
    }
}
