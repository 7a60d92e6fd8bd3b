//! Whether something failed because of its rows, or because what it depends on is away.

use std::{error::Error, iter::successors};

use super::Node;
use crate::{
    error::{Unavailable, error_chain},
    reject::Fault,
};

/// What an error says of an outage, if it speaks of one.
pub(crate) fn unavailable<'a>(
    error: &'a (dyn Error + 'static),
) -> Option<&'a (dyn Error + 'static)> {
    successors(Some(error), |error| (*error).source()).find(|error| error.is::<Unavailable>())
}

/// The outage that a function rejected rows in, if it was in one. Its rows then have no fault.
pub(super) async fn rejected_in(node: &Node, faults: &[Fault]) -> Option<Unavailable> {
    if let Some(said) = faults.iter().find_map(|fault| unavailable(&*fault.cause)) {
        let cause = said.source().map(|cause| error_chain(cause).to_string());
        return Some(Unavailable::new(cause.unwrap_or_default()));
    }
    for slot in &node.connectors {
        if let Some(away) = slot.away().await {
            return Some(Unavailable::new(away));
        }
    }
    None
}
