//! [`Connector`]: a storage engine and its connection, made once.

mod fields;
mod memory;
mod object;
mod private;
mod record_id;
mod storage;
mod unattended;
mod watch;

use std::{
    any::{Any, TypeId},
    fmt,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use tokio::{sync::OnceCell, time::timeout};

pub(crate) use self::fields::{from_fields, to_fields};
pub use self::memory::{Memory, MemoryParams};
pub(crate) use self::private::no_private;
pub use self::private::{Private, ScratchDir, StartPrivate};
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

/// How a [`Connector`] shows itself as [`Storage`].
pub type AsStorage<C> = fn(&C) -> &dyn Storage;

/// How a [`Connector`] shows itself as [`Durable`].
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
    note = "`Memory`, `Redb` and `Redis` are connectors; implement `kisflow::Connector` for `{Self}` to make it one"
)]
#[async_trait]
pub trait Connector: Sized + Send + Sync + 'static {
    /// The word after `type:` in conf.
    const TYPE: &'static str;
    /// The connector's `params`, checked at link. Params that it does not know are let through
    /// (storage logic may read them), unless they look like a slip of one that it knows.
    type Params: DeserializeOwned + Send + 'static;

    /// What is wrong with a conf whose params fit their type: the path of each key (`addrs`,
    /// `params.service`) and why. These are problems of the conf, told with all others; nothing may
    /// connect here.
    fn check(conf: &ConnConf, params: &Self::Params) -> Vec<(String, String)> {
        let _ = (conf, params);
        Vec::new()
    }

    /// Connects. Called once for each connector of a conf, however many functions use it, and not
    /// before the whole conf links.
    ///
    /// # Errors
    ///
    /// When there is no connection to be had: within a bounded time, naming the address.
    async fn connect(conf: &ConnConf, params: Self::Params) -> Result<Self>;

    /// Connects for a command that works beside a service. An engine that one process has to itself
    /// lets it in through that process where it can; any other connects.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    async fn attach(conf: &ConnConf, params: Self::Params) -> Result<Self> {
        Self::connect(conf, params).await
    }

    /// How it keeps records, if it does: what functions with a [`Store`](crate::Store) use.
    fn storage() -> Option<AsStorage<Self>> {
        None
    }

    /// How it keeps entries that outlive the process, if it does: what quarantine and the positions
    /// of files are kept in.
    fn durable() -> Option<AsDurable<Self>> {
        None
    }

    /// The conf of an engine that needs no server, where nobody has written one: what quarantine is
    /// kept in unless the global conf names a connector.
    fn embedded() -> Option<ConnConf> {
        None
    }

    /// How it starts an engine for one test, if it can: for a connector with
    /// `test: {TYPE: private}` in its conf, and for [`Private::start`].
    fn private() -> Option<StartPrivate<Self>> {
        None
    }

    /// Whether the engine answers now: what `/readyz` asks, and what tells an outage from rows that
    /// cannot be processed. Called often; ought to take one small round trip.
    ///
    /// # Errors
    ///
    /// When it does not.
    ///
    /// # Cancel safety
    ///
    /// Must be cancel safe: whoever asks has a limit of two seconds.
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

/// A connection, yet to be.
type Connecting<'a> = BoxFuture<'a, Result<Box<dyn ErasedConnector>>>;

/// A connector as a registry knows it.
#[derive(Clone, Copy)]
pub(crate) struct ConnectorDef {
    pub(crate) engine: &'static str,
    pub(crate) type_id: TypeId,
    pub(crate) stores: bool,
    pub(crate) endures: bool,
    pub(crate) embedded: fn() -> Option<ConnConf>,
    /// What is wrong with the params.
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

    /// For a command that works beside a service.
    pub(crate) fn attached(self) -> Self {
        Self { connect: self.attach, ..self }
    }
}

fn start_private<C: Connector>(conf: &ConnConf) -> Connecting<'_> {
    Box::pin(
        async move { Ok(Box::new(Private::<C>::start(conf).await?) as Box<dyn ErasedConnector>) },
    )
}

/// A connector of the conf, connected or yet to be.
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

    /// A `memory` connector in the place of another.
    fn stub(conf: &ConnConf) -> Self {
        let stub = ConnConf::new(&conf.cname, Memory::TYPE).key(&conf.key);
        Self::new(stub, ConnectorDef::of::<Memory>())
    }

    /// What takes the place of a connector in a test: a private engine where the conf asks for one,
    /// or else a memory.
    pub(crate) fn for_test(conf: &ConnConf, mut def: ConnectorDef) -> Self {
        match def.private.filter(|_| conf.test.is_some()) {
            Some(start) => {
                def.connect = start;
                Self::new(conf.clone(), def)
            }
            None => Self::stub(conf),
        }
    }

    /// Connects, unless that has been done.
    pub(crate) async fn connect(&self) -> Result<()> {
        let connect = || async { (self.def.connect)(&self.conf).await.map(Arc::from) };
        self.connection.get_or_try_init(connect).await.map(|_| ())
    }

    /// Asks whether it answers. Why it is of no use now, if it is of none.
    pub(crate) async fn away(&self) -> Option<String> {
        let name = &self.conf.cname;
        let away = match timeout(PATIENCE, self.ping()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("connector `{name}`: {}", error_chain(&*error))),
            Err(_) => Some(format!("connector `{name}` does not answer within {PATIENCE:?}")),
        };
        self.known.tell(away.clone());
        away
    }

    /// Why it was of no use when it was last asked; it is not asked again for this.
    pub(crate) fn known_away(&self) -> Option<String> {
        match self.connection.initialized() {
            true => self.known.away(),
            false => Some(format!("connector `{}` is not connected yet", self.conf.cname)),
        }
    }

    /// Notes how a function fared with it: when that is news, it is asked soon.
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
