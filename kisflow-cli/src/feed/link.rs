//! The flow that is fed, linked alone: nothing is connected that it does not need.

use std::{collections::BTreeMap, path::PathBuf};

use kisflow_core::{Conf, Flow, OnReject, Place, Registry, Status};

use crate::{conf, failure::Failure};

/// The flow that is fed.
pub(super) struct Linked {
    pub(super) flow: Flow,
    /// Where each function is written.
    pub(super) places: BTreeMap<&'static str, Place>,
    /// Functions that a dry run leaves out.
    pub(super) left_out: Vec<String>,
}

/// Links the flow of this name, and connects what its functions use.
///
/// # Errors
///
/// When the conf does not link, there is no such flow or it is disabled, and when a connector cannot
/// connect.
pub(super) async fn link(
    registry: Registry,
    dirs: &[PathBuf],
    name: &str,
    dry_run: bool,
) -> Result<Linked, Failure> {
    let inspection = conf::inspect(registry.clone(), dirs)?;
    let places = inspection.functions.iter().map(|function| (function.name, function.place));
    let places = places.collect();
    if inspection.conf.flows.get(name).is_some_and(|flow| flow.status == Status::Disabled) {
        let message = format!("flow `{name}` is disabled; set its `status` to 1");
        return Err(Failure::Usage(message));
    }
    let registry = if dry_run { registry.stub_connectors() } else { registry };
    let flows = conf::link_beside(registry, alone(conf::aside(inspection.conf), name)).await?;
    // A name that is wrong leaves no flow that would have connected anything.
    let flow = flows.get(name).map_err(Failure::usage)?;
    let left_out = flows.left_out().iter().filter(|(flow, _)| flow == name);
    let left_out = left_out.map(|(_, function)| function.clone()).collect();
    Ok(Linked { flow, places, left_out })
}

/// The conf with this one flow to run. Whoever feeds it reads its rows and keeps those that are
/// rejected: neither its source nor the quarantine is opened, which a service may hold.
fn alone(mut conf: Conf, name: &str) -> Conf {
    conf.global.quarantine.cname = None;
    for flow in conf.flows.values_mut() {
        if flow.flow_name != name {
            flow.status = Status::Disabled;
        }
        flow.source = None;
        flow.on_reject = OnReject::Quarantine;
    }
    conf
}

#[cfg(test)]
mod tests {
    use kisflow_core::{FlowConf, QuarantineConf};

    use super::*;

    #[test]
    fn a_flow_alone_needs_neither_its_source_nor_the_quarantine_nor_other_flows() {
        let mut conf = Conf::new().flow(FlowConf::new("Fed").source("rows"));
        conf = conf.flow(FlowConf::new("Other"));
        conf.global.quarantine = QuarantineConf::on("Store");
        let conf = alone(conf, "Fed");
        let fed = &conf.flows["Fed"];
        assert_eq!((fed.source.as_deref(), fed.status), (None, Status::Enabled));
        assert_eq!(fed.on_reject, OnReject::Quarantine);
        assert_eq!(conf.flows["Other"].status, Status::Disabled);
        assert_eq!(conf.global.quarantine.cname, None);
    }
}
