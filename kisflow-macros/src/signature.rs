//! What both macros read from a function: its one reference, and its other parameters.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{FnArg, Ident, ItemFn, Pat, Path, Type, TypeReference, ext::IdentExt};

use crate::{assertion, borrow::unnamed, errors::Errors, words::words};

/// What a parameter is, in the order of the signature.
pub(crate) enum Argument {
    /// The reference: rows, or what a `#[caas]` is given.
    Reference(TypeReference),
    /// `&mut S` beside one row: the state of its key.
    State(Box<Type>),
    /// Found at link, with the name that conf may know it by; empty for a pattern.
    Parameter(Box<Type>, String),
}

impl Argument {
    /// The reference, if it is one.
    pub(crate) fn reference(&self) -> Option<&TypeReference> {
        match self {
            Self::Reference(reference) => Some(reference),
            Self::State(..) | Self::Parameter(..) => None,
        }
    }

    /// The type of the state, if it is one.
    pub(crate) fn state(&self) -> Option<&Type> {
        match self {
            Self::State(ty) => Some(ty),
            Self::Reference(_) | Self::Parameter(..) => None,
        }
    }
}

const GENERIC: &str = "a kisflow function is not generic: conf names it, and a name has no types; write one function for each type, and let them share a generic one";
const LIFETIMES: &str = "a kisflow function names no lifetimes: write `&[T]` and `Params<'_, T>`";

/// Reads the parameters of a function, and finds every mistake in them. `reference` says what the
/// one reference is.
pub(crate) fn arguments(
    function: &ItemFn,
    reference: &str,
    may_keep_state: bool,
    errors: &mut Errors,
) -> Vec<Argument> {
    let signature = &function.sig;
    if let syn::Safety::Unsafe(unsafety) = &signature.safety {
        errors.at(
            unsafety,
            "a kisflow function is called by its flow, which cannot keep a promise: drop `unsafe`",
        );
    }
    let generics = &signature.generics;
    if generics.type_params().next().is_some() || generics.const_params().next().is_some() {
        errors.at(generics, GENERIC);
    } else if !generics.params.is_empty() {
        errors.at(generics, LIFETIMES);
    }
    let mut arguments = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) => errors.at(
                receiver,
                "a kisflow function has no `self`; move it out of the `impl`, and take what it needs as `State<'_, T>`",
            ),
            FnArg::Typed(typed) => {
                if unnamed(&typed.ty) {
                    errors.at(&typed.ty, GENERIC);
                }
                arguments.push(match &*typed.ty {
                    Type::Reference(reference) => Argument::Reference(reference.clone()),
                    other => {
                        owned_rows(other, errors);
                        Argument::Parameter(Box::new(other.clone()), name(&typed.pat))
                    }
                });
            }
        }
    }
    if may_keep_state {
        find_state(&mut arguments);
    }
    one_reference(&arguments, reference, may_keep_state, errors);
    arguments
}

/// Takes the first `&mut S` beside one row for the state of its key.
fn find_state(arguments: &mut [Argument]) {
    let is_row = |reference: &TypeReference| {
        reference.mutability.is_none() && !matches!(*reference.elem, Type::Slice(_))
    };
    if !the_reference(arguments).is_some_and(is_row) {
        return;
    }
    let is_mutable = |argument: &&mut Argument| {
        argument.reference().is_some_and(|reference| reference.mutability.is_some())
    };
    if let Some(argument) = arguments.iter_mut().find(is_mutable)
        && let Some(reference) = argument.reference().cloned()
    {
        *argument = Argument::State(reference.elem);
    }
}

/// The name of a parameter, if its pattern has one.
fn name(pattern: &Pat) -> String {
    match pattern {
        Pat::Ident(pattern) => pattern.ident.unraw().to_string(),
        _ => String::new(),
    }
}

/// The one reference; where there are several, a slice is most likely the rows, or one that is not
/// `&mut`.
pub(crate) fn the_reference(arguments: &[Argument]) -> Option<&TypeReference> {
    let slice = |reference: &&TypeReference| matches!(*reference.elem, Type::Slice(_));
    let shared = |reference: &&TypeReference| reference.mutability.is_none();
    let references = || arguments.iter().filter_map(Argument::reference);
    references().find(slice).or_else(|| references().find(shared)).or_else(|| references().next())
}

/// One parameter is a reference: any other is a mistake, and so is `&mut`.
fn one_reference(arguments: &[Argument], what: &str, may_keep_state: bool, errors: &mut Errors) {
    let Some(the) = the_reference(arguments) else { return };
    for reference in arguments.iter().filter_map(Argument::reference) {
        let elem = &reference.elem;
        if std::ptr::eq(reference, the) {
            if reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static") {
                errors.at(
                    reference,
                    format!("{what} are lent for one call: write `&{}`", words(elem)),
                );
            }
            if reference.mutability.is_some() {
                errors.at(reference, format!("{what} may be shared and cannot be changed in place: write `&{}` and return what is new", words(elem)));
            }
        } else if is_parameter(elem) {
            errors.at(
                reference,
                format!(
                    "only {what} come by reference, and this is a small borrow already: write `{}`",
                    words(elem)
                ),
            );
        } else if may_keep_state
            && reference.mutability.is_some()
            && matches!(*the.elem, Type::Slice(_))
        {
            errors.at(
                reference,
                format!("the state of a key stands beside one row: write `row: &T` and `state: &mut {}`", words(elem)),
            );
        } else {
            errors.at(reference, format!("a second reference, and only {what} is one; take other things as `Params<'_, T>`, `State<'_, T>` or another parameter"));
        }
    }
}

/// Whether a type is one of kisflow's own parameters, by its word.
fn is_parameter(ty: &Type) -> bool {
    PARAMETERS.iter().any(|name| is_named(ty, name))
}

const PARAMETERS: [&str; 6] = ["Params", "State", "Conn", "Store", "Caas", "Cx"];

/// `Vec<T>` by value is what people write who expect to be handed their rows.
fn owned_rows(ty: &Type, errors: &mut Errors) {
    if let Some(inner) = generic_of(ty, "Vec") {
        errors.at(ty, format!("rows are borrowed, never handed over: write `&[{}]`", words(inner)));
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

/// A name of the shim's own, which never stands for something of the user's.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The parts of a shim that deal with the parameters.
pub(crate) struct Parameters {
    /// Asserts that each is one.
    pub(crate) assertions: TokenStream,
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
    /// `failed` returns from the call with the local `error`.
    pub(crate) fn new(
        krate: &Path,
        arguments: &[Argument],
        reference: &Ident,
        failed: &TokenStream,
    ) -> Self {
        let (mut types, mut names, mut known_as) = (Vec::new(), Vec::new(), Vec::new());
        let mut pass = Vec::new();
        for (position, argument) in arguments.iter().enumerate() {
            match argument {
                Argument::Reference(_) => pass.push(reference.clone()),
                Argument::State(..) => pass.push(local("state")),
                Argument::Parameter(ty, name) => {
                    known_as.push(name.as_str());
                    let name = local(&format!("parameter_{position}"));
                    types.push(ty);
                    names.push(name.clone());
                    pass.push(name);
                }
            }
        }
        let count = types.len();
        let (link, bound, cx, error) = (local("link"), local("bound"), local("cx"), local("error"));
        let find = quote!(#krate::__private::Find);
        let assertions = types.iter().map(|ty| assertion::parameter(krate, ty));
        Self {
            assertions: quote!(#(#assertions)*),
            bound: quote!([#krate::__private::Found; #count]),
            // Each is bound before the first that is missing ends it: all problems at once.
            bind: quote! {
                #(let #names = #find::<#types>::bind(#link, #known_as);)*
                ::core::option::Option::Some([#(#names?,)*])
            },
            get: quote! {
                let [#(#names,)*] = #bound;
                #(let #names = match #find::<#types>::get(#names, #cx) {
                    ::core::result::Result::Ok(parameter) => parameter,
                    ::core::result::Result::Err(#error) => return #failed,
                };)*
            },
            pass: quote!(#(#pass),*),
        }
    }
}
