//! [`Connector`]: a storage engine and its connection, made once.

mod fields;
mod memory;
mod object;
mod private;
mod private_server;
mod record_id;
mod storage;
mod unattended;
mod watch;

use std::{
    any::{Any, TypeId},
    fmt,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::FutureExt;
use serde::de::DeserializeOwned;
use tokio::{sync::OnceCell, time::timeout};

pub(crate) use self::fields::{from_fields, to_fields};
pub use self::memory::{Memory, MemoryParams};
pub(crate) use self::private::no_private;
pub use self::private::{Private, ScratchDir, StartPrivate};
pub use self::private_server::{PrivateServer, PrivateServerConf, PrivateServerPlace};
pub use self::storage::{Fields, Record, Storage};
pub use self::unattended::PARAMS as UNATTENDED_PARAMS;
pub(crate) use self::unattended::{FieldUse, bind as bind_unattended, fields as unattended_fields};
use self::watch::Known;
pub(crate) use self::watch::watch;
use crate::{
    caas::BoxFuture,
    conf::ConnConf,
    durable::Durable,
    error::{Result, error_chain},
    link::{Misfit, connector_params},
};

/// How long a connector may take to answer a ping.
const PATIENCE: Duration = Duration::from_secs(2);

/// Returns a [`Connector`] as [`Storage`].
pub type AsStorage<C> = fn(&C) -> &dyn Storage;

/// Returns a [`Connector`] as [`Durable`].
pub type AsDurable<C> = fn(&C) -> Arc<dyn Durable>;

/// A storage engine: `type` in the conf of a connector.
///
/// ```
/// use kisflow_core::{ConnConf, Connector, Result, async_trait};
/// use serde::Deserialize;
///
/// /// `type: log`: appends to a file.
/// struct Log {
///     path: String,
/// }
///
/// #[derive(Deserialize)]
/// struct LogParams {
///     path: String,
/// }
///
/// #[async_trait]
/// impl Connector for Log {
///     const TYPE: &'static str = "log";
///     type Params = LogParams;
///
///     async fn connect(_: &ConnConf, params: LogParams) -> Result<Self> {
///         Ok(Self { path: params.path })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a connector",
    label = "expected a type that implements `Connector`",
    note = "`Memory`, `Postgres`, `Redb` and `Redis` are connectors; implement `kisflow::Connector` for `{Self}` to make it one"
)]
#[async_trait]
pub trait Connector: Sized + Send + Sync + 'static {
    /// The value of `type:` in conf.
    const TYPE: &'static str;
    /// The connector's `params`, checked at link. Params that it does not know are accepted
    /// (storage logic may read them), unless they look like a typo of one that it knows.
    type Params: DeserializeOwned + Send + 'static;

    /// Checks a conf whose params fit their type. Returns the path of each wrong key (`addrs`,
    /// `params.service`) and why it is wrong; linking reports these with all other problems of the
    /// conf. Must not connect.
    fn check(conf: &ConnConf, params: &Self::Params) -> Vec<(String, String)> {
        let _ = (conf, params);
        Vec::new()
    }

    /// Connects. Called once for each connector of a conf, no matter how many functions use it, and
    /// not before the whole conf links.
    ///
    /// # Errors
    ///
    /// When it cannot connect; within a bounded time, with the address in the error.
    async fn connect(conf: &ConnConf, params: Self::Params) -> Result<Self>;

    /// Connects for a command beside a service. An engine that only one process can open connects
    /// through that process if it can; any other engine connects.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    async fn attach(conf: &ConnConf, params: Self::Params) -> Result<Self> {
        Self::connect(conf, params).await
    }

    /// Returns how it keeps records, if it does, for functions with a [`Store`](crate::Store).
    #[must_use]
    fn storage() -> Option<AsStorage<Self>> {
        None
    }

    /// Returns how it keeps durable entries, if it does, for quarantine and the positions of files.
    #[must_use]
    fn durable() -> Option<AsDurable<Self>> {
        None
    }

    /// Returns the default conf of an engine that needs no server: quarantine is kept there unless
    /// the global conf names a connector.
    #[must_use]
    fn embedded() -> Option<ConnConf> {
        None
    }

    /// Returns how it starts an engine for one test, if it can, for a connector with
    /// `test: {TYPE: private}` in its conf, and for [`Private::start`].
    #[must_use]
    fn private() -> Option<StartPrivate<Self>> {
        None
    }

    /// Checks that the engine answers now. `/readyz` reports the result, and it distinguishes an
    /// outage from rows that cannot be processed. Called often; it should take one small round
    /// trip.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    ///
    /// # Cancel safety
    ///
    /// Must be cancel safe: the caller has a limit of two seconds.
    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

/// A connector with its type erased.
pub(crate) trait ErasedConnector: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn storage(&self) -> Option<&dyn Storage>;
    fn durable(&self) -> Option<Arc<dyn Durable>>;
    fn ping(&self) -> BoxFuture<'_, Result<()>>;
}

impl<C: Connector> ErasedConnector for C {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn storage(&self) -> Option<&dyn Storage> {
        Some(C::storage()?(self))
    }

    fn durable(&self) -> Option<Arc<dyn Durable>> {
        Some(C::durable()?(self))
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Connector::ping(self)
    }
}

/// A future connection.
type Connecting<'a> = BoxFuture<'a, Result<Box<dyn ErasedConnector>>>;

/// A connector as a registry knows it.
#[derive(Clone, Copy)]
pub(crate) struct ConnectorDef {
    pub(crate) engine: &'static str,
    pub(crate) type_id: TypeId,
    pub(crate) stores: bool,
    pub(crate) endures: bool,
    pub(crate) embedded: fn() -> Option<ConnConf>,
    /// Checks the params.
    pub(crate) check: fn(&ConnConf) -> Vec<Misfit>,
    connect: for<'a> fn(&'a ConnConf) -> Connecting<'a>,
    attach: for<'a> fn(&'a ConnConf) -> Connecting<'a>,
    /// Starts an engine for one test, if it can.
    pub(crate) private: Option<for<'a> fn(&'a ConnConf) -> Connecting<'a>>,
}

/// The params of a conf, which linking has checked.
fn params<C: Connector>(conf: &ConnConf) -> Result<C::Params> {
    connector_params::<C::Params>(conf).map_err(|problems| private::told(problems).into())
}

impl ConnectorDef {
    pub(crate) fn of<C: Connector>() -> Self {
        Self {
            engine: C::TYPE,
            type_id: TypeId::of::<C>(),
            stores: C::storage().is_some(),
            endures: C::durable().is_some(),
            embedded: C::embedded,
            check: |conf| match connector_params::<C::Params>(conf) {
                Ok(params) => C::check(conf, &params),
                Err(misfits) => misfits,
            },
            connect: |conf| {
                Box::pin(async move {
                    let connector = C::connect(conf, params::<C>(conf)?).await?;
                    Ok(Box::new(connector) as Box<dyn ErasedConnector>)
                })
            },
            attach: |conf| {
                Box::pin(async move {
                    let connector = C::attach(conf, params::<C>(conf)?).await?;
                    Ok(Box::new(connector) as Box<dyn ErasedConnector>)
                })
            },
            private: C::private().map(|_| start_private::<C> as _),
        }
    }

    /// For a command beside a service.
    pub(crate) fn attached(self) -> Self {
        Self { connect: self.attach, ..self }
    }
}

fn start_private<C: Connector>(conf: &ConnConf) -> Connecting<'_> {
    Box::pin(
        async move { Ok(Box::new(Private::<C>::start(conf).await?) as Box<dyn ErasedConnector>) },
    )
}

/// A connector of the conf, connected or not yet.
#[doc(hidden)]
pub struct ConnectorSlot {
    pub(crate) conf: ConnConf,
    pub(crate) def: ConnectorDef,
    connection: OnceCell<Arc<dyn ErasedConnector>>,
    known: Known,
}

impl fmt::Debug for ConnectorSlot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ConnectorSlot({})", self.conf.cname)
    }
}

impl ConnectorSlot {
    pub(crate) fn new(conf: ConnConf, def: ConnectorDef) -> Self {
        Self { conf, def, connection: OnceCell::new(), known: Known::default() }
    }

    /// A `memory` connector that replaces another.
    fn stub(conf: &ConnConf) -> Self {
        let stub = ConnConf::new(&conf.cname, Memory::TYPE).key(&conf.key);
        Self::new(stub, ConnectorDef::of::<Memory>())
    }

    /// The replacement of a connector in a test: a private engine if the conf asks for one,
    /// otherwise a memory.
    pub(crate) fn for_test(conf: &ConnConf, mut def: ConnectorDef) -> Self {
        match def.private.filter(|_| conf.test.is_some()) {
            Some(start) => {
                def.connect = start;
                Self::new(conf.clone(), def)
            }
            None => Self::stub(conf),
        }
    }

    /// Connects, unless it is connected.
    pub(crate) async fn connect(&self) -> Result<()> {
        let connect = || async { (self.def.connect)(&self.conf).await.map(Arc::from) };
        self.connection.get_or_try_init(connect).await.map(|_| ())
    }

    /// Pings it. Returns why it does not work now, if it does not.
    pub(crate) async fn away(&self) -> Option<String> {
        let name = &self.conf.cname;
        // A ping is code of the connector: a panic must not end who asks.
        let ping = AssertUnwindSafe(timeout(PATIENCE, self.ping())).catch_unwind();
        let away = match ping.await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(format!("connector `{name}`: {}", error_chain(&*error))),
            Ok(Err(_)) => Some(format!("connector `{name}` does not answer within {PATIENCE:?}")),
            Err(_) => Some(format!("connector `{name}`: its ping panicked")),
        };
        self.known.tell(away.clone());
        away
    }

    /// Returns why it did not work at the last ping, without another ping.
    pub(crate) fn known_away(&self) -> Option<String> {
        match self.connection.initialized() {
            true => self.known.away(),
            false => Some(format!("connector `{}` is not connected yet", self.conf.cname)),
        }
    }

    /// Records the result of a function's call: if it contradicts the last ping, the next ping is
    /// soon.
    pub(crate) fn noticed(&self, works: bool) {
        self.known.notice(works);
    }

    async fn ping(&self) -> Result<()> {
        self.connected()?.ping().await
    }

    pub(crate) fn connected(&self) -> Result<&dyn ErasedConnector> {
        match self.connection.get() {
            Some(connector) => Ok(&**connector),
            None => Err(format!("connector `{}` is not connected", self.conf.cname).into()),
        }
    }
}
