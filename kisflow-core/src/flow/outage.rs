//! Whether something failed because of its rows, or because something that it depends on is away.

use std::{
    collections::HashSet,
    error::Error,
    iter::successors,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{Node, call::Fail};
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

/// Rows that a function rejected during an outage: they are not at fault.
pub(super) struct Away {
    pub(super) outage: Unavailable,
    /// Their positions in its input.
    pub(super) rows: HashSet<usize>,
}

impl Away {
    /// The failure of a call with so many rows, none of which goes on.
    pub(super) fn fail(self, rows: usize) -> Fail {
        let Self { outage, rows: away } = self;
        match away.len() == rows {
            true => Fail::EachRowAway(outage.into()),
            false => Fail::Error(outage.into()),
        }
    }
}

/// Returns the outage during which a function rejected rows, if there was one. If a connector does
/// not answer, it may be the reason for each of them; otherwise they are those of which the function
/// says so.
pub(super) async fn rejected_in(node: &Node, faults: &[Fault]) -> Option<Away> {
    for slot in &node.connectors {
        if let Some(away) = slot.away().await {
            let rows = faults.iter().map(|fault| fault.index).collect();
            return Some(Away { outage: Unavailable::new(away), rows });
        }
    }
    let said = |fault: &&Fault| unavailable(&*fault.cause).is_some();
    let first = unavailable(&*faults.iter().find(said)?.cause)?;
    let cause = first.source().map(|cause| error_chain(cause).to_string());
    let rows = faults.iter().filter(said).map(|fault| fault.index).collect();
    Some(Away { outage: Unavailable::new(cause.unwrap_or_default()), rows })
}
