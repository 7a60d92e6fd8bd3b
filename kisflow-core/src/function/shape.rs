//! Whether a type is one of those that `#[faas]` knows by their words, hidden behind an alias.

use std::marker::PhantomData;

use crate::row::Emit;

/// `Shape::<T>::HIDDEN`: an inherent constant for the types below, and for all others that of
/// [`Plain`], which an inherent one goes before.
#[derive(Debug)]
pub struct Shape<T>(PhantomData<T>);

macro_rules! hidden {
    ($([$($generic:ident)*] $ty:ty;)*) => {
        $(impl<$($generic),*> Shape<$ty> {
            /// The macro has not seen what this type is.
            pub const HIDDEN: bool = true;

            /// Reports nothing: one mistake is enough.
            pub fn emitted() {}
        })*
    };
}

hidden! {
    [T] Option<T>;
    [T] Vec<T>;
    [T E] Result<T, E>;
    [] bool;
    [] ();
}

/// What every other type is.
pub trait Plain<T> {
    /// There is nothing to see.
    const HIDDEN: bool = false;

    /// Asserts that it can be handed on.
    fn emitted()
    where
        T: Emit, // its rows go to the next function
    {
    }
}

impl<T> Plain<T> for Shape<T> {}
