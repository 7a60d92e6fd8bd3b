//! Binds the functions of flows, one place at a time.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    ConnectorNames, Connectors, Link, LoadError, NotConnected, check,
    sources::{check_sources, durable},
};
use crate::{
    action::Action,
    conf::{
        Conf, FlowConf, FunctionConf, GlobalConf, Mode, MustCheck, Origin, Problem, RawParams,
        RowDefaults, Status, nearest, suggest,
    },
    connector::{ConnectorSlot, bind_unattended},
    error::BoxError,
    function::{Answer, BoundFunction, Call},
    registry::Registry,
    row::Must,
};

/// A registry and a conf, ready to bind functions to places in flows.
pub(crate) struct Linker {
    pub(crate) registry: Registry,
    pub(super) functions: HashMap<String, Arc<FunctionConf>>,
    /// Functions that are in flows of which none runs: what they lack was not reported.
    idle: HashSet<String>,
    /// The connectors of each function that has any.
    pub(crate) connectors_of: HashMap<String, ConnectorNames>,
    pub(crate) slots: HashMap<String, Arc<ConnectorSlot>>,
    /// What fields are that a row lacks, where a flow does not say.
    row_defaults: RowDefaults,
    /// What happens to rows that lack a field of `must`, for functions without a setting of their own.
    must: MustCheck,
    /// What keeps quarantine and positions, if anything needs it.
    pub(crate) durable: Option<Arc<ConnectorSlot>>,
}

/// A function bound to its place.
pub(crate) struct Prepared {
    pub(crate) conf: Arc<FunctionConf>,
    pub(crate) params: RawParams,
    pub(crate) function: Arc<dyn BoundFunction>,
    pub(crate) is_async: bool,
    /// The fields that every row must have.
    pub(crate) must: Must,
    pub(crate) row_defaults: RowDefaults,
    /// Each once.
    pub(crate) connectors: Vec<Arc<ConnectorSlot>>,
    /// Whether it is not the function itself, which asks for what a stub cannot be.
    pub(crate) left_out: bool,
    /// Whether it keeps state for the keys of its rows.
    pub(crate) is_keyed: bool,
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
        let connectors_of = check(&registry, conf, problems);
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
        let idle = conf.in_use().idle().into_iter().map(str::to_owned).collect();
        let GlobalConf { row_defaults, must, .. } = conf.global;
        Self { registry, functions, idle, connectors_of, slots, row_defaults, must, durable }
    }

    /// Binds every function of a flow that may be unfinished: one with `status: 0` does not run, so
    /// that what is wrong with it is noted, and it is linked without functions.
    pub(crate) fn flow_or_note(
        &self,
        flow: &FlowConf,
        problems: &mut Vec<Problem>,
        notes: &mut Vec<Problem>,
    ) -> Vec<Prepared> {
        if flow.status == Status::Enabled {
            return self.flow(flow, problems);
        }
        let before = notes.len();
        let prepared = self.flow(flow, notes);
        let is_whole = notes.len() == before && prepared.len() == flow.flows.len();
        if is_whole { prepared } else { Vec::new() }
    }

    /// Secrets that are not set, of all that is about to connect or run.
    pub(crate) fn unset(&self, conf: &Conf) -> Vec<Problem> {
        let mut origins = vec![&conf.global.origin];
        let mut connectors: Vec<&str> = Vec::new();
        for flow in conf.flows.values().filter(|flow| flow.status == Status::Enabled) {
            origins.push(&flow.origin);
            let source = flow.source.as_ref().and_then(|sname| conf.sources.get(sname));
            origins.extend(source.map(|source| &source.origin));
            for step in &flow.flows {
                let function = conf.functions.get(&step.fname);
                origins.extend(function.map(|function| &function.origin));
                let names = self.connectors_of.get(&step.fname);
                connectors.extend(names.into_iter().flat_map(ConnectorNames::distinct));
            }
        }
        connectors.extend(self.durable.as_ref().map(|slot| slot.conf.cname.as_str()));
        let connectors = connectors.into_iter().filter_map(|cname| conf.connectors.get(cname));
        origins.extend(connectors.map(|conn| &conn.origin));
        origins.into_iter().flat_map(Origin::unset).cloned().collect()
    }

    /// Binds every function of a flow.
    pub(crate) fn flow(&self, flow: &FlowConf, problems: &mut Vec<Problem>) -> Vec<Prepared> {
        if flow.flows.is_empty() {
            let message =
                "a flow has at least one function; add one, or set `status: 0` until there is one";
            problems.push(flow.origin.problem(
                format!("flow `{}`", flow.flow_name),
                "flows",
                message,
            ));
        }
        (0..flow.flows.len()).filter_map(|step| self.step(flow, step, problems)).collect()
    }

    /// Returns the connector that a function lacks which no flow of the conf runs; for all others it
    /// has been reported.
    fn missing(&self, flow: &FlowConf, step: usize, names: &ConnectorNames) -> Option<Problem> {
        let fname = &flow.flows.get(step)?.fname;
        if flow.status == Status::Enabled && !self.idle.contains(fname) {
            return None;
        }
        let names = names.distinct();
        let gone = names.into_iter().find(|cname| !self.slots.contains_key(*cname))?;
        let message = format!(
            "the function uses connector `{gone}`, which is not there or of a type that nobody registered"
        );
        let subject = format!("flow `{}`", flow.flow_name);
        Some(flow.origin.problem(subject, &format!("flows[{step}].fname"), message))
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
        let connectors = match self.connectors_of.get(fname) {
            Some(names) => match Connectors::new(names, |cname| self.slots.get(cname)) {
                Some(connectors) => connectors,
                None => {
                    problems.extend(self.missing(flow, step, names));
                    return None;
                }
            },
            None => Connectors::default(),
        };
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
            connectors: &connectors,
            of_caas: None,
            parameter: None,
            taken: BTreeSet::new(),
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
        if function.is_some() {
            link.left_over();
        }
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
        let is_async = written.is_none_or(|def| def.is_async);
        let row_defaults = flow.row_defaults.unwrap_or(self.row_defaults);
        let is_keyed = written.is_some_and(|def| def.is_keyed);
        self.check_state(flow, step, &conf, is_keyed, problems);
        Some(Prepared {
            is_keyed: is_keyed && !left_out,
            left_out,
            function: function?,
            is_async,
            params,
            must: Must::new(&conf, conf.option.must.unwrap_or(self.must), row_defaults),
            row_defaults,
            connectors: connectors.distinct(),
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
        let mut of_task = HashMap::new();
        for slot in &slots {
            let connecting = slot.clone();
            let task = tasks.spawn(async move { connecting.connect().await });
            of_task.insert(task.id(), slot);
        }
        let mut failed: Vec<NotConnected> = Vec::new();
        while let Some(done) = tasks.join_next_with_id().await {
            let (task, cause, panicked): (_, BoxError, _) = match done {
                Ok((_, Ok(()))) => continue,
                Ok((task, Err(cause))) => (task, cause, false),
                Err(error) => (error.id(), panic_message(error).into(), true),
            };
            let Some(slot) = of_task.get(&task) else { continue };
            let (cname, addrs) = (slot.conf.cname.clone(), slot.conf.addrs.clone());
            failed.push(NotConnected { cname, addrs, cause, panicked });
        }
        failed.sort_by(|a, b| a.cname.cmp(&b.cname));
        if failed.is_empty() { Ok(slots) } else { Err(LoadError::connect(failed)) }
    }
}

/// What a task panicked with.
fn panic_message(error: tokio::task::JoinError) -> String {
    let told = error.to_string();
    match error.try_into_panic() {
        Ok(panic) => match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (_, Some(text)) => text.clone(),
            _ => "for no reason that it gave".to_owned(),
        },
        Err(_) => told,
    }
}
