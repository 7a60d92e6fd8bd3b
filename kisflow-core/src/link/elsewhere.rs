//! Positions in another store: a service must not start from the beginning because they were not
//! carried over.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::time::timeout;
use tracing::warn;

use super::{Linker, sources::embedded};
use crate::{
    conf::{Conf, ConnConf, FlowConf, Status},
    connector::ConnectorSlot,
    durable::Durable,
    error::{Result, error_chain},
    registry::Registry,
    source::has_position,
};

/// How long another store may take to connect.
const PATIENCE: Duration = Duration::from_secs(5);

impl Registry {
    /// Why flows of a conf would begin from the start although they have been read before: their
    /// positions are in another store that the conf has, or in the embedded store's default file, and
    /// not in the one that it names now. [`Flows::serve`](crate::Flows::serve) refuses them.
    ///
    /// # Errors
    ///
    /// When the store that the conf names cannot connect or be read.
    pub async fn positions_elsewhere(&self, conf: &Conf) -> Result<Vec<String>> {
        Linker::new(self.clone(), conf, &mut Vec::new()).positions_elsewhere(conf).await
    }
}

impl Linker {
    pub(crate) async fn positions_elsewhere(&self, conf: &Conf) -> Result<Vec<String>> {
        let Some(slot) = self.durable.as_ref().filter(|_| !self.registry.stubs) else {
            return Ok(Vec::new());
        };
        let others = self.others(conf, slot);
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let store = store(slot).await?;
        let mut new = Vec::new();
        for (flow, source) in served(conf) {
            if !has_position(&*store, source, &flow.flow_name).await? {
                new.push((flow, source));
            }
        }
        let mut found = Vec::new();
        for other in others.iter().filter(|_| !new.is_empty()) {
            match has_one(other, &new).await {
                Ok(flows) => found.extend(flows.iter().map(|flow| problem(flow, slot, other))),
                Err(error) => {
                    let (cname, error) = (&other.conf.cname, error_chain(&*error).to_string());
                    warn!(
                        connector = cname,
                        error,
                        "it is not known whether another store has positions of flows that begin"
                    );
                }
            }
        }
        Ok(found)
    }

    /// The other stores that the conf has, and the embedded one where it has a file.
    fn others(&self, conf: &Conf, slot: &Arc<ConnectorSlot>) -> Vec<Arc<ConnectorSlot>> {
        let known = self.slots.values().filter(|other| other.def.endures).cloned();
        let unnamed = embedded(&self.registry, conf)
            .filter(|(_, conn)| !conf.connectors.contains_key(&conn.cname))
            .map(|(def, conn)| Arc::new(ConnectorSlot::new(conn, def)));
        let mut others: Vec<_> = known
            .chain(unnamed)
            .filter(|other| !is_same(&other.conf, &slot.conf) && may_have(other))
            .collect();
        others.sort_by(|one, other| one.conf.cname.cmp(&other.conf.cname));
        others
    }
}

/// The flows that run by themselves, and their sources.
fn served(conf: &Conf) -> impl Iterator<Item = (&FlowConf, &str)> {
    let running = conf.flows.values().filter(|flow| flow.status == Status::Enabled);
    running.filter_map(|flow| Some((flow, flow.source.as_deref()?)))
}

fn is_same(one: &ConnConf, other: &ConnConf) -> bool {
    (&one.engine, &one.addrs, &one.key) == (&other.engine, &other.addrs, &other.key)
}

/// An embedded store without its file has nothing, and looking would make one.
fn may_have(slot: &ConnectorSlot) -> bool {
    (slot.def.embedded)().is_none_or(|default| {
        let addrs = if slot.conf.addrs.is_empty() { &default.addrs } else { &slot.conf.addrs };
        Path::new(addrs).exists()
    })
}

/// The connection that there is, or one for the moment, which waits for no other process.
pub(super) async fn store(slot: &ConnectorSlot) -> Result<Arc<dyn Durable>> {
    let cannot = || format!("connector `{}` keeps nothing", slot.conf.cname);
    if let Ok(connector) = slot.connected() {
        return Ok(connector.durable().ok_or_else(cannot)?);
    }
    let own = ConnectorSlot::new(slot.conf.clone(), slot.def.attached());
    timeout(PATIENCE, own.connect()).await??;
    Ok(own.connected()?.durable().ok_or_else(cannot)?)
}

async fn has_one<'a>(
    slot: &ConnectorSlot,
    flows: &[(&'a FlowConf, &str)],
) -> Result<Vec<&'a FlowConf>> {
    let store = store(slot).await?;
    let mut found = Vec::new();
    for (flow, source) in flows {
        if has_position(&*store, source, &flow.flow_name).await? {
            found.push(*flow);
        }
    }
    Ok(found)
}

fn problem(flow: &FlowConf, slot: &ConnectorSlot, other: &ConnectorSlot) -> String {
    let (flow, to, from) = (&flow.flow_name, &slot.conf.cname, &other.conf.cname);
    format!(
        "flow `{flow}` would be read from its start: the store `{to}` has no position of it, and `{from}` (type {}) has one; carry it over by `positions copy --from {from} --to {to}`, or begin anew by `positions reset {flow} --to start`",
        other.conf.engine
    )
}
