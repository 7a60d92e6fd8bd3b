//! [`Prometheus`]: keeps metrics, and serves them if the global conf says so.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, OnceLock},
    time::Duration,
};

use kisflow_core::{Exporter, GlobalConf, Health, Result};
use metrics::Recorder;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{task::AbortHandle, time::sleep};

use crate::{
    endpoint::router,
    error::{Kind, PrometheusError},
    server,
};

/// The upper bounds of the histograms, in seconds: a function of one row takes microseconds, one
/// that waits for a record minutes.
const SECONDS: [f64; 14] =
    [1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0];

/// How often histograms are folded into their buckets without a scrape.
const UPKEEP: Duration = Duration::from_secs(5);

/// Keeps metrics for Prometheus, and serves them over HTTP together with [`Health`] if the global
/// conf says so. The endpoint closes when the last of the flows is dropped.
///
/// The metrics of your own code (`metrics::counter!` …) are kept beside those of kisflow, unless
/// the program has installed its own recorder before.
#[derive(Debug, Default)]
pub struct Prometheus {
    started: OnceLock<Started>,
}

#[derive(Debug)]
struct Started {
    handle: PrometheusHandle,
    /// Dropped with the exporter, whether it is ever read or not.
    _tasks: Tasks,
}

impl Prometheus {
    /// Creates an exporter that has not started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Exporter for Prometheus {
    /// Starts to keep metrics. If the conf says so, the port is open when this returns.
    ///
    /// # Errors
    ///
    /// A [`PrometheusError`], when the address is not available, or this exporter has started
    /// before.
    fn start(&self, conf: &GlobalConf, health: Health) -> Result<Arc<dyn Recorder + Send + Sync>> {
        Ok(self.begin(conf, health)?)
    }

    fn render(&self) -> String {
        self.started.get().map(|started| started.handle.render()).unwrap_or_default()
    }
}

impl Prometheus {
    fn begin(
        &self,
        conf: &GlobalConf,
        health: Health,
    ) -> Result<Arc<dyn Recorder + Send + Sync>, PrometheusError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .map_err(|source| Kind::Recorder { source })?
            .build_recorder();
        let handle = recorder.handle();
        let mut tasks = Tasks::default();
        if conf.prometheus_listen {
            let address = address(&conf.prometheus_serve)?;
            let listener =
                server::listen(address).map_err(|source| Kind::Bind { address, source })?;
            tasks.spawn(server::serve(listener, router(handle.clone(), health)));
        }
        tasks.spawn(upkeep(handle.clone()));
        // The tasks of one that has started before end here.
        self.started.set(Started { handle, _tasks: tasks }).map_err(|_| Kind::Started)?;
        let recorder = Arc::new(recorder);
        // A program with a recorder of its own keeps it: kisflow's handles do not need the global one.
        drop(metrics::set_global_recorder(recorder.clone()));
        Ok(recorder)
    }
}

async fn upkeep(handle: PrometheusHandle) {
    loop {
        sleep(UPKEEP).await;
        handle.run_upkeep();
    }
}

/// Tasks that end when this is dropped.
#[derive(Debug, Default)]
struct Tasks(Vec<AbortHandle>);

impl Tasks {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push(tokio::spawn(task).abort_handle());
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// The first address to which `host:port` resolves; `:port` is every interface, as in Go.
fn address(serve: &str) -> Result<SocketAddr, PrometheusError> {
    let serve_text = || serve.to_owned();
    let every = format!("0.0.0.0{serve}");
    let host_and_port = if serve.starts_with(':') { &*every } else { serve };
    let mut addresses = host_and_port
        .to_socket_addrs()
        .map_err(|source| Kind::Host { serve: serve_text(), source })?;
    Ok(addresses.next().ok_or_else(|| Kind::NoAddress { serve: serve_text() })?)
}
