//! [`Redis`]: a pool of connections, made within a bounded time or not at all.

use std::{fmt, time::Duration};

use fred::{
    clients::{Client, Pool},
    error::{Error as FredError, ErrorKind},
    interfaces::ClientLike,
    types::{ConnectHandle, config::Options},
};
use kisflow_core::{AsStorage, ConnConf, Connector, Result, error_chain};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    address::{Address, addresses},
    config::Settings,
    error::RedisError,
    params::RedisParams,
};

/// `type: redis`: connections to a server, a cluster, or the master that sentinels name.
///
/// For functions with a `Store` it keeps records, each as a hash. Functions with a
/// `Conn<'_, Redis>` speak to Redis themselves, see [`client`](Self::client).
///
/// When the connection is lost it is made again, with growing pauses. Meanwhile a batch waits for it
/// up to `command_timeout_ms` and then fails; a batch that was on its way fails at once. Nothing is
/// sent a second time unless the function's conf says `retry_times`.
///
/// Dropping it closes the connections, those of clones of the client too.
pub struct Redis {
    /// The addresses, for messages.
    pub(crate) place: String,
    pub(crate) pool: Pool,
    /// What drives the connection of each client of the pool.
    tasks: Vec<Task>,
    pub(crate) options: Options,
    pub(crate) command_timeout: Duration,
    pub(crate) ttl: Option<Duration>,
}

/// A task that ends with its owner.
struct Task(ConnectHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Redis {
    /// fred's own pool of clients: whatever Redis can do, by fred's traits.
    ///
    /// A command fails after `command_timeout_ms`, and one whose connection is lost is not sent
    /// again. Commands that block (`BLPOP`, `XREAD BLOCK`) need a client of their own, which
    /// [`ClientLike::client_config`] helps to make: other functions share these connections.
    ///
    /// The crate switches on fred's hashes, keys, server and client commands. For more, depend on
    /// `fred` and switch on its features: cargo builds one fred with all of them.
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
    pub fn client(&self) -> &Pool {
        &self.pool
    }

    /// What of the conf is wrong in itself, before anybody is asked.
    pub(crate) fn misfits(addrs: &str, params: &RedisParams) -> Vec<(String, String)> {
        let wrong = |path: &str, error: RedisError| {
            vec![(path.to_owned(), error_chain(&error).to_string())]
        };
        match addresses(addrs) {
            Err(error) => wrong("addrs", error),
            Ok(addresses) => match Settings::new(&addresses, params) {
                Err(error) => wrong("params", error),
                Ok(_) => Vec::new(),
            },
        }
    }

    async fn open(addrs: &str, params: &RedisParams) -> Result<Self, RedisError> {
        let addresses = addresses(addrs)?;
        let place = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let Settings { config, performance, connection, reconnect } =
            Settings::new(&addresses, params)?;
        let refused = |cause| RedisError::connect(&place, params.database, cause);
        let pool =
            Pool::new(config, Some(performance), Some(connection), Some(reconnect), params.pool)
                .map_err(refused)?;
        let limit = Duration::from_millis(params.connect_timeout_ms);
        let tasks =
            connect(&pool, addresses.first(), limit).await.map_err(|failure| match failure {
                Failure::Timeout { accepted } => {
                    RedisError::connect_timeout(&place, accepted, limit)
                }
                Failure::Refused(cause) => refused(cause),
            })?;
        let command_timeout = Duration::from_millis(params.command_timeout_ms);
        let options = Options {
            max_attempts: Some(1),
            timeout: Some(command_timeout),
            // `Redis::ready` has waited for the connection: a batch never stands in a queue for one.
            fail_fast: true,
            ..Options::default()
        };
        Ok(Self {
            place,
            pool,
            tasks,
            options,
            command_timeout,
            ttl: params.ttl_ms.map(Duration::from_millis),
        })
    }

    /// A client with a connection. Waits for one up to `command_timeout_ms`.
    pub(crate) async fn ready(&self) -> Result<&Client, RedisError> {
        let end = Instant::now() + self.command_timeout;
        let mut pause = Duration::from_millis(2);
        loop {
            let client = self.pool.next_connected();
            if client.is_connected() {
                return Ok(client);
            }
            let gave_up = self.tasks.iter().all(|task| task.0.is_finished());
            if gave_up || Instant::now() >= end {
                return Err(RedisError::away(&self.place, self.command_timeout, gave_up));
            }
            sleep_until(end.min(Instant::now() + pause)).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

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
        Ok(Self::open(&conf.addrs, &params).await?)
    }

    fn storage() -> Option<AsStorage<Self>> {
        Some(|redis| redis)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Redis")
            .field("addrs", &self.place)
            .field("pool", &self.pool.size())
            .finish_non_exhaustive()
    }
}

enum Failure {
    Timeout { accepted: bool },
    Refused(FredError),
}

/// Connects every client of the pool; all or none.
async fn connect(
    pool: &Pool,
    first: Option<&Address>,
    limit: Duration,
) -> Result<Vec<Task>, Failure> {
    let mut tasks: Vec<Task> = pool.clients().iter().map(|client| Task(client.connect())).collect();
    within(limit, first, all_connected(pool, &mut tasks)).await?;
    Ok(tasks)
}

async fn all_connected(pool: &Pool, tasks: &mut [Task]) -> Result<(), FredError> {
    for (client, task) in pool.clients().iter().zip(tasks) {
        connected(client, &mut task.0).await?;
    }
    Ok(())
}

/// Bounds `connecting`, and finds out meanwhile what the server does if not answer.
async fn within(
    limit: Duration,
    first: Option<&Address>,
    connecting: impl Future<Output = Result<(), FredError>>,
) -> Result<(), Failure> {
    let deadline = Instant::now() + limit;
    let mut connecting = std::pin::pin!(connecting);
    let mut probe = std::pin::pin!(probe(first, limit / 2));
    let mut accepted = None;
    loop {
        tokio::select! {
            biased;
            done = &mut connecting => return match done {
                Err(error) if *error.kind() == ErrorKind::Timeout => Err(Failure::Timeout { accepted: accepted == Some(true) }),
                done => done.map_err(Failure::Refused),
            },
            answer = &mut probe, if accepted.is_none() => accepted = Some(answer),
            () = sleep_until(deadline) => return Err(Failure::Timeout { accepted: accepted == Some(true) }),
        }
    }
}

/// Waits until a client is connected or its task has ended. fred's own `init` would leave the task
/// running when the wait is cut short.
async fn connected(client: &Client, task: &mut ConnectHandle) -> Result<(), FredError> {
    let mut pause = Duration::from_millis(1);
    loop {
        if client.is_connected() {
            return Ok(());
        }
        if let Ok(ended) = timeout(pause, &mut *task).await {
            let over = || {
                FredError::new(ErrorKind::Unknown, "the connection ended as soon as it was made")
            };
            return Err(ended
                .map_err(FredError::from)
                .and_then(|result| result)
                .err()
                .unwrap_or_else(over));
        }
        pause = (pause * 2).min(Duration::from_millis(16));
    }
}

/// Whether a server that has not answered for a while accepts connections at all: the difference
/// between a wrong address and a server that hangs. Only a slow start pays for it.
async fn probe(address: Option<&Address>, patience: Duration) -> bool {
    sleep(patience).await;
    let Some(Address { host, port }) = address else { return false };
    TcpStream::connect((host.as_str(), *port)).await.is_ok()
}
