//! What can be said of sources and of the quarantine before anything is opened.

use std::{collections::HashMap, sync::Arc};

use crate::{
    conf::{Conf, ConnConf, FlowConf, GlobalConf, Guarantee, Problem, SourceConf, Status, suggest},
    connector::{ConnectorDef, ConnectorSlot},
    registry::Registry,
    source::Redelivery,
};

/// Checks every source, and every flow that names one.
pub(super) fn check_sources(registry: &Registry, conf: &Conf, problems: &mut Vec<Problem>) {
    for source in conf.sources.values() {
        match registry.sources.iter().find(|def| def.engine == source.engine) {
            Some(def) => problems.extend(
                (def.check)(source)
                    .into_iter()
                    .map(|(path, message)| of_source(source, &path, message)),
            ),
            None => {
                let known = suggest(&source.engine, registry.sources.iter().map(|def| def.engine));
                let message = format!(
                    "no source of type \"{}\" is registered{known}; register it with `.source::<…>()`",
                    source.engine
                );
                problems.push(of_source(source, "type", message));
            }
        }
        let positive = [
            ("batch.rows", u64::from(source.batch.rows)),
            ("in_flight", u64::from(source.in_flight)),
            ("in_flight_bytes", source.in_flight_bytes),
        ];
        for (path, value) in positive {
            if value == 0 {
                problems.push(of_source(source, path, "expected a whole number from 1, found `0`"));
            }
        }
    }
    for flow in conf.flows.values().filter(|flow| flow.guarantee == Guarantee::ExactlyOnce) {
        let message = match (&flow.source, is_keyed(flow, conf)) {
            (None, _) => {
                "only rows of a source are redelivered; name the flow's `source`, or leave `guarantee` out"
            }
            (_, false) => {
                "no function of the flow keeps state, and what its functions do elsewhere happens at least once; leave `guarantee` out, or count in a function that keeps state (`option.key`)"
            }
            (Some(_), true) => continue,
        };
        problems.push(of_flow_at(flow, "guarantee", message));
    }
    // Two flows of one group would each get a part of the rows.
    let mut groups: HashMap<&str, &FlowConf> = HashMap::new();
    for flow in conf.flows.values() {
        let Some(sname) = &flow.source else { continue };
        let Some(source) = conf.sources.get(sname) else {
            let known = suggest(sname, conf.sources.keys().map(String::as_str));
            problems.push(of_flow(flow, format!("no source is named \"{sname}\"{known}")));
            continue;
        };
        if flow.guarantee == Guarantee::ExactlyOnce {
            let def = registry.sources.iter().find(|def| def.engine == source.engine);
            let redelivery = def.and_then(|def| (def.redelivery)(source));
            if let Some(Redelivery::Unrecognized(why)) = redelivery {
                let message = format!(
                    "source `{sname}` {why}; leave `guarantee` out, or take another source"
                );
                problems.push(of_flow_at(flow, "guarantee", message));
            }
        }
        if flow.status == Status::Disabled || source.group.is_empty() {
            continue;
        }
        if let Some(first) = groups.insert(sname, flow) {
            let message = format!(
                "flow `{}` ({}) reads source `{sname}` in group \"{}\" as well, so that each flow would get a part of the rows; leave `group` out of the source, and each flow reads all of them",
                first.flow_name,
                first.origin.cite("source"),
                source.group
            );
            problems.push(of_flow(flow, message));
        }
    }
}

/// The connector that keeps quarantine and positions, if anybody needs it.
pub(super) fn durable(
    registry: &Registry,
    conf: &Conf,
    slots: &HashMap<String, Arc<ConnectorSlot>>,
    problems: &mut Vec<Problem>,
) -> Option<Arc<ConnectorSlot>> {
    let global = &conf.global;
    if let Some(cname) = &global.quarantine.cname {
        let Some(conn) = conf.connectors.get(cname) else {
            let known = suggest(cname, conf.connectors.keys().map(String::as_str));
            problems.push(of_global(global, format!("no connector is named \"{cname}\"{known}")));
            return None;
        };
        // An unregistered type has been reported.
        let slot = slots.get(cname)?;
        if !slot.def.endures {
            let types = registry.connectors.iter().filter(|def| def.endures).map(|def| def.engine);
            let types: Vec<&str> = types.collect();
            let message = format!(
                "connector `{cname}` has `type: {}`, which does not outlive the process; types that do: {}",
                conn.engine,
                if types.is_empty() { "none is registered".to_owned() } else { types.join(", ") }
            );
            problems.push(of_global(global, message));
            return None;
        }
        return Some(slot.clone());
    }
    let mut running = conf.flows.values().filter(|flow| flow.status == Status::Enabled);
    // With stubs, states are in memory.
    let flow =
        running.find(|flow| flow.source.is_some() || !registry.stubs && is_keyed(flow, conf))?;
    let Some((def, embedded)) = embedded(registry, conf) else {
        let way_out = "register an embedded store (`.connector::<Redb>()`), or name a connector that outlives the process as `quarantine.cname` of the global conf";
        problems.push(match flow.source {
            Some(_) => {
                of_flow(flow, format!("nothing keeps the rows that cannot be processed; {way_out}"))
            }
            None => flow.origin.problem(
                format!("flow `{}`", flow.flow_name),
                "flows",
                format!("nothing keeps the states of its functions; {way_out}"),
            ),
        });
        return None;
    };
    // A stub keeps nothing.
    let same = slots.get(&embedded.cname).filter(|slot| slot.def.engine == def.engine);
    Some(same.cloned().unwrap_or_else(|| Arc::new(ConnectorSlot::new(embedded, def))))
}

impl Registry {
    /// Returns the connector that keeps the quarantine of a conf: the one that its global conf
    /// names; otherwise, if a flow has a source, the embedded store, by a name that is free in the
    /// conf, or that of the connector with the same address. `None` if there is none.
    ///
    /// For tools that look at a quarantine without the flows: a conf that names this connector as
    /// [`QuarantineConf::cname`](crate::QuarantineConf::cname) has the same quarantine when its flows
    /// are disabled.
    #[must_use]
    pub fn quarantine_conn(&self, conf: &Conf) -> Option<ConnConf> {
        if let Some(cname) = &conf.global.quarantine.cname {
            return conf.connectors.get(cname).cloned();
        }
        let served = conf.flows.values().any(|flow| flow.source.is_some());
        served.then(|| embedded(self, conf)).flatten().map(|(_, embedded)| embedded)
    }
}

impl Registry {
    /// The embedded store that keeps quarantine and positions of a conf which names no connector for
    /// them, if one is registered.
    #[must_use]
    pub fn embedded_conn(&self, conf: &Conf) -> Option<ConnConf> {
        embedded(self, conf).map(|(_, conn)| conn)
    }

    /// Returns whether a connector is of an embedded store, which one process at a time can open.
    #[must_use]
    pub fn is_embedded(&self, conn: &ConnConf) -> bool {
        let def = self.connectors.iter().find(|def| def.engine == conn.engine);
        def.is_some_and(|def| (def.embedded)().is_some())
    }
}

/// The store that needs no server, if one is registered, as a connector of this conf.
pub(super) fn embedded(registry: &Registry, conf: &Conf) -> Option<(ConnectorDef, ConnConf)> {
    let embedded = registry.connectors.iter().filter(|def| def.endures);
    let mut embedded = embedded.filter_map(|def| Some((*def, (def.embedded)()?)));
    let (def, mut embedded) = embedded.next_back()?;
    // One that the conf has with the same address is the same one.
    let same = |conn: &&ConnConf| conn.engine == def.engine && conn.addrs == embedded.addrs;
    if let Some(same) = conf.connectors.values().find(same) {
        return Some((def, same.clone()));
    }
    while conf.connectors.contains_key(&embedded.cname) {
        embedded.cname.push('_');
    }
    Some((def, embedded))
}

fn of_source(source: &SourceConf, path: &str, message: impl Into<String>) -> Problem {
    source.origin.problem(format!("source `{}`", source.sname), path, message)
}

fn of_flow(flow: &FlowConf, message: impl Into<String>) -> Problem {
    of_flow_at(flow, "source", message)
}

fn of_flow_at(flow: &FlowConf, path: &str, message: impl Into<String>) -> Problem {
    flow.origin.problem(format!("flow `{}`", flow.flow_name), path, message)
}

/// Whether a function of the flow keeps state, as the conf says.
pub(crate) fn is_keyed(flow: &FlowConf, conf: &Conf) -> bool {
    let mut functions = flow.flows.iter().filter_map(|step| conf.functions.get(&step.fname));
    functions.any(|function| !function.option.key.is_empty())
}

fn of_global(global: &GlobalConf, message: impl Into<String>) -> Problem {
    global.origin.problem("global", "quarantine.cname", message)
}
