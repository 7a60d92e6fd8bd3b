//! [`Caas`]: storage logic that `#[caas]` registered for the function's connector.

use std::{
    fmt,
    future::{Future, ready},
    sync::Arc,
};

use super::{Cx, Parameter};
use crate::{caas::CaasCall, error::Result, link::Link};

/// The `#[caas]` of the function's connector. Linking checks its arguments and reply, so that one
/// function serves several engines, chosen by the conf alone.
pub struct Caas<'a, A: ?Sized, R = ()> {
    logic: Logic<'a, A, R>,
}

impl<A: ?Sized, R> fmt::Debug for Caas<'_, A, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.logic {
            Logic::Registered { cx, .. } => write!(formatter, "Caas({})", cx.function()),
            Logic::Answer(_) => formatter.write_str("Caas(a test's own)"),
        }
    }
}

/// The storage logic to call.
enum Logic<'a, A: ?Sized, R> {
    Registered { caas: &'a Arc<dyn CaasCall<A, R>>, cx: Cx<'a> },
    Answer(&'a (dyn Fn(&A) -> Result<R> + Sync)),
}

impl<A: ?Sized, R> Clone for Logic<'_, A, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: ?Sized, R> Copy for Logic<'_, A, R> {}

impl<A: ?Sized, R> Clone for Caas<'_, A, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: ?Sized, R> Copy for Caas<'_, A, R> {}

impl<'a, A: ?Sized + Sync + 'static, R: Send + 'static> Caas<'a, A, R> {
    /// Storage logic for a unit test of the function: a closure from arguments to reply.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use kisflow_core::{Caas, Result};
    ///
    /// async fn total(ids: &[u32], prices: Caas<'_, [u32], Vec<f64>>) -> Result<Vec<f64>> {
    ///     Ok(vec![prices.call(ids).await?.iter().sum()])
    /// }
    ///
    /// let prices = |ids: &[u32]| Ok(vec![2.5; ids.len()]);
    /// assert_eq!(total(&[1, 2], Caas::of(&prices)).await?, [5.0]);
    /// # Ok::<(), kisflow_core::BoxError>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn of<F: Fn(&A) -> Result<R> + Sync>(answer: &'a F) -> Self {
        Self { logic: Logic::Answer(answer) }
    }

    /// Calls it.
    ///
    /// # Errors
    ///
    /// The errors of the storage logic.
    ///
    /// # Cancel safety
    ///
    /// That of the storage logic.
    pub fn call<'b>(&self, args: &'b A) -> impl Future<Output = Result<R>> + Send + 'b
    where
        'a: 'b,
    {
        match self.logic {
            Logic::Registered { caas, cx } => caas.call(args, cx),
            Logic::Answer(answer) => Box::pin(ready(answer(args))),
        }
    }
}

impl<A: ?Sized + Sync + 'static, R: Send + 'static> Parameter for Caas<'static, A, R> {
    type Bound = Arc<dyn CaasCall<A, R>>;
    type Of<'a> = Caas<'a, A, R>;

    fn bind(link: &mut Link<'_>) -> Option<Self::Bound> {
        link.caas()
    }

    fn get<'a>(bound: &'a Self::Bound, cx: Cx<'a>) -> Result<Caas<'a, A, R>> {
        Ok(Caas { logic: Logic::Registered { caas: bound, cx } })
    }
}
