//! What both macros read from a function: its one reference, and its other parameters.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, Ident, ItemFn, Lifetime, Path, Type, TypeReference, visit_mut::VisitMut};

use crate::errors::Errors;

/// What a parameter is, in the order of the signature.
pub(crate) enum Argument {
    /// The reference: rows, or what a `#[caas]` is given.
    Reference(TypeReference),
    /// Found at link.
    Parameter(Box<Type>),
}

/// Reads the parameters of a function, and finds every mistake in them. `reference` says what the
/// one reference is.
pub(crate) fn arguments(function: &ItemFn, reference: &str, errors: &mut Errors) -> Vec<Argument> {
    let signature = &function.sig;
    if !signature.generics.params.is_empty() {
        errors.at(
            &signature.generics,
            "a kisflow function is not generic: conf names it, and a name has no types; write one function for each type, and let them share a generic one",
        );
    }
    let mut arguments = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) => errors.at(
                receiver,
                "a kisflow function has no `self`; move it out of the `impl`, and take what it needs as `State<'_, T>`",
            ),
            FnArg::Typed(typed) => arguments.push(match &*typed.ty {
                Type::Reference(reference) => Argument::Reference(reference.clone()),
                other => {
                    owned_rows(other, errors);
                    Argument::Parameter(Box::new(other.clone()))
                }
            }),
        }
    }
    let mut references = arguments.iter().filter_map(|argument| match argument {
        Argument::Reference(reference) => Some(reference),
        Argument::Parameter(_) => None,
    });
    let first = references.next();
    for second in references {
        errors.at(second, format!("a second reference, and only {reference} is one; take other things as `Params<'_, T>`, `State<'_, T>` or another parameter"));
    }
    if let Some(TypeReference { mutability: Some(_), elem, .. }) = first {
        errors.at(first, format!("rows are shared between functions and cannot be changed in place: write `&{}` and return the new ones", quote!(#elem)));
    }
    arguments
}

/// `Vec<T>` by value is what people write who expect to be handed their rows.
fn owned_rows(ty: &Type, errors: &mut Errors) {
    if let Some(inner) = generic_of(ty, "Vec") {
        errors
            .at(ty, format!("rows are borrowed, never handed over: write `&[{}]`", quote!(#inner)));
    }
}

/// `T` of `Name<T, …>`, by the last word of the path.
pub(crate) fn generic_of<'t>(ty: &'t Type, name: &str) -> Option<&'t Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        syn::GenericArgument::Type(inner) => Some(inner),
        _ => None,
    })
}

/// Whether the last word of a path is `name`.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == name))
}

/// The parts of a shim that deal with the parameters.
pub(crate) struct Parameters {
    /// `type Bound`.
    pub(crate) bound: TokenStream,
    /// The body of `bind`.
    pub(crate) bind: TokenStream,
    /// Hands each out as a local, for one call.
    pub(crate) get: TokenStream,
    /// The arguments of the call, with the reference as `reference`.
    pub(crate) pass: TokenStream,
}

impl Parameters {
    /// `failed` returns from the call with `error`.
    pub(crate) fn new(
        krate: &Path,
        arguments: &[Argument],
        reference: &Ident,
        failed: &TokenStream,
    ) -> Self {
        let (mut types, mut names, mut pass) = (Vec::new(), Vec::new(), Vec::new());
        for (position, argument) in arguments.iter().enumerate() {
            match argument {
                Argument::Reference(_) => pass.push(reference.clone()),
                Argument::Parameter(ty) => {
                    let mut ty = ty.clone();
                    Static.visit_type_mut(&mut ty);
                    let name = Ident::new(
                        &format!("parameter_{position}"),
                        proc_macro2::Span::mixed_site(),
                    );
                    types.push(ty);
                    names.push(name.clone());
                    pass.push(name);
                }
            }
        }
        Self {
            bound: quote!((#(<#types as #krate::Parameter>::Bound,)*)),
            // Each is bound before the first that is missing ends it: all problems at once.
            bind: quote! {
                #(let #names = <#types as #krate::Parameter>::bind(link);)*
                ::core::option::Option::Some((#(#names?,)*))
            },
            get: quote! {
                let (#(#names,)*) = bound;
                #(let #names = match <#types as #krate::Parameter>::get(#names, cx) {
                    ::core::result::Result::Ok(parameter) => parameter,
                    ::core::result::Result::Err(error) => return #failed,
                };)*
            },
            pass: quote!(#(#pass),*),
        }
    }
}

/// Turns `'_` into `'static`: what is bound outlives every call.
struct Static;

impl VisitMut for Static {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = Lifetime::new("'static", lifetime.span());
        }
    }
}
