//! The flow that is fed, linked alone: nothing is connected that it does not need.

use std::{collections::BTreeMap, path::PathBuf};

use kisflow_core::{Conf, Flow, GivenFile, OnReject, Place, Problem, Registry, Status};

use super::{FeedArgs, no_given};
use crate::{conf, failure::Failure, given};

/// The flow that is fed.
pub(super) struct Linked {
    pub(super) flow: Flow,
    /// Where each function is written.
    pub(super) places: BTreeMap<&'static str, Place>,
    /// Functions that a dry run leaves out.
    pub(super) left_out: Vec<String>,
}

/// Links the flow that is fed, connects what its functions use, and puts the records there that are
/// given.
///
/// # Errors
///
/// When the conf does not link, there is no such flow or it is disabled, when a connector cannot
/// connect, and when the records are those of another connector or do not fit.
pub(super) async fn link(
    registry: Registry,
    dirs: &[PathBuf],
    args: &FeedArgs,
    given: Option<&GivenFile>,
) -> Result<Linked, Failure> {
    let name = args.flow.as_str();
    let inspection = conf::inspect(registry.clone(), dirs)?;
    let places = inspection.functions.iter().map(|function| (function.name, function.place));
    let places = places.collect();
    if inspection.conf.flows.get(name).is_some_and(|flow| flow.status == Status::Disabled) {
        let message = format!("flow `{name}` is disabled; set its `status` to 1");
        return Err(Failure::Usage(message));
    }
    if let Some(given) = given {
        let unknown = given::unknown(&inspection.conf, &given.records);
        let unknown = unknown.map(|(cname, message)| at(given, cname, message));
        match unknown.collect::<Vec<_>>().as_slice() {
            [] => {}
            problems => return Err(no_given(args, problems)),
        }
    }
    let registry = if args.dry_run { registry.stub_connectors() } else { registry };
    let flows = conf::link_beside(registry, alone(conf::aside(inspection.conf), name)).await?;
    // A name that is wrong leaves no flow that would have connected anything.
    let flow = flows.get(name).map_err(Failure::usage)?;
    if let Some(given) = given {
        let put = given::put(&flows, &given.records, &format!("flow `{name}`")).await;
        put.map_err(|(cname, message)| no_given(args, &[at(given, cname, message)]))?;
    }
    let left_out = flows.left_out().iter().filter(|(flow, _)| flow == name);
    let left_out = left_out.map(|(_, function)| function.clone()).collect();
    Ok(Linked { flow, places, left_out })
}

/// A problem with the records of a connector.
fn at(given: &GivenFile, cname: &str, message: String) -> Problem {
    given.problem(&format!("records.{cname}"), message)
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
