//! [`HttpParams`]: `params` of an HTTP source.

use std::time::Duration;

use serde::Deserialize;

/// `params` of an HTTP source, all optional.
///
/// ```
/// use kisflow_core::SourceConf;
///
/// let conf = SourceConf::new("orders", "http")
///     .addrs("0.0.0.0:8080")
///     .key("/orders")
///     .param("token_env", "ORDERS_TOKEN")
///     .param("queue", 16);
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HttpParams {
    /// The largest body, decompressed, from 1 byte to 1 GiB (default 10 MiB).
    pub max_body_bytes: usize,
    /// How many posts may wait beside those in progress, from 1 to 10,000 (default 64); further
    /// ones get 429. A post takes its place when its body is complete.
    pub queue: usize,
    /// How many bytes all posts of this path may hold: those that arrive, wait or are in progress,
    /// with a few bytes for each row (default 64 MiB, or four times `max_body_bytes` if that is
    /// more). While they are used up, posts get 429.
    pub memory_bytes: Option<usize>,
    /// How long a body may take to arrive, and then its rows to be done, at least 1 ms
    /// (default 30 s).
    #[serde(rename = "timeout_ms", with = "kisflow_core::millis")]
    pub timeout: Duration,
    /// How long a client may pause between two pieces of a body, at least 1 ms (default
    /// 5 s).
    #[serde(rename = "idle_ms", with = "kisflow_core::millis")]
    pub idle: Duration,
    /// The minimum average rate of a body in bytes per second, once `idle_ms` has passed, from 1
    /// (default 256).
    pub min_bytes_per_second: u64,
    /// How long the idempotency key of a done post is remembered (default 10 min); 0
    /// disables it.
    #[serde(rename = "idempotency_ms", with = "kisflow_core::millis")]
    pub idempotency: Duration,
    /// How many idempotency keys of done posts are remembered, up to 1,000,000 (default 10,000);
    /// the oldest are dropped first.
    pub idempotency_keys: usize,
    /// The environment variable with the bearer token that every post must have (default: no
    /// token).
    pub token_env: Option<String>,
    /// Whether to speak TLS (default: if `tls_cert` is set). Sources at one address must agree on
    /// it.
    pub tls: Option<bool>,
    /// A PEM file with the server's certificate, and the intermediate ones.
    pub tls_cert: Option<String>,
    /// A PEM file with the private key of the certificate.
    pub tls_key: Option<String>,
}

impl Default for HttpParams {
    fn default() -> Self {
        Self {
            max_body_bytes: 10 << 20,
            queue: 64,
            memory_bytes: None,
            timeout: Duration::from_secs(30),
            idle: Duration::from_secs(5),
            min_bytes_per_second: 256,
            idempotency: Duration::from_secs(600),
            idempotency_keys: 10_000,
            token_env: None,
            tls: None,
            tls_cert: None,
            tls_key: None,
        }
    }
}

impl HttpParams {
    /// Returns the bytes that all posts may hold.
    pub(crate) fn memory(&self) -> usize {
        const LEAST: usize = 64 << 20;
        self.memory_bytes.unwrap_or(self.max_body_bytes.saturating_mul(4).max(LEAST))
    }
}
