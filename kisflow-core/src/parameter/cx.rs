//! [`Cx`]: the context of one call.

use std::{
    fmt,
    future::pending,
    sync::{Mutex, OnceLock, PoisonError},
};

use super::{Parameter, TestContext};
use crate::{
    conf::{ConnConf, Mode, OnReject, RawParam, RawParams, RowDefaults},
    connector::ConnectorSlot,
    error::{BoxError, Result},
    flow::{Cache, Metadata, Node, RunContext, RunId},
    keyed::RowStates,
    link::Link,
};

/// The rows that a function rejects in one attempt: position in its slice, and cause. Most calls
/// reject none, and then take no lock either.
pub(crate) type Rejects = OnceLock<Mutex<Vec<(usize, BoxError)>>>;

/// The context of one call: names, run id, raw params, cache, metadata, cancellation.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    pub(crate) run: &'a RunContext,
    pub(crate) node: &'a Node,
    pub(crate) rejects: &'a Rejects,
    /// The states of the call's rows, if the function keeps some.
    pub(crate) states: Option<&'a RowStates>,
    pub(crate) attempt: u32,
}

impl fmt::Debug for Cx<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Cx")
            .field("flow", &self.flow())
            .field("function", &self.function())
            .field("run", &self.run())
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl<'a> Cx<'a> {
    /// A context for a unit test of the function.
    #[must_use]
    pub fn of(context: &'a TestContext) -> Self {
        let TestContext { run, node, rejects, attempt } = context;
        Self { run, node, rejects, states: None, attempt: *attempt }
    }

    /// Returns the flow's name.
    #[must_use]
    pub fn flow(&self) -> &'a str {
        &self.run.flow.name
    }

    /// Returns the function's name.
    #[must_use]
    pub fn function(&self) -> &'a str {
        &self.node.name
    }

    /// Returns the function's mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.node.conf.fmode
    }

    /// Returns the name of the function's source, empty if its conf has none.
    #[must_use]
    pub fn source(&self) -> &'a str {
        &self.node.conf.source.name
    }

    /// Returns the name of the function's connector; `None` for a function with several.
    #[must_use]
    pub fn connector(&self) -> Option<&'a str> {
        self.only_connector().map(|slot| slot.conf.cname.as_str())
    }

    /// Returns the params of the function's connector; `None` for a function with several.
    #[must_use]
    pub fn connector_params(&self) -> Option<&'a RawParams> {
        self.only_connector().map(|slot| &slot.conf.params)
    }

    fn only_connector(&self) -> Option<&'a ConnectorSlot> {
        match self.node.connectors.as_slice() {
            [slot] => Some(slot),
            _ => None,
        }
    }

    /// Returns the conf of the function's connector: its address, its `key`, its type; `None` for a
    /// function with several.
    #[must_use]
    pub fn connector_conf(&self) -> Option<&'a ConnConf> {
        self.only_connector().map(|slot| &slot.conf)
    }

    /// Returns the setting for fields that a row lacks.
    pub(crate) fn row_defaults(&self) -> RowDefaults {
        self.node.row_defaults
    }

    /// Returns the id of the run, the same for all its functions.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run.id
    }

    /// Returns the number of this attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns all params of the function.
    #[must_use]
    pub fn params(&self) -> &'a RawParams {
        &self.node.params
    }

    /// Returns one param, with the text of the file: `cx.param("zip")?.as_str()`.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a RawParam> {
        self.node.params.get(name)
    }

    /// Returns the flow's cache: values with a time to live, for all runs of the flow.
    #[must_use]
    pub fn cache(&self) -> &'a Cache {
        &self.run.flow.cache
    }

    /// Returns the flow's metadata: values for all runs of the flow, until they are removed.
    #[must_use]
    pub fn metadata(&self) -> &'a Metadata {
        &self.run.flow.metadata
    }

    /// Returns `true` if the run was cancelled; a long sync function should check it now and then.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.run.cancel.as_ref().is_some_and(|token| token.is_cancelled())
    }

    /// Waits until the run is cancelled.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again at any time.
    pub async fn cancelled(&self) {
        match &self.run.cancel {
            Some(token) => token.cancelled().await,
            None => pending().await,
        }
    }

    /// Rejects the row at `position` of the slice that the function was given; the flow's
    /// `on_reject` decides what happens to it. For batch functions; a one-row function returns
    /// `Err`.
    pub fn reject(&self, position: usize, cause: impl Into<BoxError>) {
        self.rejects
            .get_or_init(Mutex::default)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((position, cause.into()));
    }

    /// Returns the value, or `None` after rejecting the row at `position` with the error. For
    /// values that a batch function looks up row by row.
    ///
    /// ```
    /// # use kisflow_core::{Cx, Result, Store};
    /// async fn load(ids: &[u32], scores: Store<'_>, cx: Cx<'_>) -> Result<Vec<f64>> {
    ///     let found = scores.get(ids).await?;
    ///     Ok(found.into_iter().enumerate().filter_map(|(position, score)| cx.accept(position, score)).collect())
    /// }
    /// ```
    pub fn accept<T>(&self, position: usize, result: Result<T, impl Into<BoxError>>) -> Option<T> {
        result.map_err(|cause| self.reject(position, cause)).ok()
    }

    /// The rows that the function rejected in this attempt; the next attempt decides again.
    #[inline]
    pub(crate) fn take_rejects(&self) -> Vec<(usize, BoxError)> {
        match self.rejects.get() {
            None => Vec::new(),
            Some(rejects) => {
                std::mem::take(&mut *rejects.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }

    #[inline]
    pub(crate) fn is_traced(self) -> bool {
        self.run.traced
    }

    pub(crate) fn on_reject(&self) -> OnReject {
        self.run.on_reject
    }
}

impl Parameter for Cx<'static> {
    type Bound = ();
    type Of<'a> = Cx<'a>;

    fn bind(_: &mut Link<'_>) -> Option<()> {
        Some(())
    }

    #[inline]
    fn get<'a>((): &'a (), cx: Cx<'a>) -> Result<Cx<'a>> {
        Ok(cx)
    }
}
