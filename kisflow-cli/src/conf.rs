//! Reading and linking the conf, for commands.

use std::{collections::BTreeMap, path::PathBuf};

use kisflow_core::{Conf, ConnConf, Flows, Inspection, LoadError, Registry, error_chain};

use crate::{failure::Failure, problem, text::one_line};

/// Looks at the conf, and fails with every problem that it has.
pub(crate) fn inspect(registry: Registry, dirs: &[PathBuf]) -> Result<Inspection, Failure> {
    let inspection = registry.inspect_all(dirs);
    match inspection.problems.as_slice() {
        [] => Ok(inspection),
        problems => Err(Failure::Usage(problem::render_all(problems))),
    }
}

/// Connects every connector of the conf, also those that no flow uses. Why some cannot be, by name.
pub(crate) async fn away(registry: &Registry, conf: &Conf) -> BTreeMap<String, String> {
    let registry = registry.clone().attach_connectors();
    let mut away = BTreeMap::new();
    for conn in conf.connectors.values() {
        if let Err(why) = registry.ping(conn).await {
            away.insert(conn.cname.clone(), one_line(&error_chain(&*why).to_string()));
        }
    }
    away
}

/// The conf for a command that is not the service itself: it must not take the service's port.
pub(crate) fn aside(mut conf: Conf) -> Conf {
    conf.global.prometheus_enable = false;
    conf
}

/// Links and connects beside a service, which may have a store to itself.
pub(crate) async fn link_beside(registry: Registry, conf: Conf) -> Result<Flows, Failure> {
    link(registry.attach_connectors(), conf).await
}

/// The connector of a function: the one that it names, or the one that names it.
pub(crate) fn connector_of<'a>(conf: &'a Conf, fname: &str) -> Option<&'a ConnConf> {
    let named = conf.functions.get(fname).and_then(|function| function.option.cname.as_ref());
    let lists = |conn: &&ConnConf| conn.load.iter().chain(&conn.save).any(|name| name == fname);
    match named {
        Some(cname) => conf.connectors.get(cname),
        None => conf.connectors.values().find(lists),
    }
}

/// How a function that is left out can run: its connector is only a memory.
pub(crate) fn how_to_keep(registry: &Registry, conf: &Conf, fname: &str) -> String {
    let Some(conn) = connector_of(conf, fname) else { return "test it in Rust".to_owned() };
    let (cname, engine) = (one_line(&conn.cname), one_line(&conn.engine));
    match registry.has_private(&conn.engine) {
        true => format!(
            "write `test: {{{engine}: private}}` into connector `{cname}`, which starts an engine for each test, or test it in Rust"
        ),
        false => {
            format!("connectors of `type: {engine}` start no private engine, so test it in Rust")
        }
    }
}

/// Links and connects.
pub(crate) async fn link(registry: Registry, conf: Conf) -> Result<Flows, Failure> {
    registry.link(conf).await.map_err(|error: LoadError| match error.is_conf() {
        true => Failure::Usage(problem::render_all(error.problems())),
        false => Failure::because(&error),
    })
}
