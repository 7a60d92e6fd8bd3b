//! [`Params`]: a function's params as a type, checked at link.

use std::ops::Deref;

use serde::de::DeserializeOwned;

use super::{Cx, Parameter};
use crate::{error::Result, link::Link};

/// The function's params: `default_params` of its conf, overlaid by `params` of the flow.
///
/// `T` is deserialized once, at link; a param that does not fit is a problem of the conf.
#[derive(Debug)]
pub struct Params<'a, T>(&'a T);

impl<'a, T> Params<'a, T> {
    /// Params for a unit test of the function.
    #[must_use]
    pub fn of(params: &'a T) -> Self {
        Self(params)
    }
}

impl<T> Clone for Params<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Params<'_, T> {}

impl<T> Deref for Params<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}

/// A type that params can be read as: every type with `Deserialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read as params",
    label = "params are read as a type with `Deserialize`",
    note = "add `#[derive(serde::Deserialize)]` to `{Self}`"
)]
pub trait FromParams: DeserializeOwned + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + Send + Sync + 'static> FromParams for T {}

impl<T: FromParams> Parameter for Params<'static, T> {
    type Bound = T;
    type Of<'a> = Params<'a, T>;

    fn bind(link: &mut Link<'_>) -> Option<T> {
        link.params()
    }

    #[inline]
    fn get<'a>(bound: &'a T, _: Cx<'a>) -> Result<Params<'a, T>> {
        Ok(Params(bound))
    }
}
