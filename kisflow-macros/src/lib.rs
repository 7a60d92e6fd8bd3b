//! `#[faas]` and `#[caas]`: what KisFlow does by reflection at run time, done by the compiler.
//!
//! Each macro works in three stages: `attribute` reads the parentheses, `model` (with `signature`,
//! `result` and `borrow`) reads the function and finds every mistake in it, `faas` and `caas` write
//! the shim. A function with a mistake is still emitted, with a shim that does nothing, so that one
//! mistake gives one message. Only the compiler knows whether a type has a trait: `assertion` asks
//! for that once, at the user's own tokens.
//!
//! The documentation of the macros is in `faas.md` and `caas.md`, because its examples need the crate
//! `kisflow`, which runs them. As a dev-dependency of this crate, `kisflow` and all below it would be
//! built twice: cargo builds what a macro depends on apart from what programs depend on.

mod assertion;
mod attribute;
mod borrow;
mod caas;
mod errors;
mod faas;
mod model;
mod result;
mod signature;
mod words;

use proc_macro::TokenStream;

#[cfg_attr(not(doctest), doc = include_str!("faas.md"))]
#[proc_macro_attribute]
pub fn faas(arguments: TokenStream, item: TokenStream) -> TokenStream {
    faas::expand(&arguments.into(), &item.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("caas.md"))]
#[proc_macro_attribute]
pub fn caas(arguments: TokenStream, item: TokenStream) -> TokenStream {
    caas::expand(&arguments.into(), &item.into()).into()
}
