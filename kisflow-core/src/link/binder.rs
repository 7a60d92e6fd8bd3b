//! [`Link`]: what a function sees of the conf and the registry while it is linked.

use std::{
    any::{Any, type_name},
    collections::BTreeSet,
    fmt,
    sync::Arc,
};

use serde::de::DeserializeOwned;

use super::connectors::Connectors;
use crate::{
    caas::{CaasCall, signature},
    conf::{ConnConf, FlowConf, FunctionConf, Problem, RawParams, SourceConf, nearest, suggest},
    connector::ConnectorSlot,
    registry::Registry,
};

/// The length up to which a name resembles too many others to suggest it.
const LONGEST_SHORT: usize = 4;

/// One function at one place of one flow, while it is linked.
pub struct Link<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) flow: &'a FlowConf,
    pub(crate) step: usize,
    pub(crate) function: &'a FunctionConf,
    /// The function's default params, overlaid by the flow's.
    pub(crate) params: &'a RawParams,
    pub(crate) connectors: &'a Connectors,
    /// The connector of the storage logic that is being bound: its own parameters take that one.
    pub(crate) of_caas: Option<Arc<ConnectorSlot>>,
    /// The name of the parameter that is being bound.
    pub(crate) parameter: Option<String>,
    pub(crate) problems: &'a mut Vec<Problem>,
    /// The names of the map `option.cname` that parameters took.
    pub(crate) taken: BTreeSet<String>,
    /// Whether the function asks for something that a stub cannot provide.
    pub(crate) left_out: bool,
}

impl fmt::Debug for Link<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Link")
            .field("flow", &self.flow.flow_name)
            .field("function", &self.function.fname)
            .field("parameter", &self.parameter)
            .finish_non_exhaustive()
    }
}

impl Link<'_> {
    /// Returns the flow's name.
    #[must_use]
    pub fn flow(&self) -> &str {
        &self.flow.flow_name
    }

    /// Returns the function's name.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.function.fname
    }

    /// Returns all params of the function.
    #[must_use]
    pub fn raw_params(&self) -> &RawParams {
        self.params
    }

    /// Reports a problem with the function at this place.
    pub fn problem(&mut self, message: impl Into<String>) {
        let path = format!("flows[{}].fname", self.step);
        let message = format!("function `{}`: {}", self.function.fname, message.into());
        self.problems.push(self.flow.origin.problem(
            format!("flow `{}`", self.flow.flow_name),
            &path,
            message,
        ));
    }

    /// Reports a problem with a param, at the line that sets it.
    pub fn param_problem(&mut self, name: &str, message: impl Into<String>) {
        let key = name.split(['.', '[']).next().unwrap_or_default();
        let of_flow =
            self.flow.flows.get(self.step).is_some_and(|step| step.params.contains_key(key));
        let message = format!("function `{}`: {}", self.function.fname, message.into());
        self.problems.push(if of_flow {
            let path = format!("flows[{}].params.{name}", self.step);
            self.flow.origin.problem(format!("flow `{}`", self.flow.flow_name), &path, message)
        } else {
            let path = if name.is_empty() {
                "option.default_params".to_owned()
            } else {
                format!("option.default_params.{name}")
            };
            self.function.origin.problem(
                format!("function `{}`", self.function.fname),
                &path,
                message,
            )
        });
    }

    /// Reads all params as one type; `None` after reporting what does not fit.
    pub fn params<T: DeserializeOwned>(&mut self) -> Option<T> {
        match typed(self.params) {
            Ok(params) => Some(params),
            Err(problems) => {
                for (name, message) in problems {
                    self.param_problem(&name, message);
                }
                None
            }
        }
    }

    /// Reads a required param.
    pub fn param<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.optional_param(name)?;
        if value.is_none() {
            let near = suggest(
                name,
                self.params
                    .keys()
                    .map(String::as_str)
                    .filter(|key| nearest(name, [*key]).is_some()),
            );
            self.param_problem(name, format!("the param `{name}` is required{near}"));
        }
        value
    }

    /// Reads an optional param: `Some(None)` if it is missing, `None` if it does not fit.
    ///
    /// KisFlow's params are all text: a text gets that of the file, a number the number in the
    /// text.
    pub fn optional_param<T: DeserializeOwned>(&mut self, name: &str) -> Option<Option<T>> {
        let Some(value) = self.params.read_one(name) else {
            let slip = self
                .params
                .keys()
                .find(|key| name.len() > LONGEST_SHORT && nearest(key, [name]).is_some())
                .cloned();
            return match slip {
                Some(slip) => {
                    self.param_problem(&slip, format!("unknown param; did you mean \"{name}\"?"));
                    None
                }
                None => Some(None),
            };
        };
        match value {
            Ok(value) => Some(Some(value)),
            Err(error) => {
                let message = format!("the param `{name}` does not fit: {error}");
                self.param_problem(name, message);
                None
            }
        }
    }

    /// Reports every param that is not one of `known`, except typos that
    /// [`optional_param`](Self::optional_param) reports.
    pub(crate) fn only_params(&mut self, known: &[&str]) {
        let params = self.params;
        for name in params.keys().filter(|name| !known.contains(&name.as_str())) {
            let near = nearest(name, known.iter().copied());
            if near.is_none_or(|near| near.len() <= LONGEST_SHORT) {
                self.param_problem(name, unknown(near, known));
            }
        }
    }

    /// Returns the value of type `T` that the program gave the registry.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let state: Arc<dyn Any + Send + Sync> =
            self.registry.state.get(&std::any::TypeId::of::<T>())?.clone();
        state.downcast().ok()
    }

    /// Returns the `#[caas]` of the function's connector that takes `&A` and replies `R`.
    pub(crate) fn caas<A: ?Sized + 'static, R: 'static>(
        &mut self,
    ) -> Option<Arc<dyn CaasCall<A, R>>> {
        let connector = self.connector()?;
        let (cname, fname) = (connector.conf.cname.as_str(), self.function.fname.as_str());
        let Some(def) = self
            .registry
            .caas
            .iter()
            .find(|def| def.connector == cname && def.function == fname)
            .copied()
        else {
            let others = self
                .registry
                .caas
                .iter()
                .filter(|def| def.function == fname)
                .map(|def| def.connector);
            let hint = suggest(cname, others);
            self.problem(format!(
                "no `#[caas]` is registered for connector `{cname}` and this function{hint}"
            ));
            return None;
        };
        self.of_caas = Some(connector.clone());
        let bound = (def.bind)(self);
        self.of_caas = None;
        let bound = bound?;
        let Ok(caas) = bound.downcast::<Arc<dyn CaasCall<A, R>>>() else {
            let (wanted, found) = (signature::<A, R>(), (def.signature)());
            self.problem(format!(
                "it calls its `#[caas]` as `{wanted}`, and the one at {} is `{found}`",
                def.place
            ));
            return None;
        };
        Some(*caas)
    }
}

/// A param that does not fit: its path, and why.
pub(crate) type Misfit = (String, String);

/// The params of a connector as one type, or each problem with its path.
pub(crate) fn connector_params<T: DeserializeOwned>(conf: &ConnConf) -> Result<T, Vec<Misfit>> {
    typed(&conf.params).map_err(below_params)
}

/// The params of a source as one type, or each problem with its path. Nothing else reads them: one
/// that the type does not know is a mistake.
pub(crate) fn source_params<T: DeserializeOwned>(conf: &SourceConf) -> Result<T, Vec<Misfit>> {
    let (params, known) = typed_of_known(&conf.params);
    let params = params.map_err(below_params);
    // A type that does not say what it knows (a map) takes anything.
    let strange =
        conf.params.keys().filter(|name| !known.is_empty() && !known.contains(&name.as_str()));
    let strange: Vec<Misfit> = strange
        .map(|name| {
            (format!("params.{name}"), unknown(nearest(name, known.iter().copied()), known))
        })
        .collect();
    match (params, strange.is_empty()) {
        (Ok(params), true) => Ok(params),
        (Ok(_), false) => Err(strange),
        (Err(mut problems), _) => {
            for misfit in strange {
                if !problems.iter().any(|(path, _)| *path == misfit.0) {
                    problems.push(misfit);
                }
            }
            Err(problems)
        }
    }
}

fn below_params(problems: Vec<Misfit>) -> Vec<Misfit> {
    let below = |(name, message): Misfit| {
        (if name.is_empty() { "params".to_owned() } else { format!("params.{name}") }, message)
    };
    problems.into_iter().map(below).collect()
}

/// The message of a param that a type does not know.
fn unknown(near: Option<&str>, known: &[&str]) -> String {
    let near = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    format!("unknown param{near}{}", listed(known))
}

/// `; known: …`, all of them: a user who has only the program finds them nowhere else.
fn listed(known: &[&str]) -> String {
    if known.is_empty() { String::new() } else { format!("; known: {}", known.join(", ")) }
}

/// Params as `T`, or each problem with its param. A param that `T` does not know is accepted,
/// unless it looks like a typo of one that is missing.
fn typed<T: DeserializeOwned>(params: &RawParams) -> Result<T, Vec<Misfit>> {
    typed_of_known(params).0
}

/// Params as `T`, and the params that `T` knows, if it says so.
fn typed_of_known<T: DeserializeOwned>(
    params: &RawParams,
) -> (Result<T, Vec<Misfit>>, &'static [&'static str]) {
    let (read, known) = params.read_known::<T>();
    let absent = || known.iter().copied().filter(|name| !params.contains_key(name));
    let mut problems: Vec<Misfit> = params
        .keys()
        .filter(|name| !known.contains(&name.as_str()))
        .filter_map(|name| {
            let near = nearest(name, absent())?;
            Some((name.clone(), unknown(Some(near), known)))
        })
        .collect();
    match read {
        Ok(params) if problems.is_empty() => return (Ok(params), known),
        Ok(_) => {}
        Err(error) => {
            let name = type_name::<T>();
            let mut message = format!("the params do not fit `{name}`: {}", error.message);
            if message.contains("missing field") && error.path.is_empty() {
                message += &listed(known);
            }
            problems.push((error.path, message));
        }
    }
    (Err(problems), known)
}
