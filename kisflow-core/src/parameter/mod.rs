//! The parameters of functions beside their rows: small borrows, bound at link.
//!
//! | parameter | what it is |
//! |---|---|
//! | [`Params<'_, T>`](Params) | the function's params, as a type |
//! | [`State<'_, T>`](State) | a value that the program gave the registry |
//! | [`Conn<'_, C>`](Conn) | the handle of the connector's own engine |
//! | [`Store<'_>`](Store) | storage, whatever the engine |
//! | [`Caas<'_, A, R>`](Caas) | storage logic that `#[caas]` registered |
//! | [`Cx<'_>`](Cx) | names, run id, raw params, cache, metadata, cancellation |
//!
//! Each has an `of`, with which a unit test calls the function by hand.

mod caas;
mod conn;
mod cx;
mod params;
mod state;
mod store;
mod test_context;

pub use self::caas::Caas;
pub use self::conn::Conn;
pub use self::cx::Cx;
pub(crate) use self::cx::Rejects;
pub use self::params::Params;
pub use self::state::State;
pub use self::store::{BoundStore, RecordError, Store};
pub use self::test_context::TestContext;
use crate::{error::Result, link::Link};

/// A parameter of a `#[faas]` or `#[caas]` function: bound once at link, passed in each call.
///
/// Implement it for the `'static` form of your type to give functions your own parameters:
///
/// ```
/// use kisflow_core::{Cx, Link, Parameter, Result};
///
/// /// `flow/function`, for log lines.
/// #[derive(Clone, Copy)]
/// struct Label<'a>(&'a str);
///
/// impl Parameter for Label<'static> {
///     type Bound = String;
///     type Of<'a> = Label<'a>;
///
///     fn bind(link: &mut Link<'_>) -> Option<String> {
///         Some(format!("{}/{}", link.flow(), link.function()))
///     }
///
///     fn get<'a>(bound: &'a String, _: Cx<'a>) -> Result<Label<'a>> {
///         Ok(Label(bound))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a kisflow function",
    label = "not a parameter that a link can find",
    note = "rows are taken by reference (`&[T]` or `&T`); other parameters are `Params<'_, T>`, `State<'_, T>`, `Conn<'_, C>`, `Store<'_>`, `Caas<'_, A, R>`, `Cx<'_>`, or a type of yours that implements `kisflow::Parameter`"
)]
pub trait Parameter {
    /// The result of `bind`; kept with the linked function.
    type Bound: Send + Sync + 'static;
    /// The value that the function gets.
    type Of<'a>: Copy + Send;

    /// Finds the parameter. Returns `None` if it is missing, after reporting the problem to `link`.
    fn bind(link: &mut Link<'_>) -> Option<Self::Bound>;

    /// Returns it for one call; nothing is cloned.
    ///
    /// # Errors
    ///
    /// When it is not available now; the call fails with this cause.
    fn get<'a>(bound: &'a Self::Bound, cx: Cx<'a>) -> Result<Self::Of<'a>>;
}
