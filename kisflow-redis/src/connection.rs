//! [`Connection`]: clients of one place, connected within a bounded time or not at all.

use std::time::Duration;

use fred::{
    clients::{Client, Pool},
    error::{Error as FredError, ErrorKind},
    interfaces::ClientLike,
    types::{ClusterHash, ConnectHandle, CustomCommand, Value, config::Options},
};
use kisflow_core::Address;
use tokio::{
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    address::addresses,
    client_name::{client_name, name_connections},
    config::Settings,
    error::{RedisError, is_answer},
    params::RedisParams,
    pipeline::Answer,
};

/// Clients of one place, and what drives them. They end with it.
pub(crate) struct Connection {
    /// The addresses, for messages.
    pub(crate) place: String,
    pub(crate) pool: Pool,
    /// What drives the connection of each client of the pool.
    tasks: Vec<Task>,
    /// What names the connections of each client.
    _naming: Vec<Naming>,
    pub(crate) options: Options,
    pub(crate) command_timeout: Duration,
}

/// A task that ends with its owner.
struct Task(ConnectHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A task that names connections; it ends with its owner.
struct Naming(JoinHandle<()>);

impl Drop for Naming {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// Connects `params.pool` clients, within `connect_timeout_ms`, for a connector or source of
    /// the name `owner`.
    ///
    /// # Errors
    ///
    /// When the addresses or params cannot be right, or a server cannot be reached or refuses.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no connection and no task behind.
    pub(crate) async fn open(
        addrs: &str,
        params: &RedisParams,
        owner: &str,
    ) -> Result<Self, RedisError> {
        let addresses = addresses(addrs)?;
        let place = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let Settings { config, performance, connection, reconnect } =
            Settings::new(&addresses, params)?;
        let refused = |cause| RedisError::connect(&place, params.database, cause);
        let pool =
            Pool::new(config, Some(performance), Some(connection), Some(reconnect), params.pool)
                .map_err(refused)?;
        let limit = params.connect_timeout;
        let name = |client: &Client| Naming(name_connections(client, client_name(owner)));
        let naming = pool.clients().iter().map(name).collect();
        let tasks =
            connect_all(&pool, addresses.first(), limit).await.map_err(
                |failure| match failure {
                    Failure::Timeout { accepted } => {
                        RedisError::connect_timeout(&place, accepted, limit)
                    }
                    Failure::Refused(cause) => refused(cause),
                },
            )?;
        let command_timeout = params.command_timeout;
        let options = Options {
            max_attempts: Some(1),
            timeout: Some(command_timeout),
            // `ready` has waited for the connection: a batch never stands in a queue for one.
            fail_fast: true,
            ..Options::default()
        };
        Ok(Self { place, pool, tasks, _naming: naming, options, command_timeout })
    }

    /// A client with a connection. Waits for one up to `command_timeout_ms`.
    pub(crate) async fn ready(&self) -> Result<&Client, RedisError> {
        self.ready_within(self.command_timeout).await
    }

    /// A client with a connection. Waits for one up to `limit`.
    pub(crate) async fn ready_within(&self, limit: Duration) -> Result<&Client, RedisError> {
        let end = Instant::now() + limit;
        let mut pause = Duration::from_millis(2);
        loop {
            let client = self.pool.next_connected();
            if client.is_connected() {
                return Ok(client);
            }
            let gave_up = self.tasks.iter().all(|task| task.0.is_finished());
            if gave_up || Instant::now() >= end {
                return Err(RedisError::away(&self.place, limit, gave_up));
            }
            sleep_until(end.min(Instant::now() + pause)).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// One command. What Redis says to it is an answer, also when it refuses.
    ///
    /// # Errors
    ///
    /// When there is no connection, or it is lost, or the answer does not come in time.
    ///
    /// # Cancel safety
    ///
    /// A command that was sent may be done after the future is dropped.
    pub(crate) async fn ask(
        &self,
        verb: &'static str,
        hash: ClusterHash,
        arguments: Vec<Value>,
    ) -> Result<Answer, RedisError> {
        let client = self.ready().await?.with_options(&self.options);
        let command = CustomCommand::new_static(verb, hash, false);
        match client.custom::<Value, Value>(command, arguments).await {
            Err(cause) if !is_answer(&cause) => {
                Err(RedisError::unanswered(&self.place, self.command_timeout, cause))
            }
            answer => Ok(answer),
        }
    }
}

enum Failure {
    Timeout { accepted: bool },
    Refused(FredError),
}

/// Connects every client of the pool; all or none.
async fn connect_all(
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
