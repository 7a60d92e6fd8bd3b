//! A store that fails and loses answers.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use kisflow::{
    ConnConf, Connector, Durable, QuarantineConf, Result, Usage, async_trait,
    durable::{Commit, CommitError, Entry, Key, Limits, MemoryStore, Scan},
};

use super::World;

/// `type: flaky`: stores by name, which outlive their flows, fail, and lose answers.
pub(crate) struct Flaky(Arc<FlakyStore>);

#[derive(Default)]
pub(crate) struct FlakyStore {
    pub(crate) store: MemoryStore,
    /// In how many of a hundred calls it fails.
    pub(crate) fails: AtomicUsize,
}

static STORES: LazyLock<Mutex<HashMap<String, Arc<FlakyStore>>>> = LazyLock::new(Mutex::default);

impl FlakyStore {
    pub(crate) fn of(name: &str) -> Arc<Self> {
        STORES.lock().unwrap().entry(name.to_owned()).or_default().clone()
    }

    /// The store of this name, with commits of at most so many keys.
    pub(crate) fn limited(name: &str, keys: usize) {
        let store = MemoryStore::with_limits(Limits { keys, bytes: 1 << 20, key_bytes: 1 << 10 });
        let store = Arc::new(Self { store, ..Self::default() });
        STORES.lock().unwrap().insert(name.to_owned(), store);
    }

    fn may_fail(&self) -> Result<()> {
        match fastrand::usize(0..100) < self.fails.load(Ordering::SeqCst) {
            true => Err("the store is moody".into()),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Connector for Flaky {
    const TYPE: &'static str = "flaky";
    type Params = kisflow::RawParams;

    async fn connect(conf: &ConnConf, _: Self::Params) -> Result<Self> {
        Ok(Self(FlakyStore::of(&conf.addrs)))
    }

    fn durable() -> Option<kisflow::AsDurable<Self>> {
        Some(|flaky| flaky.0.clone())
    }
}

#[async_trait]
impl Durable for FlakyStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.may_fail()?;
        self.store.read(keys).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(bytes::Bytes, Entry)>> {
        self.may_fail()?;
        self.store.scan(scan).await
    }

    async fn commit(&self, commit: &Commit) -> std::result::Result<(), CommitError> {
        self.may_fail().map_err(CommitError::Outage)?;
        self.store.commit(commit).await?;
        // The commit has taken effect, and its answer is lost.
        self.may_fail().map_err(CommitError::Outage)
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }

    async fn now(&self) -> Result<SystemTime> {
        self.may_fail()?;
        self.store.now().await
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        self.store.usage(space).await
    }
}

impl World {
    /// The same with a flaky store.
    pub(crate) fn flaky(self, store: &str) -> Self {
        self.with(|mut conf| {
            let global = conf.global.clone().quarantine(QuarantineConf::on("flaky"));
            conf.connectors.clear();
            conf.connector(ConnConf::new("flaky", Flaky::TYPE).addrs(store)).global(global)
        })
    }
}
