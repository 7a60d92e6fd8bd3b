//! [`Conn`]: the handle of a connector's own engine.

use std::{any::TypeId, fmt, ops::Deref, sync::Arc};

use super::{Cx, Parameter};
use crate::{
    connector::{Connector, ConnectorSlot},
    error::Result,
    link::Link,
};

/// The connector that the function's conf names, as its own type.
///
/// A function may take several: `option.cname` of its conf is then a map from the name of the
/// parameter to the connector. For `orders: Conn<'_, Redis>, log: Conn<'_, Redis>` it is
/// `cname: {orders: Orders, log: Audit}`.
pub struct Conn<'a, C>(&'a C);

impl<C> fmt::Debug for Conn<'_, C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Conn<{}>", std::any::type_name::<C>())
    }
}

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
            let (cname, engine) = (&slot.conf.cname, &slot.conf.engine);
            let who = link.asking();
            let several = link.how_to_give_several();
            let wanted = C::TYPE;
            link.cname_problem(format!(
                "{who} wants a connector of `type: {wanted}`, and `{cname}` is of `type: {engine}`{several}"
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
