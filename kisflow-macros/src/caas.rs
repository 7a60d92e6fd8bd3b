//! Reads a `#[caas]` function and writes its shim.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Ident, ItemFn, ReturnType, Type, parse_quote, spanned::Spanned};

use crate::{
    attribute::Caas,
    errors::Errors,
    signature::{Argument, Parameters, arguments, generic_of},
};

pub(crate) fn expand(arguments_of_attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let attribute = Caas::parse(arguments_of_attribute, &mut errors);
    let function = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            errors.at(
                &item,
                "`#[caas]` stands on a function: `async fn name(rows: &[T], …) -> Result<…>`",
            );
            let errors = errors.into_tokens();
            return quote!(#item #errors);
        }
    };
    let arguments = arguments(&function, "what the caller gives", &mut errors);
    let given = arguments.iter().find_map(|argument| match argument {
        Argument::Reference(reference) => Some((*reference.elem).clone()),
        Argument::Parameter(_) => None,
    });
    if given.is_none() && function.sig.receiver().is_none() {
        errors.at(&function.sig.ident, "storage logic takes what the caller gives by reference: add a parameter such as `rows: &[T]`");
    }
    let errors = errors.into_tokens();
    let (Some(given), None) = (given, &errors) else { return quote!(#function #errors) };
    shim(&attribute, &function, &arguments, &given)
}

fn shim(attribute: &Caas, function: &ItemFn, arguments: &[Argument], given: &Type) -> TokenStream {
    let Caas { connector, function: caller, krate } = attribute;
    let ident = &function.sig.ident;
    let visibility = &function.vis;
    let doc = format!(
        "The storage logic of connector `{connector}` and function `{caller}` as a type; see the function of the same name."
    );
    let reference = Ident::new("given", Span::mixed_site());
    let failed =
        quote!(::std::boxed::Box::pin(::core::future::ready(::core::result::Result::Err(error))));
    let Parameters { bound, bind, get, pass } =
        Parameters::new(krate, arguments, &reference, &failed);
    let (reply, fallible): (Type, bool) = match &function.sig.output {
        ReturnType::Default => (parse_quote!(()), false),
        ReturnType::Type(_, ty) => match generic_of(ty, "Result") {
            Some(inner) => (inner.clone(), true),
            None => ((**ty).clone(), false),
        },
    };
    let wait = function.sig.asyncness.map(|_| quote!(.await));
    let answer = match fallible {
        true => quote!(#ident(#pass)#wait.map_err(::core::convert::Into::into)),
        false => quote!(::core::result::Result::Ok(#ident(#pass)#wait)),
    };
    let line = quote_spanned!(ident.span()=> ::core::line!());
    // The span says where a future is not `Send`.
    let future = quote_spanned!(ident.span()=> ::std::boxed::Box::pin(async move { #answer }));
    let given = quote_spanned!(given.span()=> #given);
    quote! {
        #function
        #[allow(non_camel_case_types, reason = "it has the name of its function")]
        #[doc = #doc]
        #visibility struct #ident {}
        const _: () = {
            impl #krate::StorageLogic for #ident {
                const CONNECTOR: &'static str = #connector;
                const FUNCTION: &'static str = #caller;
                const PLACE: #krate::Place = #krate::Place { file: ::core::file!(), line: #line };
                type Args = #given;
                type Reply = #reply;
                type Bound = #bound;

                #[allow(unused_variables, reason = "storage logic may have no parameters but what it is given")]
                fn bind(link: &mut #krate::Link<'_>) -> ::core::option::Option<Self::Bound> {
                    #bind
                }

                #[allow(unused_variables, reason = "storage logic may have no parameters but what it is given")]
                fn call<'a>(
                    bound: &'a Self::Bound,
                    #reference: &'a Self::Args,
                    cx: #krate::Cx<'a>,
                ) -> #krate::BoxFuture<'a, #krate::Result<Self::Reply>> {
                    #get
                    #future
                }
            }
            #krate::__submit!(#krate::__private::CaasDef::of::<#ident>());
        };
    }
}
