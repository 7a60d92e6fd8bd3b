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
//! ```text
//! $ curl http://localhost:20004/metrics
//! # HELP kisflow_flow_rows_total Rows of a flow, by what became of them.
//! …
//! $ curl http://localhost:20004/healthz
//! ok
//! $ curl http://localhost:20004/readyz
//! connector `scores`: the connection to redis at 127.0.0.1:6379 is lost
//! ```
//!
//! | path | answer |
//! |---|---|
//! | `/metrics`, `/` | 200, the metrics in the exposition format |
//! | `/healthz` | 200 `ok`, as long as the process serves; otherwise restart it |
//! | `/readyz` | 200 `ready`; or 503 with what keeps the flows from working, one cause per line |
//!
//! With `prometheus_listen: false` nothing listens, and the program serves
//! `Flows::render_metrics` and `Flows::health` itself.
//!
//! | module | what it is |
//! |---|---|
//! | `exporter` | [`Prometheus`]: starts and ends everything |
//! | `endpoint` | the answers |
//! | `server` | the port, and the connections to it |
//! | `error` | [`PrometheusError`] |

mod endpoint;
mod error;
mod exporter;
mod server;

pub use crate::{error::PrometheusError, exporter::Prometheus};
