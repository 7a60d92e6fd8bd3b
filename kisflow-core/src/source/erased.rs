//! A source with its type erased, and as a registry knows it.

use super::{Delivery, Redelivery, Source, SourceContext};
use crate::{
    caas::BoxFuture,
    conf::SourceConf,
    error::Result,
    link::{Misfit, source_params},
};

/// A source with its type erased: one dynamic call per batch.
pub(crate) trait ErasedSource: Send {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Delivery>>>;
    fn lag(&mut self) -> BoxFuture<'_, Result<Option<u64>>>;
    fn lag_bytes(&mut self) -> BoxFuture<'_, Result<Option<u64>>>;
    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

impl<S: Source> ErasedSource for S {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Delivery>>> {
        Source::next(self)
    }

    fn lag(&mut self) -> BoxFuture<'_, Result<Option<u64>>> {
        Source::lag(self)
    }

    fn lag_bytes(&mut self) -> BoxFuture<'_, Result<Option<u64>>> {
        Source::lag_bytes(self)
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Source::close(*self)
    }
}

/// A reader, yet to be.
type Opening<'a> = BoxFuture<'a, Result<Box<dyn ErasedSource>>>;

/// A type of source as a registry knows it.
#[derive(Clone, Copy)]
pub(crate) struct SourceDef {
    pub(crate) engine: &'static str,
    /// Checks the conf.
    pub(crate) check: fn(&SourceConf) -> Vec<Misfit>,
    /// Whether redelivered rows can be recognized; `None` of a conf that `check` reports.
    pub(crate) redelivery: fn(&SourceConf) -> Option<Redelivery>,
    pub(crate) open: for<'a> fn(&'a SourceConf, SourceContext) -> Opening<'a>,
}

impl SourceDef {
    pub(crate) fn of<S: Source>() -> Self {
        Self {
            engine: S::TYPE,
            check: |conf| match source_params::<S::Params>(conf) {
                Ok(params) => S::check(conf, &params),
                Err(misfits) => misfits,
            },
            redelivery: |conf| {
                let params = source_params::<S::Params>(conf).ok()?;
                Some(S::redelivery(conf, &params))
            },
            open: |conf, context| {
                Box::pin(async move {
                    let params = source_params::<S::Params>(conf).map_err(|problems| {
                        problems
                            .into_iter()
                            .map(|(path, message)| format!("{path}: {message}"))
                            .collect::<Vec<_>>()
                            .join("; ")
                    })?;
                    Ok(Box::new(S::open(conf, params, context).await?) as Box<dyn ErasedSource>)
                })
            },
        }
    }
}
