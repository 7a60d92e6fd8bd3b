//! Whether something failed because of its rows, or because what it depends on is away.

use std::{error::Error, iter::successors, time::Duration};

use tokio::time::timeout;

use super::Node;
use crate::{
    connector::ConnectorSlot,
    error::{Unavailable, error_chain},
    reject::Fault,
};

/// How long a connector may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// What an error says of an outage, if it speaks of one.
pub(crate) fn unavailable<'a>(
    error: &'a (dyn Error + 'static),
) -> Option<&'a (dyn Error + 'static)> {
    successors(Some(error), |error| (*error).source()).find(|error| error.is::<Unavailable>())
}

/// Why a connector is of no use now, if it is of none.
pub(crate) async fn away(slot: &ConnectorSlot) -> Option<String> {
    let name = &slot.conf.cname;
    match timeout(PATIENCE, slot.ping()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("connector `{name}`: {}", error_chain(&*error))),
        Err(_) => Some(format!("connector `{name}` does not answer")),
    }
}

/// The outage that a function rejected rows in, if it was in one. Its rows then have no fault.
pub(super) async fn rejected_in(node: &Node, faults: &[Fault]) -> Option<Unavailable> {
    if let Some(said) = faults.iter().find_map(|fault| unavailable(&*fault.cause)) {
        let cause = said.source().map(|cause| error_chain(cause).to_string());
        return Some(Unavailable::new(cause.unwrap_or_default()));
    }
    away(node.connector.as_ref()?).await.map(Unavailable::new)
}
