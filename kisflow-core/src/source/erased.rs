//! A source with its type erased, and as a registry knows it.

use async_trait::async_trait;

use super::{Delivery, Source, SourceContext};
use crate::{
    caas::BoxFuture,
    conf::SourceConf,
    error::Result,
    link::{Misfit, source_params},
};

/// A source with its type erased: one dynamic call a batch.
#[async_trait]
pub(crate) trait ErasedSource: Send {
    async fn next(&mut self) -> Result<Option<Delivery>>;
    async fn lag(&mut self) -> Result<Option<u64>>;
    async fn close(self: Box<Self>) -> Result<()>;
}

#[async_trait]
impl<S: Source> ErasedSource for S {
    async fn next(&mut self) -> Result<Option<Delivery>> {
        Source::next(self).await
    }

    async fn lag(&mut self) -> Result<Option<u64>> {
        Source::lag(self).await
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Source::close(*self).await
    }
}

/// A reader, yet to be.
type Opening<'a> = BoxFuture<'a, Result<Box<dyn ErasedSource>>>;

/// A type of source as a registry knows it.
#[derive(Clone, Copy)]
pub(crate) struct SourceDef {
    pub(crate) engine: &'static str,
    /// What is wrong with the conf.
    pub(crate) check: fn(&SourceConf) -> Vec<Misfit>,
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
