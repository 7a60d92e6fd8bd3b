//! What can be said of a conf before any function is bound: whether its names stand for something.

use std::collections::{HashMap, HashSet};

use crate::{
    conf::{Conf, ConnConf, FunctionConf, Mode, Origin, Problem, suggest},
    connector::no_private,
    registry::Registry,
    row::MUST_LIMIT,
};

/// The connector of each function, by `fname`; every name that stands for nothing is a problem.
pub(crate) fn check(
    registry: &Registry,
    conf: &Conf,
    problems: &mut Vec<Problem>,
) -> HashMap<String, String> {
    problems.extend(conf.repeated.iter().cloned());
    twice(registry, problems);
    conf.connectors.values().for_each(|conn| engine(registry, conn, problems));
    let connectors = connectors(conf, problems);
    for function in conf.functions.values() {
        let must: HashSet<&String> = function.source.must.iter().collect();
        if must.len() > MUST_LIMIT {
            let message = format!("{} fields; the limit is {MUST_LIMIT}", must.len());
            problems.push(of_function(function, "source.must", message));
        }
        let mode = function.fmode;
        if matches!(mode, Mode::Save | Mode::Load) && !connectors.contains_key(&function.fname) {
            let message = format!(
                "a function with `fmode: {}` needs a connector: set `option.cname`, or name the function in the connector's `{}` list",
                mode.as_str(),
                mode.as_str().to_lowercase()
            );
            problems.push(of_function(function, "option.cname", message));
        }
    }
    global(registry, conf, problems);
    connectors
}

/// One name for two functions, or two `#[caas]` for one place: both are cited.
fn twice(registry: &Registry, problems: &mut Vec<Problem>) {
    for (index, def) in registry.functions.iter().enumerate() {
        if let Some(first) =
            registry.functions.iter().take(index).find(|first| first.name == def.name)
        {
            let message = format!(
                "two functions are named \"{}\": at {} and at {}; rename one",
                def.name, first.place, def.place
            );
            problems.push(Origin::Code.problem("registry", "function", message));
        }
    }
    for (index, def) in registry.caas.iter().enumerate() {
        let same = |first: &&crate::caas::CaasDef| {
            first.connector == def.connector && first.function == def.function
        };
        if let Some(first) = registry.caas.iter().take(index).find(same) {
            let message = format!(
                "two `#[caas]` serve connector \"{}\" and function \"{}\": at {} and at {}",
                def.connector, def.function, first.place, def.place
            );
            problems.push(Origin::Code.problem("registry", "caas", message));
        }
    }
}

fn engine(registry: &Registry, conn: &ConnConf, problems: &mut Vec<Problem>) {
    match registry.connectors.iter().find(|def| def.engine == conn.engine) {
        Some(def) => {
            problems.extend(
                (def.check)(conn)
                    .into_iter()
                    .map(|(path, message)| of_connector(conn, &path, message)),
            );
            if conn.test.is_some() && def.private.is_none() {
                let message = format!(
                    "{}; leave `test` out, and a memory takes the connector's place",
                    no_private(&conn.engine)
                );
                problems.push(of_connector(conn, "test", message));
            }
        }
        None => {
            let known = suggest(&conn.engine, registry.connectors.iter().map(|def| def.engine));
            let message = format!(
                "no connector of type \"{}\" is registered{known}; register it with `.connector::<…>()`",
                conn.engine
            );
            problems.push(of_connector(conn, "type", message));
        }
    }
}

/// The connector of each function: its own `cname`, or the connector whose lists name it.
fn connectors(conf: &Conf, problems: &mut Vec<Problem>) -> HashMap<String, String> {
    let mut connectors = HashMap::new();
    for function in conf.functions.values() {
        let Some(cname) = &function.option.cname else { continue };
        if conf.connectors.contains_key(cname) {
            connectors.insert(function.fname.clone(), cname.clone());
        } else {
            let hint = suggest(cname, conf.connectors.keys().map(String::as_str));
            problems.push(of_function(
                function,
                "option.cname",
                format!("no connector is named \"{cname}\"{hint}"),
            ));
            // It has a connector, if a wrong one: one mistake, one message.
            connectors.insert(function.fname.clone(), cname.clone());
        }
    }
    for conn in conf.connectors.values() {
        for (list, mode, fnames) in
            [("load", Mode::Load, &conn.load), ("save", Mode::Save, &conn.save)]
        {
            for (index, fname) in fnames.iter().enumerate() {
                let path = format!("{list}[{index}]");
                let Some(function) = conf.functions.get(fname) else {
                    let hint = suggest(fname, conf.functions.keys().map(String::as_str));
                    problems.push(of_connector(
                        conn,
                        &path,
                        format!("no function is named \"{fname}\"{hint}"),
                    ));
                    continue;
                };
                if function.fmode != mode {
                    let message = format!(
                        "function `{fname}` has `fmode: {}` ({}) and stands in the `{list}` list",
                        function.fmode.as_str(),
                        function.origin.cite("fmode")
                    );
                    problems.push(of_connector(conn, &path, message));
                }
                match connectors.get(fname) {
                    Some(other) if *other != conn.cname => {
                        let message = format!(
                            "function `{fname}` uses connector `{other}`, not this one; drop it from the list"
                        );
                        problems.push(of_connector(conn, &path, message));
                    }
                    _ => {
                        connectors.insert(fname.clone(), conn.cname.clone());
                    }
                }
            }
        }
    }
    connectors
}

fn global(registry: &Registry, conf: &Conf, problems: &mut Vec<Problem>) {
    let global = &conf.global;
    if !global.prometheus_enable {
        return;
    }
    if registry.exporter.is_none() {
        let message = "nothing here keeps metrics for Prometheus; give the registry an exporter: `.exporter(Prometheus::new())`";
        problems.push(global.origin.problem("global", "prometheus_enable", message));
    }
    let port =
        global.prometheus_serve.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if global.prometheus_listen && port.is_none() {
        let message = format!(
            "\"{}\" is no address to listen on; expected host:port, such as 0.0.0.0:20004",
            global.prometheus_serve
        );
        problems.push(global.origin.problem("global", "prometheus_serve", message));
    }
}

fn of_function(function: &FunctionConf, path: &str, message: impl Into<String>) -> Problem {
    function.origin.problem(format!("function `{}`", function.fname), path, message)
}

fn of_connector(conn: &ConnConf, path: &str, message: impl Into<String>) -> Problem {
    conn.origin.problem(format!("connector `{}`", conn.cname), path, message)
}
