//! Gathers mistakes, so that the compiler shows all of them at once.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes of one function.
#[derive(Default)]
pub(crate) struct Errors {
    first: Option<syn::Error>,
    len: usize,
}

impl Errors {
    /// Adds a mistake at the tokens that it is about.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.add(syn::Error::new_spanned(tokens, message));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn add(&mut self, error: syn::Error) {
        self.len += 1;
        match &mut self.first {
            Some(first) => first.combine(error),
            None => self.first = Some(error),
        }
    }

    /// `compile_error!` for each; `None` when there is no mistake.
    pub(crate) fn into_tokens(self) -> Option<TokenStream> {
        self.first.map(|error| error.into_compile_error())
    }
}
