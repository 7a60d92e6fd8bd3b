//! [`Redis`]: the connector, for functions and for the engine.

use std::{fmt, sync::Arc, time::Duration};

use fred::{
    clients::Pool,
    interfaces::ClientLike,
    types::{Value, config::Options},
};
use kisflow_core::{
    AsDurable, AsStorage, ConnConf, Connector, Result, StartPrivate, async_trait, error_chain,
};
use tokio::time::Instant;

use crate::{
    address::addresses, config::Settings, connection::Connection, durable::RedisDurable,
    error::RedisError, params::RedisParams, permission::Denied, private,
};

/// How long `ping` waits for its answer.
const PING: Duration = Duration::from_secs(1);

/// `type: redis`: connections to a server, a cluster, or the master that sentinels name.
///
/// For functions with a `Store` it keeps records, each as a hash. Functions with a
/// `Conn<'_, Redis>` talk to Redis themselves, see [`client`](Self::client).
///
/// It reconnects a lost connection, with growing pauses. Meanwhile a batch waits up to
/// `command_timeout_ms` and then fails; a batch that was already sent fails at once. Nothing is
/// sent a second time unless the function's conf has `retry_times`.
///
/// It can also keep quarantine and the positions of files: see [`durable`](Self#method.durable).
///
/// Dropping it closes the connections, also those of clones of the client, unless quarantine or a
/// source still uses them.
pub struct Redis {
    /// Shared with the result of [`durable`](Connector::durable).
    pub(crate) connection: Arc<Connection>,
    /// The prefix of every key.
    prefix: String,
    pub(crate) ttl: Option<Duration>,
}

impl Redis {
    /// Returns fred's pool of clients: everything that Redis can do, through fred's traits.
    ///
    /// A command fails after `command_timeout_ms`, and is not sent again if its connection is lost.
    /// Commands that block (`BLPOP`, `XREAD BLOCK`) need their own client, which
    /// [`ClientLike::client_config`] helps to create: other functions share these connections.
    ///
    /// This crate enables fred's hashes, keys, server and client commands. For more, depend on
    /// `fred` and enable its features: cargo builds one fred with all of them.
    ///
    /// ```no_run
    /// use kisflow_core::{Conn, Result};
    /// use kisflow_redis::{Redis, fred::prelude::*};
    ///
    /// async fn count(redis: Conn<'_, Redis>) -> Result<i64> {
    ///     redis.client().hset::<(), _, _>("stu_1", [("name", "Ada"), ("class", "7b")]).await?;
    ///     Ok(redis.client().incr("students").await?)
    /// }
    /// ```
    #[must_use]
    pub fn client(&self) -> &Pool {
        &self.connection.pool
    }

    /// Checks the conf without connecting. A variable that is not set is no fault of the conf: only
    /// commands that connect need it.
    pub(crate) fn misfits(addrs: &str, params: &RedisParams) -> Vec<(String, String)> {
        let wrong = |path: &str, error: RedisError| {
            vec![(path.to_owned(), error_chain(&error).to_string())]
        };
        match addresses(addrs) {
            Err(error) => wrong("addrs", error),
            Ok(addresses) => match Settings::new(&addresses, &params.without_unset(&addresses)) {
                Err(error) => wrong("params", error),
                Ok(_) => Vec::new(),
            },
        }
    }
}

#[async_trait]
impl Connector for Redis {
    const TYPE: &'static str = "redis";
    type Params = RedisParams;

    fn check(conf: &ConnConf, params: &RedisParams) -> Vec<(String, String)> {
        Self::misfits(&conf.addrs, params)
    }

    /// # Errors
    ///
    /// When the addresses or params cannot be right; when a server refuses the connection, the
    /// password or the database, or does not answer within `connect_timeout_ms`. The error is a
    /// [`RedisError`] that names the addresses.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future, as a failure does, leaves no connection and no task behind.
    async fn connect(conf: &ConnConf, params: RedisParams) -> Result<Self> {
        let connection = Arc::new(Connection::open(&conf.addrs, &params, &conf.cname).await?);
        let ttl = params.ttl;
        Ok(Self { connection, prefix: conf.key.clone(), ttl })
    }

    fn storage() -> Option<AsStorage<Self>> {
        Some(|redis| redis)
    }

    /// Keeps entries under the connector's `key`, in three keys for each space:
    /// `<key>{kisflow}:<space>:index`, `:values` and `:bytes`. All of them are in one slot of a
    /// cluster, because a write to several spaces is atomic.
    ///
    /// They are as durable as Redis' own persistence: with `appendonly yes` and
    /// `appendfsync always` a write is on disk when it returns; with `everysec` a crash of the
    /// machine loses up to a second, with snapshots what came after the last one, and with neither
    /// everything. A server that evicts keys (`maxmemory-policy allkeys-…`) loses entries as well.
    fn durable() -> Option<AsDurable<Self>> {
        Some(|redis| Arc::new(RedisDurable::new(redis.connection.clone(), &redis.prefix)))
    }

    /// Starts a private `redis-server`, on a free port of this machine and without persistence. It
    /// ends with the process, however that ends.
    ///
    /// # Errors
    ///
    /// When no directory of `PATH` has `redis-server`, or it does not start.
    fn private() -> Option<StartPrivate<Self>> {
        Some(|conf, params| Box::pin(private::start(conf, params)))
    }

    /// Sends one `PING`, which must be answered within a second.
    ///
    /// # Errors
    ///
    /// When no server is connected, or none answers.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    async fn ping(&self) -> Result<()> {
        let connection = &self.connection;
        let limit = connection.command_timeout.min(PING);
        let end = Instant::now() + limit;
        let client = connection.ready_within(limit).await?;
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let options = Options { timeout: Some(left), ..connection.options.clone() };
        match client.with_options(&options).ping::<Value>(None).await {
            // A server that refuses the ping of this user answers as well.
            Err(cause) if Denied::read(&cause, "PING").is_none() => {
                Err(RedisError::unanswered(&connection.place, limit, cause).into())
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Redis")
            .field("addrs", &self.connection.place)
            .field("pool", &self.connection.pool.size())
            .finish_non_exhaustive()
    }
}
