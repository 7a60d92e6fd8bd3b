//! [`Served`]: how each flow ended, with the account of its rows.

use std::{collections::BTreeMap, fmt};

use super::ledger::Ledger;

/// The result of [`Flows::serve`](crate::Flows::serve).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Served {
    /// Each flow that was served, by name.
    pub flows: BTreeMap<String, ServedFlow>,
}

/// The result of one flow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServedFlow {
    /// Its rows.
    pub ledger: Ledger,
    /// How it ended.
    pub outcome: ServedOutcome,
}

/// How serving a flow ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServedOutcome {
    /// Its source ended, every row that was read is done, and none waits in the store.
    Ended,
    /// It was asked to stop, and finished what it had read.
    Stopped,
    /// It was asked to stop, and gave back rows that were not done: they are redelivered.
    GaveBack,
    /// It was asked to stop while its source could not be opened.
    NotOpened,
    /// It was asked to stop while it waited for a restart after its task had died; with the panic's
    /// message.
    Died(String),
}

impl Served {
    /// Returns `true` if every row that was read is done: delivered, filtered, aborted, in quarantine,
    /// or waiting in the store.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_done = |Ledger { returned, .. }: &Ledger| *returned == 0;
        self.flows.values().all(|flow| is_done(&flow.ledger) && flow.ledger.unaccounted() == 0)
    }
}

/// `flow CalStuAvgScore: 50 rows read, 49 delivered, 1 quarantined`, one line per flow, with what
/// went wrong, if anything.
impl fmt::Display for Served {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, flow)) in self.flows.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(formatter, "{end}flow {name}: {}", flow.ledger)?;
            match &flow.outcome {
                ServedOutcome::Ended | ServedOutcome::Stopped | ServedOutcome::GaveBack => {}
                ServedOutcome::NotOpened => write!(formatter, "; its source could not be opened")?,
                ServedOutcome::Died(panic) => write!(formatter, "; its task died: {panic}")?,
            }
        }
        Ok(())
    }
}
