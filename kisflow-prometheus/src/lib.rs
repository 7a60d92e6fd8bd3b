//! The Prometheus endpoint of kisflow.
//!
//! Give the registry a [`Prometheus`]; the global conf says whether it starts and where:
//!
//! ```yaml
//! kistype: global
//! prometheus_enable: true
//! prometheus_listen: true
//! prometheus_serve: 0.0.0.0:20004
//! ```
//!
//! With `prometheus_listen: false` nothing listens, and the program serves
//! `Flows::render_metrics` itself.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, OnceLock},
    time::Duration,
};

use kisflow_core::{BoxError, Exporter, GlobalConf};
use metrics::Recorder;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::task::AbortHandle;

/// The upper bounds of the histograms, in seconds: a function of one row takes microseconds, one
/// that waits for a record minutes.
const SECONDS: [f64; 14] =
    [1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0];

/// How often histograms are folded into their buckets when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Keeps metrics for Prometheus, and serves them over HTTP if the global conf says so; the endpoint
/// closes with the last of the flows.
///
/// The metrics of your own code (`metrics::counter!` …) are kept beside those of kisflow, unless
/// the program has installed a recorder of its own before.
#[derive(Debug, Default)]
pub struct Prometheus {
    started: OnceLock<Started>,
}

#[derive(Debug)]
struct Started {
    handle: PrometheusHandle,
    /// Serves, or folds histograms into their buckets.
    task: AbortHandle,
}

impl Prometheus {
    /// An exporter that has not started.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Exporter for Prometheus {
    fn start(&self, conf: &GlobalConf) -> Result<Arc<dyn Recorder + Send + Sync>, BoxError> {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?;
        let (recorder, task) = if conf.prometheus_listen {
            let address = address(&conf.prometheus_serve)?;
            let cannot =
                |error| format!("cannot listen on {address} (`prometheus_serve`): {error}");
            let (recorder, endpoint) =
                builder.with_http_listener(address).build().map_err(cannot)?;
            (recorder, tokio::spawn(async move { drop(endpoint.await) }))
        } else {
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            let upkeep = async move {
                loop {
                    tokio::time::sleep(UPKEEP).await;
                    handle.run_upkeep();
                }
            };
            (recorder, tokio::spawn(upkeep))
        };
        let started = Started { handle: recorder.handle(), task: task.abort_handle() };
        if self.started.set(started).is_err() {
            task.abort();
            return Err(
                "this exporter has started before; give each registry one of its own".into()
            );
        }
        let recorder = Arc::new(recorder);
        // A program with a recorder of its own keeps it: kisflow's handles do not need the global one.
        drop(metrics::set_global_recorder(recorder.clone()));
        Ok(recorder)
    }

    fn render(&self) -> String {
        self.started.get().map(|started| started.handle.render()).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if let Some(started) = self.started.get() {
            started.task.abort();
        }
    }
}

/// The first address that `host:port` stands for.
fn address(serve: &str) -> Result<SocketAddr, BoxError> {
    let mut addresses = serve
        .to_socket_addrs()
        .map_err(|error| format!("\"{serve}\" (`prometheus_serve`) is no address: {error}"))?;
    Ok(addresses
        .next()
        .ok_or_else(|| format!("\"{serve}\" (`prometheus_serve`) stands for no address"))?)
}
