//! Values that the runs of a flow share: [`Cache`] and [`Metadata`].

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::{Duration, Instant},
};

use moka::{Expiry, sync};

type Shared = Arc<dyn Any + Send + Sync>;

/// The most values in a cache; beyond it the least used are dropped.
const CACHE_LIMIT: u64 = 10_000;

/// Values with a time to live, for all runs of a flow. Beyond 10,000 values a cache drops the least
/// used.
#[derive(Default)]
pub struct Cache {
    /// Made when it is first used: most flows have none.
    values: OnceLock<sync::Cache<String, Cached>>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.values.get().map_or(0, sync::Cache::entry_count);
        write!(formatter, "Cache(about {values} values)")
    }
}

#[derive(Clone)]
struct Cached {
    value: Shared,
    ttl: Option<Duration>,
}

/// Each value has its own time to live.
struct OwnTtl;

impl Expiry<String, Cached> for OwnTtl {
    fn expire_after_create(&self, _: &String, cached: &Cached, _: Instant) -> Option<Duration> {
        cached.ttl
    }

    fn expire_after_update(
        &self,
        _: &String,
        cached: &Cached,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        cached.ttl
    }
}

impl Cache {
    fn values(&self) -> &sync::Cache<String, Cached> {
        self.values.get_or_init(|| {
            sync::Cache::builder().max_capacity(CACHE_LIMIT).expire_after(OwnTtl).build()
        })
    }

    /// Sets a value for `ttl`; with `None` or [`Duration::ZERO`], as long as there is room.
    ///
    /// Zero means the same as in KisFlow (`common.DefaultExpiration`). To drop a value at once,
    /// [`remove`](Self::remove) it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use kisflow_core::Cache;
    ///
    /// let cache = Cache::default();
    /// cache.set("rate", 1.08, Duration::from_secs(60));
    /// cache.set("name", "KIS", Duration::ZERO);
    /// assert_eq!(cache.get::<&str>("name").as_deref(), Some(&"KIS"));
    /// ```
    pub fn set<T: Send + Sync + 'static>(
        &self,
        key: impl Into<String>,
        value: T,
        ttl: impl Into<Option<Duration>>,
    ) {
        let ttl = ttl.into().filter(|ttl| !ttl.is_zero());
        self.values().insert(key.into(), Cached { value: Arc::new(value), ttl });
    }

    /// Returns the value, if it exists, is not too old, and is a `T`.
    pub fn get<T: Send + Sync + 'static>(&self, key: &str) -> Option<Arc<T>> {
        self.values.get()?.get(key)?.value.downcast().ok()
    }

    /// Removes a value.
    pub fn remove(&self, key: &str) {
        if let Some(values) = self.values.get() {
            values.invalidate(key);
        }
    }
}

/// Values for all runs of a flow, kept until they are removed.
#[derive(Default)]
pub struct Metadata {
    values: RwLock<HashMap<String, Shared>>,
}

impl fmt::Debug for Metadata {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.values.read().unwrap_or_else(PoisonError::into_inner);
        formatter.debug_set().entries(values.keys()).finish()
    }
}

impl Metadata {
    /// Sets a value.
    pub fn set<T: Send + Sync + 'static>(&self, key: impl Into<String>, value: T) {
        self.values
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.into(), Arc::new(value));
    }

    /// Returns the value if it exists and is a `T`; otherwise sets and returns a new one. This is
    /// one step, so that concurrent callers get the same value.
    pub fn get_or_insert_with<T: Send + Sync + 'static>(
        &self,
        key: &str,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = values.get(key).and_then(|value| value.clone().downcast().ok()) {
            return value;
        }
        let value = Arc::new(make());
        values.insert(key.to_owned(), value.clone());
        value
    }

    /// Returns the value, if it exists and is a `T`.
    pub fn get<T: Send + Sync + 'static>(&self, key: &str) -> Option<Arc<T>> {
        self.values.read().unwrap_or_else(PoisonError::into_inner).get(key)?.clone().downcast().ok()
    }

    /// Removes a value.
    pub fn remove(&self, key: &str) {
        self.values.write().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
