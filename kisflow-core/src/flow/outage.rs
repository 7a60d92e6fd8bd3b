//! Whether something failed because of its rows, or because something that it depends on is away.

use std::{
    error::Error,
    iter::successors,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::Node;
use crate::{
    error::{Unavailable, error_chain},
    reject::Fault,
};

/// Returns the outage that an error reports, if it does.
pub(crate) fn unavailable<'a>(
    error: &'a (dyn Error + 'static),
) -> Option<&'a (dyn Error + 'static)> {
    // The errors are the users', and so is the code that tells their causes.
    let find = || {
        successors(Some(error), |error| (*error).source()).find(|error| error.is::<Unavailable>())
    };
    catch_unwind(AssertUnwindSafe(find)).unwrap_or(None)
}

/// Returns the outage during which a function rejected rows, if there was one. Its rows are then
/// not at fault.
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
