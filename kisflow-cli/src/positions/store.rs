//! [`Store`]: what keeps the positions of a conf.

use std::sync::Arc;

use kisflow_core::{Conf, ConnConf, Durable, Registry, StoredPosition, suggest};

use crate::{failure::Failure, text::harmless};

/// The conf, and what can open its stores.
pub(super) struct Store {
    registry: Registry,
    pub(super) conf: Conf,
}

impl Store {
    pub(super) fn new(registry: Registry, conf: Conf) -> Self {
        Self { registry, conf }
    }

    /// The positions that the conf's store keeps. A service may have it open.
    pub(super) async fn look(&self) -> Result<Vec<StoredPosition>, Failure> {
        let registry = self.registry.clone().attach_connectors();
        let store = open(&registry, &self.kept()?).await?;
        all(&*store).await
    }

    /// The store, to be changed: no service may have it open. Where that cannot be seen, as on a
    /// server, `kept` tells.
    pub(super) async fn alone(&self) -> Result<Arc<dyn Durable>, Failure> {
        open(&self.registry, &self.kept()?).await
    }

    /// A store by the name of its connector.
    pub(super) async fn named(&self, cname: &str) -> Result<Arc<dyn Durable>, Failure> {
        let kept = self.registry.quarantine_conn(&self.conf);
        let unnamed = self.registry.embedded_conn(&self.conf);
        let mut known = self.registry.durable_conns(&self.conf);
        for conn in [kept, unnamed].into_iter().flatten() {
            if known.iter().all(|known| known.cname != conn.cname) {
                known.push(conn);
            }
        }
        match known.iter().find(|conn| conn.cname == cname) {
            Some(conn) => open(&self.registry, conn).await,
            None => {
                let hint = suggest(cname, known.iter().map(|conn| conn.cname.as_str()));
                let message =
                    format!("no connector that outlives the process is named \"{cname}\"{hint}");
                Err(Failure::usage(harmless(&message)))
            }
        }
    }

    fn kept(&self) -> Result<ConnConf, Failure> {
        self.registry.quarantine_conn(&self.conf).ok_or_else(|| {
            Failure::usage("no positions are kept: no flow has a source, and the global conf names no connector for `quarantine`")
        })
    }

    /// Returns whether one process at a time can open the store: having it open means being alone.
    pub(super) fn is_exclusive(&self) -> bool {
        self.kept().is_ok_and(|conn| self.registry.is_embedded(&conn))
    }
}

async fn open(registry: &Registry, conn: &ConnConf) -> Result<Arc<dyn Durable>, Failure> {
    registry.durable(conn).await.map_err(|error| Failure::no(harmless(&error.to_string())))
}

pub(super) async fn all(store: &dyn Durable) -> Result<Vec<StoredPosition>, Failure> {
    StoredPosition::all(store).await.map_err(|error| Failure::because(&*error))
}
