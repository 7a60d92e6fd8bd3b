//! [`Caas`]: storage logic that `#[caas]` registered for the function's connector.

use std::{fmt, future::Future, sync::Arc};

use super::{Cx, Parameter};
use crate::{caas::CaasCall, error::Result, link::Link};

/// The `#[caas]` of the function's connector: what it is given and what it replies are checked at
/// link, so that one function serves several engines, chosen by the conf alone.
pub struct Caas<'a, A: ?Sized, R = ()> {
    caas: &'a Arc<dyn CaasCall<A, R>>,
    cx: Cx<'a>,
}

impl<A: ?Sized, R> fmt::Debug for Caas<'_, A, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Caas({})", self.cx.function())
    }
}

impl<A: ?Sized, R> Clone for Caas<'_, A, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: ?Sized, R> Copy for Caas<'_, A, R> {}

impl<'a, A: ?Sized + Sync + 'static, R: Send + 'static> Caas<'a, A, R> {
    /// Calls it.
    ///
    /// # Errors
    ///
    /// Whatever the storage logic fails with.
    ///
    /// # Cancel safety
    ///
    /// That of the storage logic.
    pub fn call<'b>(&self, args: &'b A) -> impl Future<Output = Result<R>> + Send + 'b
    where
        'a: 'b,
    {
        self.caas.call(args, self.cx)
    }
}

impl<A: ?Sized + Sync + 'static, R: Send + 'static> Parameter for Caas<'static, A, R> {
    type Bound = Arc<dyn CaasCall<A, R>>;
    type Of<'a> = Caas<'a, A, R>;

    fn bind(link: &mut Link<'_>) -> Option<Self::Bound> {
        link.caas()
    }

    fn get<'a>(bound: &'a Self::Bound, cx: Cx<'a>) -> Result<Caas<'a, A, R>> {
        Ok(Caas { caas: bound, cx })
    }
}
