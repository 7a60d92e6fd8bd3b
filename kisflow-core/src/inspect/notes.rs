//! Findings about a conf that prevent nothing.

use crate::{
    conf::{Conf, FlowConf, Guarantee, Origin, Problem, RawParams, is_secret},
    link::is_keyed,
    registry::Registry,
    source::Redelivery,
};

/// The notes on a conf.
pub(super) fn of(registry: &Registry, conf: &Conf) -> Vec<Problem> {
    let mut notes = Vec::new();
    for piece in pieces(conf) {
        notes.extend(piece.origin.unset().iter().cloned());
        params(registry, &piece, &piece.path, piece.params, &mut notes);
    }
    let in_use = conf.in_use();
    for conn in conf.connectors.values() {
        let known = registry.connectors.iter().any(|def| def.engine == conn.engine);
        if !known && !in_use.has_connector(&conn.cname) {
            let message = match conn.engine.as_str() {
                "" => "the connector has no type; no flow that runs uses it".to_owned(),
                engine => {
                    format!(
                        "no connector of type \"{engine}\" is registered; no flow that runs uses it"
                    )
                }
            };
            let subject = format!("connector `{}`", conn.cname);
            notes.push(conn.origin.problem(subject, "type", message));
        }
    }
    for function in conf.functions.values() {
        if function.option.must.is_some() && function.source.must.is_empty() {
            let message = "it has no effect, because `source.must` names no field";
            let subject = format!("function `{}`", function.fname);
            notes.push(function.origin.problem(subject, "option.must", message));
        }
    }
    notes.extend(conf.flows.values().filter_map(|flow| counts_again(registry, conf, flow)));
    notes
}

/// A flow whose functions keep state, and whose source redelivers rows that nothing recognizes.
fn counts_again(registry: &Registry, conf: &Conf, flow: &FlowConf) -> Option<Problem> {
    let source = conf.sources.get(flow.source.as_ref()?)?;
    if flow.guarantee == Guarantee::ExactlyOnce || !is_keyed(flow, conf) {
        return None;
    }
    let def = registry.sources.iter().find(|def| def.engine == source.engine)?;
    ((def.redelivery)(source)? == Redelivery::Recognized).then(|| {
        let message = format!(
            "a row that source `{}` redelivers after a crash counts again in the states of the flow; `guarantee: exactly_once` prevents it",
            source.sname
        );
        flow.origin.problem(format!("flow `{}`", flow.flow_name), "guarantee", message)
    })
}

/// Params of a piece of conf.
struct Piece<'a> {
    origin: &'a Origin,
    subject: String,
    /// The path of the params.
    path: String,
    params: &'a RawParams,
}

fn pieces(conf: &Conf) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for conn in conf.connectors.values() {
        let subject = format!("connector `{}`", conn.cname);
        let path = "params".to_owned();
        pieces.push(Piece { origin: &conn.origin, subject, path, params: &conn.params });
    }
    for source in conf.sources.values() {
        let subject = format!("source `{}`", source.sname);
        let path = "params".to_owned();
        pieces.push(Piece { origin: &source.origin, subject, path, params: &source.params });
    }
    for function in conf.functions.values() {
        let subject = format!("function `{}`", function.fname);
        let path = "option.default_params".to_owned();
        let params = &function.option.default_params;
        pieces.push(Piece { origin: &function.origin, subject, path, params });
    }
    for flow in conf.flows.values() {
        for (index, step) in flow.flows.iter().enumerate() {
            let subject = format!("flow `{}`", flow.flow_name);
            let path = format!("flows[{index}].params");
            pieces.push(Piece { origin: &flow.origin, subject, path, params: &step.params });
        }
    }
    pieces
}

/// Secrets in the file, and variables of `…_env` that are not set.
fn params(
    registry: &Registry,
    piece: &Piece<'_>,
    path: &str,
    params_of: &RawParams,
    notes: &mut Vec<Problem>,
) {
    for (name, param) in params_of {
        let path = format!("{path}.{name}");
        if let Some(inner) = param.as_map() {
            params(registry, piece, &path, inner, notes);
            continue;
        }
        let Some(text) = param.as_str() else { continue };
        let message = if is_secret(name) && !piece.origin.has_variable(&path) {
            let variable = name.to_uppercase();
            format!("a secret stands in the file; give it by the environment: `${{{variable}}}`")
        } else if name.ends_with("_env") && registry.lookup(text).is_err() {
            format!("the environment variable `{text}` is not set; what connects needs it")
        } else {
            continue;
        };
        if matches!(piece.origin, Origin::File(_)) {
            notes.push(piece.origin.problem(&piece.subject, &path, message));
        }
    }
}
