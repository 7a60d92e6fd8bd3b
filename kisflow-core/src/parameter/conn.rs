//! [`Conn`]: the handle of a connector's own engine.

use std::{any::TypeId, ops::Deref, sync::Arc};

use super::{Cx, Parameter};
use crate::{
    connector::{Connector, ConnectorSlot},
    error::Result,
    link::Link,
};

/// The connector that the function's conf names, as its own type.
pub struct Conn<'a, C>(&'a C);

impl<'a, C> Conn<'a, C> {
    /// A connector for a unit test of the function: one that the test has connected, or a
    /// [`Private`](crate::Private) one.
    #[must_use]
    pub fn of(connector: &'a C) -> Self {
        Self(connector)
    }
}

impl<C> Clone for Conn<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Conn<'_, C> {}

impl<C> Deref for Conn<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.0
    }
}

impl<C: Connector> Parameter for Conn<'static, C> {
    type Bound = Arc<ConnectorSlot>;
    type Of<'a> = Conn<'a, C>;

    fn bind(link: &mut Link<'_>) -> Option<Arc<ConnectorSlot>> {
        let slot = link.connector()?;
        if slot.def.type_id != TypeId::of::<C>() && link.registry.stubs {
            link.left_out = true;
            return None;
        }
        if slot.def.type_id != TypeId::of::<C>() {
            link.problem(format!(
                "the function wants a connector of `type: {}`, and `{}` is of `type: {}`",
                C::TYPE,
                slot.conf.cname,
                slot.conf.engine
            ));
            return None;
        }
        Some(slot)
    }

    fn get<'a>(bound: &'a Arc<ConnectorSlot>, _: Cx<'a>) -> Result<Conn<'a, C>> {
        match bound.connected()?.as_any().downcast_ref() {
            Some(connector) => Ok(Conn(connector)),
            None => {
                Err(format!("connector `{}` is not of `type: {}`", bound.conf.cname, C::TYPE)
                    .into())
            }
        }
    }
}
