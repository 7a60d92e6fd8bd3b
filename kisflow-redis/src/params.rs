//! [`RedisParams`]: `params` of a Redis connector.

use std::time::Duration;

use kisflow_core::{Address, Secret};
use serde::Deserialize;

use crate::config::mode;

/// `params` of a Redis connector; all of them may be left out.
///
/// ```
/// use kisflow_core::ConnConf;
///
/// let conf = ConnConf::new("scores", "redis")
///     .addrs("10.0.0.1:7000, 10.0.0.2:7000")
///     .key("stu_")
///     .param("password_env", "SCORES_PASSWORD")
///     .param("command_timeout_ms", 2_000);
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RedisParams {
    /// What stands at the addresses: `single`, `cluster` or `sentinel` (default: `single` for one
    /// address, `cluster` for several).
    pub mode: Option<RedisMode>,
    /// The name that the sentinels know the master by; required with `mode: sentinel`.
    pub service: Option<String>,
    /// The user of Redis' access control (default: Redis' own default user).
    pub username: Option<String>,
    /// The password (default: none). `password_env` keeps it out of the conf.
    pub password: Option<Secret>,
    /// The environment variable that holds the password.
    pub password_env: Option<String>,
    /// The user that the sentinels want, if they want one.
    pub sentinel_username: Option<String>,
    /// The password that the sentinels want, if they want one.
    pub sentinel_password: Option<Secret>,
    /// The environment variable that holds the sentinels' password.
    pub sentinel_password_env: Option<String>,
    /// The database, from 0 (default 0). A cluster has no other.
    pub database: u8,
    /// Connections to each server, at least 1 (default 2). One carries any number of concurrent
    /// batches; more than one lets them be encoded and decoded on several cores.
    pub pool: usize,
    /// How long connecting may take at the start, until it is an error; and each later attempt
    /// (default 5 s).
    #[serde(rename = "connect_timeout_ms", with = "kisflow_core::millis")]
    pub connect_timeout: Duration,
    /// How long the answer to a batch may take, and in an outage how long a batch waits for the
    /// connection to come back (default 5 s). A connection that answers nothing for
    /// so long is closed and made again.
    #[serde(rename = "command_timeout_ms", with = "kisflow_core::millis")]
    pub command_timeout: Duration,
    /// The pause before the first attempt to reconnect (default 50 ms); it doubles each
    /// time.
    #[serde(rename = "reconnect_ms", with = "kisflow_core::millis")]
    pub reconnect: Duration,
    /// The longest pause between two attempts to reconnect (default 5 s).
    #[serde(rename = "reconnect_max_ms", with = "kisflow_core::millis")]
    pub reconnect_max: Duration,
    /// How many attempts to reconnect fail in a row until the connector gives up; 0 is never
    /// (default 0).
    pub reconnect_attempts: u32,
    /// How long a record lives after it was last written (default: forever).
    #[serde(rename = "ttl_ms", with = "kisflow_core::millis::option")]
    pub ttl: Option<Duration>,
    /// Whether to speak TLS (default false). The servers' certificates must be signed by an
    /// authority that this machine trusts, or by that of `tls_ca`, for the host of `addrs`.
    pub tls: bool,
    /// A PEM file with certificates of further authorities to trust.
    pub tls_ca: Option<String>,
}

impl RedisParams {
    /// The params without passwords whose variables are not set.
    pub(crate) fn without_unset(&self, addresses: &[Address]) -> Self {
        let mut params = self.clone();
        let is_unset = |variable: &Option<String>| {
            variable.as_deref().is_some_and(|variable| std::env::var_os(variable).is_none())
        };
        if params.password.is_none() && is_unset(&params.password_env) {
            params.password_env = None;
        }
        if mode(addresses, &params) == RedisMode::Sentinel
            && params.sentinel_password.is_none()
            && is_unset(&params.sentinel_password_env)
        {
            params.sentinel_password_env = None;
        }
        params
    }
}

impl Default for RedisParams {
    fn default() -> Self {
        Self {
            mode: None,
            service: None,
            username: None,
            password: None,
            password_env: None,
            sentinel_username: None,
            sentinel_password: None,
            sentinel_password_env: None,
            database: 0,
            pool: 2,
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(5),
            reconnect: Duration::from_millis(50),
            reconnect_max: Duration::from_secs(5),
            reconnect_attempts: 0,
            ttl: None,
            tls: false,
            tls_ca: None,
        }
    }
}

/// What stands at the addresses of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RedisMode {
    /// One server.
    Single,
    /// Nodes of a cluster; one is enough to find the others.
    Cluster,
    /// Sentinels, which say where the master is.
    Sentinel,
}
