//! [`Served`]: how each flow ended, and what became of its rows.

use std::{collections::BTreeMap, fmt};

use super::ledger::Ledger;

/// What [`Flows::serve`](crate::Flows::serve) did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Served {
    /// Each flow that was served, by name.
    pub flows: BTreeMap<String, ServedFlow>,
}

/// What became of one flow that was served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServedFlow {
    /// Its rows.
    pub ledger: Ledger,
    /// How it ended.
    pub outcome: ServedOutcome,
}

/// How a flow that was served ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServedOutcome {
    /// Its source came to its end, and every row that was read is done.
    Ended,
    /// It was told to stop, and finished what it had read.
    Stopped,
    /// It was told to stop, and gave rows back that were not done: they are redelivered.
    GaveBack,
    /// It was told to stop while its source could not be opened.
    NotOpened,
    /// It was told to stop while it waited to be started again after its task had died, with the
    /// panic's message.
    Died(String),
}

impl Served {
    /// Whether every row that was read is done: delivered, filtered or in quarantine.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_done = |Ledger { returned, .. }: &Ledger| *returned == 0;
        self.flows.values().all(|flow| is_done(&flow.ledger) && flow.ledger.unaccounted() == 0)
    }
}

/// `flow CalStuAvgScore: 50 rows read, 49 delivered, 1 quarantined`, a line for each flow; behind it
/// what went wrong, if anything.
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
