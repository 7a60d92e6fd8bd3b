//! [`Store`]: the quarantine of a conf, opened for what a command does.

use std::collections::BTreeSet;

use kisflow_core::{Conf, Quarantine, QuarantineError, Registry, Status, error_chain};

use crate::{conf, failure::Failure, text::harmless};

/// What keeps the rows that could not be processed, not opened yet.
pub(super) struct Store {
    registry: Registry,
    conf: Conf,
}

impl Store {
    /// # Errors
    ///
    /// When nothing keeps such rows.
    pub(super) fn new(registry: Registry, conf: Conf) -> Result<Self, Failure> {
        let mut conf = conf::aside(conf);
        let Some(conn) = registry.quarantine_conn(&conf) else {
            return Err(Failure::usage(
                "there is no quarantine: no flow has a source, and the global conf names no connector for `quarantine`",
            ));
        };
        // Named, it is the same one whichever flows are enabled.
        conf.global.quarantine.cname = Some(conn.cname.clone());
        conf.connectors.entry(conn.cname.clone()).or_insert(conn);
        Ok(Self { registry, conf })
    }

    pub(super) fn conf(&self) -> &Conf {
        &self.conf
    }

    /// Connects to what keeps the rows, and to nothing else.
    pub(super) async fn look(&self) -> Result<Quarantine, Failure> {
        self.open(&BTreeSet::new()).await
    }

    /// Connects to what these flows need as well: their rows can be sent on. This process must not have
    /// an embedded store open already; that a service has it open is no matter.
    pub(super) async fn open(&self, flows: &BTreeSet<String>) -> Result<Quarantine, Failure> {
        let mut conf = self.conf.clone();
        for flow in conf.flows.values_mut().filter(|flow| !flows.contains(&flow.flow_name)) {
            flow.status = Status::Disabled;
        }
        let flows = conf::link_beside(self.registry.clone(), conf).await?;
        flows.quarantine().map_err(|error| failed(&error))
    }
}

pub(super) fn failed(error: &QuarantineError) -> Failure {
    // A cause may have any text in it.
    Failure::no(harmless(&error_chain(error).to_string()))
}
