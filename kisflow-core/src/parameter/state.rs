//! [`State`]: a value of the program, shared by its functions.

use std::{ops::Deref, sync::Arc};

use super::{Cx, Parameter};
use crate::{error::Result, link::Link};

/// A value that the program gave to [`Registry::state`](crate::Registry::state).
#[derive(Debug)]
pub struct State<'a, T>(&'a T);

impl<'a, T> State<'a, T> {
    /// State for a unit test of the function.
    #[must_use]
    pub fn of(state: &'a T) -> Self {
        Self(state)
    }
}

impl<T> Clone for State<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for State<'_, T> {}

impl<T> Deref for State<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}

impl<T: Send + Sync + 'static> Parameter for State<'static, T> {
    type Bound = Arc<T>;
    type Of<'a> = State<'a, T>;

    fn bind(link: &mut Link<'_>) -> Option<Arc<T>> {
        let state = link.state();
        if state.is_none() {
            let name = std::any::type_name::<T>();
            link.problem(format!("the function wants a `State` of type `{name}`, and there is none; give it to the registry with `.state(…)`"));
        }
        state
    }

    #[inline]
    fn get<'a>(bound: &'a Arc<T>, _: Cx<'a>) -> Result<State<'a, T>> {
        Ok(State(bound))
    }
}
