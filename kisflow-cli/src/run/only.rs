//! `run --flow`: some flows of the conf, and nothing of the others.

use kisflow_core::{Inspection, Status};

use crate::failure::Failure;

/// Leaves only the flows of these names to be served; without names all of them.
///
/// # Errors
///
/// When there is no such flow, it is disabled, or it has no source.
pub(super) fn only(inspection: &mut Inspection, names: &[String]) -> Result<(), Failure> {
    for name in names {
        let flow = inspection.flow(name).map_err(Failure::usage)?;
        let place = flow.place();
        if flow.status == Status::Disabled {
            let message = format!("flow `{name}` ({place}) is disabled; set its `status` to 1");
            return Err(Failure::Usage(message));
        }
        if flow.source.is_none() {
            let message = format!("flow `{name}` ({place}) has no `source` to be served from");
            return Err(Failure::Usage(message));
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    for flow in inspection.conf.flows.values_mut() {
        if !names.contains(&flow.flow_name) {
            flow.status = Status::Disabled;
            flow.source = None;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kisflow_core::{Conf, FlowConf, Registry};

    use super::*;

    #[test]
    fn only_the_flows_that_are_named_are_served() {
        let served = |names: &[&str]| {
            let mut inspection = Registry::new().inspect("no/such/directory");
            inspection.conf = Conf::new()
                .flow(FlowConf::new("Orders").source("s"))
                .flow(FlowConf::new("Refunds").source("s"))
                .flow(FlowConf::new("Direct"))
                .flow(FlowConf::new("Off").source("s").status(Status::Disabled));
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            if let Err(Failure::Usage(message)) = only(&mut inspection, &names) {
                return Err(message);
            }
            let flows = inspection.conf.flows.into_values();
            let flows =
                flows.filter(|flow| flow.source.is_some() && flow.status == Status::Enabled);
            Ok::<_, String>(flows.map(|flow| flow.flow_name).collect::<Vec<_>>())
        };
        assert_eq!(served(&[]).unwrap(), ["Orders", "Refunds"]);
        assert_eq!(served(&["Refunds"]).unwrap(), ["Refunds"]);
        assert_eq!(served(&["Refunds", "Orders"]).unwrap(), ["Orders", "Refunds"]);
        let check = |name: &str, expect: &str| assert_eq!(served(&[name]).unwrap_err(), expect);
        check("Order", "no flow is named \"Order\"; did you mean \"Orders\"?");
        check("Off", "flow `Off` (the code) is disabled; set its `status` to 1");
        check("Direct", "flow `Direct` (the code) has no `source` to be served from");
    }
}
