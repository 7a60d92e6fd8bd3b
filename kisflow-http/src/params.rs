//! [`HttpParams`]: `params` of an HTTP source.

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
    /// told to come again (429).
    pub queue: usize,
    /// How long a body may take to arrive, and then its rows to be done, from 1 (milliseconds,
    /// default 30,000).
    pub timeout_ms: u64,
    /// The environment variable that holds the bearer token which every post must bring (default:
    /// none is wanted).
    pub token_env: Option<String>,
}

impl Default for HttpParams {
    fn default() -> Self {
        Self { max_body_bytes: 10 << 20, queue: 64, timeout_ms: 30_000, token_env: None }
    }
}
