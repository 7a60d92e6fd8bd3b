//! Binds the functions of flows, one place at a time.

use std::{collections::HashMap, sync::Arc};

use super::{
    Link, LoadError, check,
    sources::{check_sources, durable},
};
use crate::{
    action::Action,
    conf::{Conf, FlowConf, FunctionConf, Mode, Origin, Problem, RawParams, nearest, suggest},
    connector::{ConnectorSlot, bind_unattended},
    error::BoxError,
    function::{Answer, BoundFunction, Call},
    registry::Registry,
};

/// A registry and a conf, ready to bind functions to places in flows.
pub(crate) struct Linker {
    pub(crate) registry: Registry,
    pub(super) functions: HashMap<String, Arc<FunctionConf>>,
    /// The connector of each function.
    pub(crate) connector_of: HashMap<String, String>,
    pub(crate) slots: HashMap<String, Arc<ConnectorSlot>>,
    /// What keeps quarantine and positions, if anything needs it.
    pub(crate) durable: Option<Arc<ConnectorSlot>>,
}

/// A function bound to its place.
pub(crate) struct Prepared {
    pub(crate) conf: Arc<FunctionConf>,
    pub(crate) params: RawParams,
    pub(crate) function: Arc<dyn BoundFunction>,
    pub(crate) is_async: bool,
    /// The fields that every row is scanned for: those of `must` that the row type does not
    /// demand anyway.
    pub(crate) must: Vec<String>,
    pub(crate) connector: Option<Arc<ConnectorSlot>>,
    /// Whether it is not the function itself, which asks for what a stub cannot be.
    pub(crate) left_out: bool,
}

/// In the place of a function that talks to an engine which is only a stub: rows pass.
pub(crate) struct LeftOut;

impl BoundFunction for LeftOut {
    fn call<'a>(&'a self, call: Call<'a>) -> Answer<'a> {
        Answer::action(call, Action::Reuse)
    }
}

impl Linker {
    pub(crate) fn new(registry: Registry, conf: &Conf, problems: &mut Vec<Problem>) -> Self {
        let connector_of = check(&registry, conf, problems);
        let slot = |(cname, conn): (&String, &crate::ConnConf)| {
            let def = registry.connectors.iter().find(|def| def.engine == conn.engine)?;
            let slot = match registry.stubs {
                true => ConnectorSlot::for_test(conn, *def),
                false => ConnectorSlot::new(conn.clone(), *def),
            };
            Some((cname.clone(), Arc::new(slot)))
        };
        let slots = conf.connectors.iter().filter_map(slot).collect();
        check_sources(&registry, conf, problems);
        let durable = durable(&registry, conf, &slots, problems);
        let functions = conf
            .functions
            .iter()
            .map(|(fname, conf)| (fname.clone(), Arc::new(conf.clone())))
            .collect();
        Self { registry, functions, connector_of, slots, durable }
    }

    /// Binds every function of a flow.
    pub(crate) fn flow(&self, flow: &FlowConf, problems: &mut Vec<Problem>) -> Vec<Prepared> {
        if flow.flows.is_empty() {
            let message = "a flow has at least one function";
            problems.push(flow.origin.problem(
                format!("flow `{}`", flow.flow_name),
                "flows",
                message,
            ));
        }
        (0..flow.flows.len()).filter_map(|step| self.step(flow, step, problems)).collect()
    }

    /// Binds the function at one place of a flow; `None` after reporting every reason why not.
    pub(crate) fn step(
        &self,
        flow: &FlowConf,
        step: usize,
        problems: &mut Vec<Problem>,
    ) -> Option<Prepared> {
        let place = flow.flows.get(step)?;
        let fname = place.fname.as_str();
        let written = self.registry.functions.iter().find(|def| def.name == fname);
        let conf = match (self.functions.get(fname), written) {
            (Some(conf), _) => conf.clone(),
            (None, Some(_)) => {
                self.unwritten(flow, step, fname, problems);
                Arc::new(FunctionConf::new(fname, Mode::default()))
            }
            (None, None) => {
                problems.push(self.unknown(flow, step, fname));
                return None;
            }
        };
        let cname = self.connector_of.get(fname);
        let connector = cname.and_then(|cname| self.slots.get(cname));
        if cname.is_some() && connector.is_none() {
            // The connector itself is a problem that has been reported.
            return None;
        }
        let mut params = conf.option.default_params.clone();
        params.extend(place.params.clone());
        for (index, target) in conf.option.jump.iter().enumerate() {
            if !flow.flows.iter().any(|place| place.fname == *target) {
                let hint = suggest(target, flow.flows.iter().map(|place| place.fname.as_str()));
                let message = format!(
                    "flow `{}` has no function \"{target}\" to jump to{hint}",
                    flow.flow_name
                );
                problems.push(conf.origin.problem(
                    format!("function `{fname}`"),
                    &format!("option.jump[{index}]"),
                    message,
                ));
            }
        }
        let before = problems.len();
        let mut link = Link {
            registry: &self.registry,
            flow,
            step,
            function: &conf,
            params: &params,
            connector,
            problems,
            left_out: false,
        };
        let mut function = match (written, conf.fmode) {
            (Some(def), _) => (def.bind)(&mut link),
            (None, Mode::Save | Mode::Load) => match self.unported(flow, step, fname, &params) {
                Some(problem) => {
                    link.problems.push(problem);
                    None
                }
                None => bind_unattended(&mut link, conf.fmode),
            },
            (None, _) => {
                let unknown = self.unknown(flow, step, fname);
                link.problems.push(unknown);
                None
            }
        };
        let left_out = link.left_out && function.is_none();
        if left_out {
            function = Some(Arc::new(LeftOut));
        }
        if function.is_none() && problems.len() == before {
            let message = format!(
                "function `{fname}` did not bind, and did not say why (`Function::bind` returned `None`)"
            );
            problems.push(flow.origin.problem(
                format!("flow `{}`", flow.flow_name),
                &format!("flows[{step}].fname"),
                message,
            ));
        }
        let mut must = conf.source.must.clone();
        if let (false, Some(def)) = (must.is_empty(), written) {
            let required = (def.reads)().map(|fields| fields.required).unwrap_or_default();
            must.retain(|field| !required.contains(&field.as_str()));
        }
        must.sort_unstable();
        must.dedup();
        let is_async = written.is_none_or(|def| def.is_async);
        Some(Prepared {
            left_out,
            function: function?,
            is_async,
            params,
            must,
            connector: connector.cloned(),
            conf,
        })
    }

    /// A flow of a file has a conf for each of its functions, as in KisFlow: without one, a file
    /// that was lost would silently take `must` and retries with it.
    fn unwritten(&self, flow: &FlowConf, step: usize, fname: &str, problems: &mut Vec<Problem>) {
        if matches!(flow.origin, Origin::File(_)) {
            let hint = suggest(
                fname,
                self.functions
                    .keys()
                    .map(String::as_str)
                    .filter(|known| nearest(fname, [*known]).is_some()),
            );
            let message = format!(
                "function \"{fname}\" is in the code, and no file has its conf{hint}; write one with `kistype: func`, `fname: {fname}` and its `fmode`"
            );
            problems.push(flow.origin.problem("flow", &format!("flows[{step}].fname"), message));
        }
    }

    fn unknown(&self, flow: &FlowConf, step: usize, fname: &str) -> Problem {
        let names = || {
            self.registry
                .functions
                .iter()
                .map(|def| def.name)
                .chain(self.functions.keys().map(String::as_str))
        };
        let hint = match nearest(fname, names().filter(|name| *name != fname)) {
            Some(near) => format!("; did you mean \"{near}\"?"),
            None => "; annotate one with `#[faas]`, and if that is done in another crate, name the crate in this program: `use that_crate as _;`".to_owned(),
        };
        let path = format!("flows[{step}].fname");
        flow.origin.problem(
            format!("flow `{}`", flow.flow_name),
            &path,
            format!("no function is named \"{fname}\"{hint}"),
        )
    }

    /// Connects connectors, all at once, each only once.
    pub(crate) async fn connect(
        slots: impl IntoIterator<Item = &Arc<ConnectorSlot>>,
    ) -> Result<Vec<Arc<ConnectorSlot>>, LoadError> {
        let mut distinct: HashMap<&str, Arc<ConnectorSlot>> = HashMap::new();
        for slot in slots {
            distinct.entry(&slot.conf.cname).or_insert_with(|| slot.clone());
        }
        let mut tasks = tokio::task::JoinSet::new();
        let slots: Vec<_> = distinct.into_values().collect();
        for slot in &slots {
            let slot = slot.clone();
            tasks.spawn(async move { (slot.clone(), slot.connect().await) });
        }
        let mut failed: Vec<(String, String, BoxError)> = Vec::new();
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok((_, Ok(()))) => {}
                Ok((slot, Err(cause))) => {
                    failed.push((slot.conf.cname.clone(), slot.conf.addrs.clone(), cause))
                }
                Err(panic) => failed.push(("?".to_owned(), String::new(), Box::new(panic))),
            }
        }
        failed.sort_by(|a, b| a.0.cmp(&b.0));
        if failed.is_empty() { Ok(slots) } else { Err(LoadError::connect(failed)) }
    }
}
