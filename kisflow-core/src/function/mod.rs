//! [`Function`]: one unit of computation, as `#[faas]` writes it or as you write it by hand.

mod answer;
mod call;
mod emits;
mod result;
mod shape;
mod shim;

use std::{any::type_name, fmt, sync::Arc};

pub use self::answer::{Answer, Outcome};
pub use self::call::{Borrowed, Call};
#[doc(hidden)]
pub use self::emits::Emits;
pub use self::result::{BatchResult, Collector, Filter, FilterMap, FlatMap, Map, RowResult};
pub use self::shape::{Plain, Shape};
pub use self::shim::{
    Done, Failure, Fallible, Find, Found, KeyedShim, Missing, Replied, Shim, Unfit, Unreadable,
    task,
};
use serde::Serialize;

use crate::{link::Link, row::Fields};

/// A place in the program's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The source file, as the compiler names it.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

/// One unit of computation.
///
/// `#[faas]` implements this for a type with the function's name. It has two stages: `bind` runs
/// once at link, before any row is read, and finds everything that the function needs; `call` runs
/// once per batch.
///
/// ```
/// use kisflow_core::{Action, Answer, Batch, Call, Function, Link, Place};
///
/// /// Lets batches through until they are too large.
/// struct Small;
///
/// impl Function for Small {
///     const NAME: &'static str = "Small";
///     const PLACE: Place = Place { file: file!(), line: line!() };
///     type Bound = usize;
///
///     fn bind(link: &mut Link<'_>) -> Option<usize> {
///         link.param("max_rows")
///     }
///
///     fn call<'a>(max_rows: &'a usize, call: Call<'a>) -> Answer<'a> {
///         let action = if call.input().len() <= *max_rows { Action::Reuse } else { Action::Abort };
///         Answer::action(call, action)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a kisflow function",
    label = "expected the type that `#[faas]` puts beside a function",
    note = "annotate the function with `#[faas(\"Name\")]` and name it here without parentheses"
)]
pub trait Function: 'static {
    /// The name in conf.
    const NAME: &'static str;
    /// Its place in the source, for messages.
    const PLACE: Place;
    /// Whether `call` answers [`Answer::Later`]. With a `timeout` in its conf, a function that does
    /// not runs on its own thread, because it can only be abandoned, not stopped.
    const ASYNC: bool = false;
    /// Whether it keeps state for the keys of its rows, through [`Call::each_keyed`].
    const KEYED: bool = false;
    /// The result of `bind`.
    type Bound: Send + Sync + 'static;

    /// Finds what the function needs. Returns `None` if something is missing, after reporting each
    /// such problem to `link`, not only the first.
    fn bind(link: &mut Link<'_>) -> Option<Self::Bound>;

    /// Processes one batch.
    fn call<'a>(bound: &'a Self::Bound, call: Call<'a>) -> Answer<'a>;

    /// Returns the row type that it reads, if known.
    #[doc(hidden)]
    #[must_use]
    fn reads() -> Option<Fields> {
        None
    }

    /// Returns what it hands on, as far as its result type shows it.
    #[doc(hidden)]
    #[must_use]
    fn emits() -> Emits {
        Emits::Unsaid
    }
}

/// A function with its bound parts, erased.
pub(crate) trait BoundFunction: Send + Sync {
    fn call<'a>(&'a self, call: Call<'a>) -> Answer<'a>;
}

struct Bound<F: Function>(F::Bound);

impl<F: Function> BoundFunction for Bound<F> {
    fn call<'a>(&'a self, call: Call<'a>) -> Answer<'a> {
        F::call(&self.0, call)
    }
}

/// A function as a registry knows it.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct FunctionDef {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) is_async: bool,
    pub(crate) is_keyed: bool,
    pub(crate) type_name: fn() -> &'static str,
    pub(crate) reads: fn() -> Option<Fields>,
    pub(crate) emits: fn() -> Emits,
    pub(crate) bind: fn(&mut Link<'_>) -> Option<Arc<dyn BoundFunction>>,
}

impl fmt::Debug for FunctionDef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FunctionDef({} at {})", self.name, self.place)
    }
}

impl FunctionDef {
    /// The definition of `F`.
    #[must_use]
    pub const fn of<F: Function>() -> Self {
        Self {
            name: F::NAME,
            place: F::PLACE,
            is_async: F::ASYNC,
            is_keyed: F::KEYED,
            type_name: type_name::<F>,
            reads: F::reads,
            emits: F::emits,
            bind: |link| Some(Arc::new(Bound::<F>(F::bind(link)?))),
        }
    }
}
