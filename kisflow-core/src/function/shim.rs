//! What `#[faas]` and `#[caas]` expand to, for types that may not fit.
//!
//! A type that does not fit is one mistake, and the compiler should report it once: where the user
//! wrote it. The macros assert each type there; everything else that they write goes through this
//! module, where a type that fits has its own method, and one that does not falls back on
//! [`Unfit`], which reports nothing.

use std::{any::Any, future::Future, marker::PhantomData};

use super::{Answer, BatchResult, Borrowed, Call, Outcome, RowResult};
use crate::{
    caas::BoxFuture,
    error::{BoxError, Result},
    keyed::KeyedState,
    link::Link,
    parameter::{Cx, Parameter},
    row::Row,
};

/// A parameter, bound and erased: the macros need not name what it was bound to.
#[derive(Debug)]
pub struct Found(Box<dyn Any + Send + Sync>);

/// Finds a parameter at link, and hands it out at each call.
#[derive(Debug)]
pub struct Find<P>(PhantomData<fn() -> P>);

impl<P: Parameter> Find<P> {
    /// Binds it, as the parameter of this name; an empty one for a pattern without a name.
    pub fn bind(link: &mut Link<'_>, name: &str) -> Option<Found> {
        link.for_parameter(name);
        let bound = P::bind(link);
        link.for_parameter("");
        bound.map(|bound| Found(Box::new(bound)))
    }

    /// Hands it out for one call.
    #[inline]
    pub fn get<'a>(found: &'a Found, cx: Cx<'a>) -> Result<P::Of<'a>> {
        match found.0.downcast_ref() {
            Some(bound) => P::get(bound, cx),
            None => Err("a parameter was bound as another type".into()),
        }
    }
}

/// A function with its parameters filled in, as a closure over its rows.
#[derive(Debug)]
pub struct Shim<T, R, F> {
    function: F,
    types: PhantomData<fn(T) -> R>,
}

impl<T, R, F> Shim<T, R, F> {
    fn new(function: F) -> Self {
        Self { function, types: PhantomData }
    }
}

impl<T, R, F: FnOnce(&[T]) -> R> Shim<T, R, F> {
    /// A function of a batch.
    #[inline]
    pub fn of_batch(function: F) -> Self {
        Self::new(function)
    }
}

impl<T, R, F: Fn(&T) -> R> Shim<T, R, F> {
    /// A function of one row.
    #[inline]
    pub fn of_row(function: F) -> Self {
        Self::new(function)
    }
}

impl<T, R, F: FnOnce(Borrowed<T>) -> R> Shim<T, R, F> {
    /// An async function of a batch.
    #[inline]
    pub fn of_future<'a>(function: F) -> Self
    where
        R: Future<Output = Result<Outcome>> + Send + 'a, // flows are tasks: they move between threads
    {
        Self::new(function)
    }
}

impl<T: Row, R: BatchResult, F: FnOnce(&[T]) -> R> Shim<T, R, F> {
    /// Calls it.
    #[inline]
    pub fn batch(self, call: Call<'_>) -> Answer<'_> {
        call.batch(self.function)
    }
}

impl<T: Row, R: RowResult, F: Fn(&T) -> R> Shim<T, R, F> {
    /// Calls it for each row.
    #[inline]
    pub fn each(self, call: Call<'_>) -> Answer<'_> {
        call.each(self.function)
    }
}

impl<T: Row, R, F: FnOnce(Borrowed<T>) -> R> Shim<T, R, F> {
    /// Calls it, and awaits it later.
    #[inline]
    pub fn later<'a>(self, call: Call<'a>) -> Answer<'a>
    where
        R: Future<Output = Result<Outcome>> + Send + 'a,
    {
        call.batch_async(self.function)
    }
}

/// A function of one row and the state of its key, with its parameters filled in.
#[derive(Debug)]
pub struct KeyedShim<T, S, R, F> {
    function: F,
    types: PhantomData<fn(T, S) -> R>,
}

impl<T, S, R, F: Fn(&T, &mut S) -> R> KeyedShim<T, S, R, F> {
    /// A function of one row and its state.
    #[inline]
    pub fn of_row(function: F) -> Self {
        Self { function, types: PhantomData }
    }
}

impl<T: Row, S: KeyedState, R: RowResult, F: Fn(&T, &mut S) -> R> KeyedShim<T, S, R, F> {
    /// Calls it for each row.
    #[inline]
    pub fn each(self, call: Call<'_>) -> Answer<'_> {
        call.each_keyed(self.function)
    }
}

/// What an async function has returned, and its rows.
#[derive(Debug)]
pub struct Done<'r, T, R>(pub &'r Borrowed<T>, pub R);

impl<T: Row, R: BatchResult> Done<'_, T, R> {
    /// The outcome of the call.
    #[inline]
    pub fn finish(self, call: Call<'_>) -> Result<Outcome> {
        call.finish_async(self.0, self.1)
    }
}

/// What storage logic has returned.
#[derive(Debug)]
pub struct Replied<T, E>(pub Result<T, E>);

impl<T, E: Into<BoxError>> Replied<T, E> {
    /// The reply, or the error as a flow takes it.
    #[inline]
    pub fn reply(self) -> Result<T> {
        self.0.map_err(Into::into)
    }
}

/// The future of storage logic, in its box.
#[inline]
pub fn task<'a, T>(
    future: impl Future<Output = T> + Send + 'a, // flows are tasks: they move between threads
) -> BoxFuture<'a, T> {
    Box::pin(future)
}

/// What a function may fail with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a kisflow function",
    label = "not an error",
    note = "implement `std::error::Error` for `{Self}` (the crate `thiserror` derives it), or return `kisflow::Result`, whose error is made of any other by `?`"
)]
pub trait Failure {
    /// Asserts that it is one.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> Failure for E {}

/// A result whose error an alias of `Result` may hide.
pub trait Fallible {
    /// What it fails with.
    type Error;
}

impl<T, E> Fallible for std::result::Result<T, E> {
    type Error = E;
}

macro_rules! silent {
    () => {{
        // Evaluated only if a program came to call it: no type that is not reported can run. The
        // constant is one of the trait, because an optimised build evaluates others early.
        let () = Self::SILENT;
        unreachable!()
    }};
}

/// The methods for types that do not fit, which are reported elsewhere.
#[allow(clippy::panic, reason = "no program with such a type compiles")]
pub trait Unfit: Sized {
    /// Stops the compiler where one of these would be called.
    #[doc(hidden)]
    const SILENT: () = panic!("kisflow: this type does not fit, and the macro did not say so");

    /// For [`Shim::batch`].
    fn batch(self, _: Call<'_>) -> Answer<'_> {
        silent!()
    }

    /// For [`Shim::each`].
    fn each(self, _: Call<'_>) -> Answer<'_> {
        silent!()
    }

    /// For [`Shim::later`].
    fn later(self, _: Call<'_>) -> Answer<'_> {
        silent!()
    }

    /// For [`Done::finish`].
    fn finish(self, _: Call<'_>) -> Result<Outcome> {
        silent!()
    }

    /// For [`Replied::reply`].
    fn reply<T>(self) -> Result<T> {
        silent!()
    }
}

impl<T, R, F> Unfit for Shim<T, R, F> {}
impl<T, S, R, F> Unfit for KeyedShim<T, S, R, F> {}
impl<T, R> Unfit for Done<'_, T, R> {}
impl<T, E> Unfit for Replied<T, E> {}

/// The methods for parameters that cannot be bound, which are reported elsewhere.
#[allow(clippy::panic, reason = "no program with such a type compiles")]
pub trait Missing {
    /// Stops the compiler where one of these would be called.
    #[doc(hidden)]
    const SILENT: () = panic!("kisflow: this type does not fit, and the macro did not say so");

    /// For [`Find::bind`].
    #[must_use]
    fn bind(_: &mut Link<'_>, _: &str) -> Option<Found> {
        silent!()
    }

    /// For [`Find::get`].
    fn get<T>(_: &Found, _: Cx<'_>) -> Result<T> {
        silent!()
    }
}

impl<P> Missing for Find<P> {}

/// The method for rows that cannot be read, which are reported elsewhere.
#[allow(clippy::panic, reason = "no program with such a type compiles")]
pub trait Unreadable<T> {
    /// Stops the compiler where one of these would be called.
    #[doc(hidden)]
    const SILENT: () = panic!("kisflow: this type does not fit, and the macro did not say so");

    /// For [`Borrowed::rows`].
    fn rows(&self) -> &[T] {
        silent!()
    }
}

impl<T> Unreadable<T> for Borrowed<T> {}
