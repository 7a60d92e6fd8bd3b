//! [`HttpParams`]: `params` of an HTTP source.

use std::time::Duration;

use serde::Deserialize;

/// `params` of an HTTP source; all of them may be left out.
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
    /// How many posts wait beside those that are worked on, from 1 to 10,000 (default 64); more are
    /// told to come again (429). A post takes its place when its body is complete.
    pub queue: usize,
    /// How many bytes all posts of this path may hold, those that arrive, wait and are worked on,
    /// with a few bytes for each row (default 64 MiB, or four times `max_body_bytes` where that is
    /// more). While they are used up, posts are told to come again (429).
    pub memory_bytes: Option<usize>,
    /// How long a body may take to arrive, and then its rows to be done, at least 1 ms
    /// (default 30 s).
    #[serde(rename = "timeout_ms", with = "kisflow_core::millis")]
    pub timeout: Duration,
    /// How long a client may take from one piece of a body to the next, at least 1 ms
    /// (default 5 s).
    #[serde(rename = "idle_ms", with = "kisflow_core::millis")]
    pub idle: Duration,
    /// How many bytes of a body must come in a second, on the average and once `idle_ms` has passed,
    /// from 1 (default 256).
    pub min_bytes_per_second: u64,
    /// How long an idempotency key is remembered whose rows are done (default 10 min);
    /// 0 is not at all.
    #[serde(rename = "idempotency_ms", with = "kisflow_core::millis")]
    pub idempotency: Duration,
    /// How many idempotency keys whose rows are done are remembered, up to 1,000,000 (default
    /// 10,000); the oldest are forgotten first.
    pub idempotency_keys: usize,
    /// The environment variable that holds the bearer token which every post must bring (default:
    /// none is wanted).
    pub token_env: Option<String>,
    /// Whether to speak TLS (default: where `tls_cert` is set). Sources at one address agree on it.
    pub tls: Option<bool>,
    /// A PEM file with the server's certificate, and those between it and its authority.
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
    /// The bytes that all posts may hold.
    pub(crate) fn memory(&self) -> usize {
        const LEAST: usize = 64 << 20;
        self.memory_bytes.unwrap_or(self.max_body_bytes.saturating_mul(4).max(LEAST))
    }
}
