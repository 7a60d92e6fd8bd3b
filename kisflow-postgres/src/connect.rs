//! [`Postgres`]: the connector, for functions and for the engine.

use std::{fmt, sync::Arc, time::Duration};

use kisflow_core::{
    AsDurable, AsStorage, ConnConf, Connector, Result, StartPrivate, async_trait, error_chain,
};

use crate::{
    address::Address, durable::PostgresDurable, params::PostgresParams, pool::Connections, private,
    storage::Records,
};

/// How long `ping` waits for its answer.
const PING: Duration = Duration::from_secs(1);

/// `type: postgres`: connections to a database of PostgreSQL 12 or later.
///
/// `addrs` is a URL as libpq reads it, without a password: `postgres://user@host:5432/database`.
/// TLS is used with `sslmode=require`, which here always checks the server's certificate and name.
/// Several servers with `target_session_attrs=read-write` are searched for the primary.
///
/// For functions with a `Store` it keeps records. It can also keep quarantine and positions: see
/// [`durable`](Self#method.durable). Both are in tables of their own, in the schema of the param
/// `schema`; the `key` of the conf is the prefix of records only.
///
/// A pooler between them has to pool sessions, because statements are prepared and settings are made
/// for each connection.
///
/// Connections are made when they are needed, and lost ones are replaced by the next call. A call
/// whose connection is lost fails, and is not repeated.
pub struct Postgres {
    /// Shared with the result of [`durable`](Connector::durable).
    connections: Arc<Connections>,
    pub(crate) records: Records,
    durable: Arc<PostgresDurable>,
}

impl Postgres {
    async fn open(conf: &ConnConf, params: &PostgresParams) -> Result<Self> {
        let address = Address::read(&conf.addrs, params, &conf.cname)?;
        let connections = Arc::new(Connections::open(address, params).await?);
        Ok(Self {
            records: Records::new(connections.clone()),
            durable: Arc::new(PostgresDurable::new(connections.clone())),
            connections,
        })
    }
}

#[async_trait]
impl Connector for Postgres {
    const TYPE: &'static str = "postgres";
    type Params = PostgresParams;

    fn check(conf: &ConnConf, params: &PostgresParams) -> Vec<(String, String)> {
        // A variable that is not set is no fault of the conf: only commands that connect need it.
        match Address::read(&conf.addrs, &params.without_unset(), &conf.cname) {
            Ok(_) => Vec::new(),
            Err(error) => {
                let message = error_chain(&error).to_string();
                let path = if message.contains("`addrs`") { "addrs" } else { "params" };
                vec![(path.to_owned(), message)]
            }
        }
    }

    /// # Errors
    ///
    /// When the URL or the params cannot be right; when the server refuses the connection, the user
    /// or the database, or does not answer within `connect_timeout_ms`. The error is a
    /// [`PostgresError`](crate::PostgresError) that names servers and database.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no connection behind.
    async fn connect(conf: &ConnConf, params: PostgresParams) -> Result<Self> {
        Self::open(conf, &params).await
    }

    fn storage() -> Option<AsStorage<Self>> {
        Some(|postgres| postgres)
    }

    /// Keeps entries in the tables `entries`, `counter_shares` and `usage`.
    ///
    /// A commit is one transaction, and as durable as the server's own: with `synchronous_commit`
    /// it is on disk when it returns, and on a synchronous standby if there is one.
    fn durable() -> Option<AsDurable<Self>> {
        Some(|postgres| postgres.durable.clone())
    }

    /// Starts a private server on a free port of this machine, which does not wait for its disk. It
    /// ends with the process, however that ends.
    ///
    /// # Errors
    ///
    /// When the programs `initdb` and `postgres` are neither in a directory of `PATH` nor where
    /// Debian puts them, or the server does not start.
    fn private() -> Option<StartPrivate<Self>> {
        Some(|conf, params| Box::pin(private::start(conf, params)))
    }

    /// Sends an empty query, which must be answered within a second.
    ///
    /// # Errors
    ///
    /// When no connection can be made, or the server does not answer.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    async fn ping(&self) -> Result<()> {
        Ok(self.connections.ping(PING).await?)
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Postgres").field(&self.connections).finish()
    }
}
