//! What is answered: metrics, and whether the process lives and works.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use kisflow_core::Health;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::task::spawn_blocking;

/// The exposition format as text.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What answers requests.
pub(crate) fn router(handle: PrometheusHandle, health: Health) -> Router {
    let metrics = get(metrics).with_state(handle);
    Router::new()
        .route("/", metrics.clone())
        .route("/metrics", metrics)
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready).with_state(health))
}

async fn metrics(State(handle): State<PrometheusHandle>) -> Response {
    // Thousands of series take a while: not on a thread that rows are waiting for.
    match spawn_blocking(move || handle.render()).await {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn ready(State(health): State<Health>) -> Response {
    let problems = health.problems();
    if problems.is_empty() {
        return "ready\n".into_response();
    }
    // A cause may have lines of its own.
    let lines = problems.iter().map(|problem| problem.replace(['\r', '\n'], " ") + "\n");
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect::<String>()).into_response()
}
