//! A Save or Load that no `#[faas]` claims: meant to have no code, or a function that is not written
//! yet, or one whose name is misspelt.

use super::Linker;
use crate::conf::{FlowConf, Mode, Problem, RawParams, nearest};

/// The params that say what is kept: a function that has one was meant to have no code.
const KEPT: [&str; 2] = ["id", "fields"];

/// The length from which a name is looked at: a shorter one is near to too much.
const SHORTEST: usize = 8;

impl Linker {
    /// The function of the code that `fname` is most likely a slip of: one that the conf does not
    /// name otherwise.
    fn slip_of(&self, fname: &str) -> Option<&'static str> {
        let names = self.registry.functions.iter().map(|def| def.name);
        nearest(fname, names.filter(|name| !self.functions.contains_key(*name)))
    }

    /// The problem of a Save or Load without code whose params do not say what to keep: it was
    /// meant to have code.
    pub(super) fn unported(
        &self,
        flow: &FlowConf,
        step: usize,
        fname: &str,
        params: &RawParams,
    ) -> Option<Problem> {
        if KEPT.iter().any(|name| params.contains_key(name)) {
            return None;
        }
        let hint = match self.slip_of(fname) {
            Some(near) => format!("; did you mean \"{near}\"?"),
            None => format!("; write it and annotate it with `#[faas(\"{fname}\")]`."),
        };
        Some(at(
            flow,
            step,
            format!(
                "no function is named \"{fname}\"{hint} (Without code the connector's own storage would run; it needs the param `id`.)"
            ),
        ))
    }

    /// Reports every Save or Load of a flow that runs without code and has nearly the name of an
    /// unused function. That may be intended: `check` reports it, and the flow runs.
    pub(crate) fn slips(&self, flow: &FlowConf, problems: &mut Vec<Problem>) {
        for (step, place) in flow.flows.iter().enumerate() {
            let fname = place.fname.as_str();
            let Some(conf) = self.functions.get(fname) else { continue };
            let written = self.registry.functions.iter().any(|def| def.name == fname);
            let stores = matches!(conf.fmode, Mode::Save | Mode::Load);
            if written || !stores || fname.len() < SHORTEST {
                continue;
            }
            let params = [&conf.option.default_params, &place.params];
            let kept =
                KEPT.iter().any(|name| params.iter().any(|params| params.contains_key(name)));
            if let (true, Some(near)) = (kept, self.slip_of(fname)) {
                let message = format!(
                    "no function is named \"{fname}\", so the connector's own storage runs; did you mean \"{near}\", which the conf does not use? If not, choose a name that differs more"
                );
                problems.push(at(flow, step, message));
            }
        }
    }
}

fn at(flow: &FlowConf, step: usize, message: String) -> Problem {
    let path = format!("flows[{step}].fname");
    flow.origin.problem(format!("flow `{}`", flow.flow_name), &path, message)
}
