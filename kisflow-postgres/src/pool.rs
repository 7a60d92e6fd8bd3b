//! [`Connections`]: a bounded number of connections to a database, made when they are needed.

use std::{fmt, time::Duration};

use deadpool_postgres::{
    Client, ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError,
    RecyclingMethod, Runtime, TimeoutType,
};
use tokio::{
    sync::OnceCell,
    time::{sleep, timeout},
};
#[cfg(feature = "tls")]
use tokio_postgres::config::SslMode;
use tokio_postgres::{NoTls, Row, types::ToSql};

use crate::{
    address::{Address, Place},
    error::PostgresError,
    params::PostgresParams,
    tables::Tables,
};

/// How the planner has to go about our statements: by the primary keys, whatever it knows of the
/// tables. A plan that was made while a table was empty is in use when the table is large.
///
/// A process that disappears must not leave a transaction with its locks behind, and the server stops
/// statements after their timeout.
const SESSION: &str = "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; \
    set enable_hashjoin = off; set enable_mergejoin = off; set jit = off; \
    set idle_in_transaction_session_timeout = '30s'";

/// How often a transaction is repeated that others got in the way of.
pub(crate) const REPEATS: u32 = 5;

/// The pause before a repetition.
pub(crate) fn jitter(repeats: u32) -> Duration {
    Duration::from_millis(fastrand::u64(1..=4 << repeats.min(6)))
}

/// The connections of a connector.
pub(crate) struct Connections {
    pool: Pool,
    pub(crate) place: Place,
    pub(crate) tables: Tables,
    are_tables_there: OnceCell<()>,
    connect_timeout: Duration,
    command_timeout: Duration,
}

impl Connections {
    /// Makes the first connection.
    ///
    /// # Errors
    ///
    /// When the address or the params cannot be right, or the server cannot be reached or refuses.
    pub(crate) async fn open(
        address: Address,
        params: &PostgresParams,
    ) -> Result<Self, PostgresError> {
        let Address { config, place } = address;
        // Later than we give up, so that there is one message for it.
        let limit = params.command_timeout + Duration::from_secs(1);
        let limit = limit.as_millis().min(i32::MAX as u128);
        let session = format!("{SESSION}; set statement_timeout = {limit}");
        let pool = Pool::builder(manager(config, params)?)
            .max_size(params.pool)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(params.command_timeout))
            .create_timeout(Some(params.connect_timeout))
            .post_create(Hook::async_fn(move |client: &mut ClientWrapper, _| {
                let session = session.clone();
                Box::pin(
                    async move { client.batch_execute(&session).await.map_err(HookError::Backend) },
                )
            }))
            .build()
            .map_err(|error| PostgresError::conf(error.to_string()))?;
        let connections = Self {
            pool,
            place,
            tables: Tables::new(&params.schema),
            are_tables_there: OnceCell::new(),
            connect_timeout: params.connect_timeout,
            command_timeout: params.command_timeout,
        };
        connections.pooled().await?.release();
        Ok(connections)
    }

    /// A connection of its own. Waits for one up to `command_timeout_ms`.
    pub(crate) async fn pooled(&self) -> Result<Pooled, PostgresError> {
        let client = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(cause) | PoolError::PostCreateHook(HookError::Backend(cause)) => {
                PostgresError::connect(&self.place, cause)
            }
            PoolError::Timeout(TimeoutType::Wait) => {
                PostgresError::busy(&self.place, self.command_timeout)
            }
            _ => PostgresError::connect_timeout(&self.place, self.connect_timeout),
        })?;
        Ok(Pooled { client: Some(client) })
    }

    /// A connection to a database that has our tables.
    pub(crate) async fn with_tables(&self) -> Result<Pooled, PostgresError> {
        let pooled = self.pooled().await?;
        let create = async {
            let client = pooled.client()?;
            self.within(self.tables.create(client))
                .await?
                .map_err(|cause| PostgresError::failed(&self.place, &self.tables.creation(), cause))
        };
        self.are_tables_there.get_or_try_init(|| create).await?;
        Ok(pooled)
    }

    /// Waits for an answer for at most `command_timeout_ms`.
    pub(crate) async fn within<T>(
        &self,
        answer: impl Future<Output = T>,
    ) -> Result<T, PostgresError> {
        let limit = self.command_timeout;
        timeout(limit, answer).await.map_err(|_| PostgresError::silent(&self.place, limit))
    }

    /// Runs one statement by itself. `what` it does is for messages.
    pub(crate) async fn rows(
        &self,
        what: &str,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, PostgresError> {
        let pooled = self.with_tables().await?;
        let client = pooled.client()?;
        let answer = async { client.query(&client.prepare_cached(sql).await?, params).await };
        let answer = self.within(answer).await?;
        pooled.release();
        answer.map_err(|cause| PostgresError::failed(&self.place, what, cause))
    }

    /// As [`rows`](Self::rows), and repeats the statement if others got in its way.
    pub(crate) async fn repeated(
        &self,
        what: &str,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, PostgresError> {
        for repeats in 0..REPEATS {
            match self.rows(what, sql, params).await {
                Err(error) if error.is_repeatable() => sleep(jitter(repeats)).await,
                result => return result,
            }
        }
        self.rows(what, sql, params).await
    }

    /// Asks the server for a sign of life.
    pub(crate) async fn ping(&self, limit: Duration) -> Result<(), PostgresError> {
        let silent = |_| PostgresError::silent(&self.place, limit);
        let ping = async {
            let pooled = self.pooled().await?;
            pooled
                .client()?
                .simple_query("")
                .await
                .map_err(|cause| PostgresError::failed(&self.place, "answer", cause))?;
            pooled.release();
            Ok(())
        };
        timeout(limit, ping).await.map_err(silent)?
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.pool.status().max_size;
        write!(formatter, "Connections({}, at most {size})", self.place)
    }
}

fn manager(
    config: tokio_postgres::Config,
    #[cfg_attr(not(feature = "tls"), expect(unused_variables, reason = "only TLS has params"))]
    params: &PostgresParams,
) -> Result<Manager, PostgresError> {
    // A connection that is known to be closed is replaced; nothing is asked of the others.
    let settings = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    #[cfg(feature = "tls")]
    if config.get_ssl_mode() == SslMode::Require {
        let tls = crate::tls::connector(params.tls_ca.as_deref())?;
        return Ok(Manager::from_config(config, tls, settings));
    }
    Ok(Manager::from_config(config, NoTls, settings))
}

/// A connection that goes back to the pool when it is released. If it is dropped it closes:
/// something may still be under way on it.
pub(crate) struct Pooled {
    client: Option<Client>,
}

impl Pooled {
    pub(crate) fn client(&self) -> Result<&Client, PostgresError> {
        self.client.as_ref().ok_or_else(|| PostgresError::conf("the connection was given back"))
    }

    pub(crate) fn release(mut self) {
        drop(self.client.take());
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}
