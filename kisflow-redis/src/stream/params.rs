//! [`RedisStreamParams`]: `params` of a source of type `redis_stream`.

use std::time::Duration;

use kisflow_core::{Secret, SourceConf, Start, error_chain};
use serde::Deserialize;

use super::id::EntryId;
use crate::{
    connect::Redis,
    params::{RedisMode, RedisParams},
};

/// The longest lease: a week. What is given back is marked as if it had lain idle
/// for so long, so that every reader may take it.
pub(super) const LONGEST_LEASE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The shortest lease: less than that passes while rows are on their way.
const SHORTEST_LEASE: Duration = Duration::from_millis(10);

/// `params` of a source of type `redis_stream`; all of them may be left out.
///
/// ```
/// use kisflow_core::SourceConf;
///
/// let conf = SourceConf::new("orders", "redis_stream")
///     .addrs("127.0.0.1:6379")
///     .key("orders")
///     .param("password_env", "ORDERS_PASSWORD")
///     .param("lease_ms", 10_000);
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RedisStreamParams {
    /// Which field of an entry holds the row, as JSON (default: `row` or `data` where an entry has
    /// that field alone; otherwise all fields of the entry are one JSON object, where a value is what
    /// it looks like, as in CSV).
    ///
    /// `"*"` says that it is always all fields. An entry that has no field of the name becomes a row
    /// of all its fields, so that it is seen where rows are that cannot be read.
    pub field: Option<String>,
    /// How long rows are a reader's own without a word of it (default 30 s, from 10 ms to a
    /// week). The engine renews it while rows are worked on; rows of a reader that died are taken
    /// over when it has passed. It ought to be the same for all readers of a group.
    #[serde(rename = "lease_ms", with = "kisflow_core::millis")]
    pub lease: Duration,
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
    /// How long connecting may take at the start, until it is an error; and each later attempt
    /// (default 5 s).
    #[serde(rename = "connect_timeout_ms", with = "kisflow_core::millis")]
    pub connect_timeout: Duration,
    /// How long an answer may take, and in an outage how long a read or an acknowledgement waits for
    /// the connection to come back (default 5 s).
    #[serde(rename = "command_timeout_ms", with = "kisflow_core::millis")]
    pub command_timeout: Duration,
    /// The pause before the first attempt to reconnect (default 50 ms); it doubles each
    /// time.
    #[serde(rename = "reconnect_ms", with = "kisflow_core::millis")]
    pub reconnect: Duration,
    /// The longest pause between two attempts to reconnect (default 5 s).
    #[serde(rename = "reconnect_max_ms", with = "kisflow_core::millis")]
    pub reconnect_max: Duration,
    /// Whether to speak TLS (default false), as [`RedisParams::tls`].
    pub tls: bool,
    /// A PEM file with certificates of further authorities to trust.
    pub tls_ca: Option<String>,
}

impl Default for RedisStreamParams {
    fn default() -> Self {
        let connection = RedisParams::default();
        Self {
            field: None,
            lease: Duration::from_secs(30),
            mode: None,
            service: None,
            username: None,
            password: None,
            password_env: None,
            sentinel_username: None,
            sentinel_password: None,
            sentinel_password_env: None,
            database: connection.database,
            connect_timeout: connection.connect_timeout,
            command_timeout: connection.command_timeout,
            reconnect: connection.reconnect,
            reconnect_max: connection.reconnect_max,
            tls: connection.tls,
            tls_ca: None,
        }
    }
}

impl RedisStreamParams {
    /// What a connector would be told: one connection, which never gives up.
    pub(super) fn connection(&self) -> RedisParams {
        RedisParams {
            mode: self.mode,
            service: self.service.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            password_env: self.password_env.clone(),
            sentinel_username: self.sentinel_username.clone(),
            sentinel_password: self.sentinel_password.clone(),
            sentinel_password_env: self.sentinel_password_env.clone(),
            database: self.database,
            pool: 1,
            connect_timeout: self.connect_timeout,
            command_timeout: self.command_timeout,
            reconnect: self.reconnect,
            reconnect_max: self.reconnect_max,
            reconnect_attempts: 0,
            ttl: None,
            tls: self.tls,
            tls_ca: self.tls_ca.clone(),
        }
    }

    /// What of the conf is wrong in itself, before anybody is asked: the path of each key, and why.
    pub(super) fn misfits(&self, conf: &SourceConf) -> Vec<(String, String)> {
        let mut misfits = Redis::misfits(&conf.addrs, &self.connection());
        let mut wrong = |path: &str, why: String| misfits.push((path.to_owned(), why));
        if conf.key.is_empty() {
            wrong(
                "key",
                "`key` is empty; expected the name of a stream, such as `orders`".to_owned(),
            );
        }
        if let Start::After(position) = &conf.start
            && let Err(error) = position.parse::<EntryId>()
        {
            wrong("start", format!("expected earliest, latest, or {}", error_chain(&error)));
        }
        if self.field.as_deref() == Some("") {
            wrong(
                "params.field",
                "`field` is empty; leave it out, or write \"*\" for all fields".to_owned(),
            );
        }
        match self.lease {
            lease if lease < SHORTEST_LEASE => wrong(
                "params.lease_ms",
                format!("`lease_ms` is too short; at least {SHORTEST_LEASE:?} are needed"),
            ),
            lease if lease > LONGEST_LEASE => wrong(
                "params.lease_ms",
                format!("`lease_ms` is {lease:?}; the most is a week, `7d`"),
            ),
            // Rows wait for their batch under their lease.
            lease if conf.batch.wait > lease / 3 => wrong(
                "batch.wait_ms",
                format!(
                    "`wait_ms` is {:?}, and `lease_ms` {lease:?}; a batch may wait for a third of a lease at most",
                    conf.batch.wait
                ),
            ),
            _ => {}
        }
        misfits
    }
}
