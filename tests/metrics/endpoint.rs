//! [`Endpoint`]: flows whose metrics are served.

use std::{fs, net::TcpListener, sync::Arc};

use kisflow::{LoadError, Result, prelude::*};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::{
    FLOWS,
    serving::{self, Script, Tape},
};

/// Flows whose metrics are served.
pub(crate) struct Endpoint {
    pub(crate) flows: Flows,
    pub(crate) begun: Arc<Notify>,
    pub(crate) serve: u16,
    /// The conf, and what could not be processed.
    _dir: TempDir,
}

impl Endpoint {
    /// All flows; the source of the one that has one comes to its end.
    pub(crate) async fn start() -> Self {
        Self::with(Script::Ends).await
    }

    pub(crate) async fn with(script: Script) -> Self {
        loop {
            let begun = Arc::new(Notify::new());
            let registry = Registry::linked()
                .exporter(Prometheus::new())
                .version("1.2.3")
                .connector::<Redb>()
                .source::<Tape>()
                .state(begun.clone());
            let serve = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let dir = TempDir::new().unwrap();
            let served = serving::conf(script, &dir.path().join("kept.redb"));
            fs::write(dir.path().join("served.yml"), served).unwrap();
            let global = global(true, &format!("127.0.0.1:{serve}"));
            let global = format!("{global}grace_ms: 10\nquarantine: {{ cname: kept }}\n");
            match load_in(&dir, &global, registry).await {
                Ok(flows) => return Self { flows, begun, serve, _dir: dir },
                // Another process has taken the port in the meantime.
                Err(error) if error.is_exporter() => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

pub(crate) fn registry() -> Registry {
    Registry::linked().exporter(Prometheus::new()).state(Arc::new(Notify::new()))
}

/// The global conf, in KisFlow's words.
pub(crate) fn global(listen: bool, serve: &str) -> String {
    format!(
        "kistype: global\nprometheus_enable: true\nprometheus_listen: {listen}\nprometheus_serve: \"{serve}\"\n"
    )
}

/// The flows that are run by hand.
pub(crate) async fn load(global: &str, registry: Registry) -> Result<Flows, LoadError> {
    load_in(&TempDir::new().unwrap(), global, registry).await
}

async fn load_in(dir: &TempDir, global: &str, registry: Registry) -> Result<Flows, LoadError> {
    fs::write(dir.path().join("flows.yml"), FLOWS).unwrap();
    fs::write(dir.path().join("kis-flow.yml"), global).unwrap();
    registry.load(dir.path()).await
}
