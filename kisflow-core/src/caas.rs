//! Storage logic, registered by `#[caas]` for a connector and a function.

use std::{
    any::{Any, type_name},
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
};

use crate::{error::Result, function::Place, link::Link, parameter::Cx};

/// A future in a box.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Storage logic for one connector and one function, as `#[caas]` writes it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no storage logic of kisflow",
    label = "expected the type that `#[caas]` puts beside a function",
    note = "annotate the function with `#[caas(connector = \"…\", function = \"…\")]`"
)]
pub trait StorageLogic: 'static {
    /// The `cname` of the connector.
    const CONNECTOR: &'static str;
    /// The `fname` of the function that calls it.
    const FUNCTION: &'static str;
    /// Where it is written, for messages.
    const PLACE: Place;
    /// Its arguments: `[T]` for rows.
    type Args: ?Sized + Sync + 'static;
    /// Its reply.
    type Reply: Send + 'static;
    /// The result of `bind`.
    type Bound: Send + Sync + 'static;

    /// Finds its parameters; see [`Function::bind`](crate::Function::bind).
    fn bind(link: &mut Link<'_>) -> Option<Self::Bound>;

    /// Runs it.
    fn call<'a>(
        bound: &'a Self::Bound,
        args: &'a Self::Args,
        cx: Cx<'a>,
    ) -> BoxFuture<'a, Result<Self::Reply>>;
}

/// Bound storage logic, erased except for its arguments and reply.
#[doc(hidden)]
pub trait CaasCall<A: ?Sized, R>: Send + Sync {
    fn call<'a>(&'a self, args: &'a A, cx: Cx<'a>) -> BoxFuture<'a, Result<R>>;
}

struct Bound<C: StorageLogic>(C::Bound);

impl<C: StorageLogic> CaasCall<C::Args, C::Reply> for Bound<C> {
    fn call<'a>(&'a self, args: &'a C::Args, cx: Cx<'a>) -> BoxFuture<'a, Result<C::Reply>> {
        C::call(&self.0, args, cx)
    }
}

/// Storage logic as a registry knows it.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct CaasDef {
    pub(crate) connector: &'static str,
    pub(crate) function: &'static str,
    pub(crate) place: Place,
    pub(crate) type_name: fn() -> &'static str,
    pub(crate) signature: fn() -> String,
    /// Makes an `Arc<dyn CaasCall<Args, Reply>>`.
    pub(crate) bind: fn(&mut Link<'_>) -> Option<Box<dyn Any>>,
}

impl fmt::Debug for CaasDef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CaasDef({} for {} at {})", self.function, self.connector, self.place)
    }
}

impl CaasDef {
    /// The definition of `C`.
    #[must_use]
    pub const fn of<C: StorageLogic>() -> Self {
        Self {
            connector: C::CONNECTOR,
            function: C::FUNCTION,
            place: C::PLACE,
            type_name: type_name::<C>,
            signature: || signature::<C::Args, C::Reply>(),
            bind: |link| {
                let bound: Arc<dyn CaasCall<C::Args, C::Reply>> =
                    Arc::new(Bound::<C>(C::bind(link)?));
                Some(Box::new(bound))
            },
        }
    }
}

/// `&A -> R`, for messages.
pub(crate) fn signature<A: ?Sized, R>() -> String {
    format!("&{} -> {}", type_name::<A>(), type_name::<R>())
}
