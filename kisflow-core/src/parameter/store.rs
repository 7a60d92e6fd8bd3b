//! [`Store`]: records with fields, in the engine that the conf names.

use std::{borrow::Cow, fmt, future::Future, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{Cx, Parameter};
use crate::{
    connector::{ConnectorSlot, Fields, Record, Storage, from_fields, to_fields},
    error::{BoxError, Result},
    link::Link,
};

/// The fields of a record to write.
type NewFields = Vec<(Cow<'static, str>, Option<String>)>;

/// Storage through the connector that the function's conf names.
///
/// A record is a struct or a map under the connector's `key` + an id. Each method takes one round
/// trip for all records of the call.
///
/// # Cancel safety
///
/// Dropping a future of [`put`](Self::put) or [`remove`](Self::remove) leaves each record either in
/// its old or in its new state; both may be called again with the same records. [`get`](Self::get)
/// changes nothing.
#[derive(Clone, Copy)]
pub struct Store<'a> {
    storage: &'a dyn Storage,
    key: &'a str,
    wait: Duration,
}

impl fmt::Debug for Store<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Store")
            .field("key", &self.key)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

/// Why a record could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecordError {
    /// The record is missing, and did not appear while the call waited.
    Missing {
        /// The record's whole key.
        key: String,
        /// How long the call waited for it.
        waited: Duration,
    },
    /// The record exists, but does not fit the type that the function reads.
    Unreadable {
        /// The record's whole key.
        key: String,
        /// What is wrong with it, with the name of the field.
        cause: BoxError,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key, waited } if waited.is_zero() => {
                write!(
                    formatter,
                    "there is no record `{key}`; the param `wait_ms` would wait for it"
                )
            }
            Self::Missing { key, waited } => write!(
                formatter,
                "there is no record `{key}`, not after {waited:?} of waiting (param `wait_ms`)"
            ),
            Self::Unreadable { key, .. } => write!(formatter, "the record `{key}` cannot be read"),
        }
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Missing { .. } => None,
            Self::Unreadable { cause, .. } => Some(&**cause),
        }
    }
}

impl<'a> Store<'a> {
    pub(crate) fn new(storage: &'a dyn Storage, key: &'a str, wait: Duration) -> Self {
        Self { storage, key, wait }
    }

    /// A store for a unit test of the function, for example in [`Memory`](crate::Memory). The key
    /// of a record is its id alone, and [`get`](Self::get) does not wait.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use std::collections::BTreeMap;
    ///
    /// use kisflow_core::{Memory, Result, Store};
    ///
    /// async fn keep(rows: &[(u32, f64)], store: Store<'_>) -> Result<()> {
    ///     store.put(rows.iter().map(|(id, score)| (id, BTreeMap::from([("score", score)])))).await
    /// }
    ///
    /// let memory = Memory::new();
    /// let store = Store::of(&memory).with_key("score:");
    /// keep(&[(7, 9.5)], store).await?;
    /// let kept = store.get::<BTreeMap<String, f64>>([7]).await?;
    /// assert_eq!(kept[0].as_ref().unwrap()["score"], 9.5);
    /// # Ok::<(), kisflow_core::BoxError>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn of(storage: &'a dyn Storage) -> Self {
        Self::new(storage, "", Duration::ZERO)
    }

    /// Sets a prefix of every id, like the connector's `key`.
    #[must_use]
    pub fn with_key(self, key: &'a str) -> Self {
        Self { key, ..self }
    }

    /// Lets [`get`](Self::get) wait for missing records, like the param `wait_ms`.
    #[must_use]
    pub fn with_wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Writes the fields of each record. Other fields of a record stay; a field that is `None` is
    /// removed.
    ///
    /// # Errors
    ///
    /// When a record is not a struct or map, or has a float that is not a number; nothing is
    /// written then. When the engine fails; some of the records may be written then.
    pub fn put<T: Serialize>(
        &self,
        records: impl IntoIterator<Item = (impl fmt::Display, T)>,
    ) -> impl Future<Output = Result<()>> + Send + 'a {
        let Self { storage, key, .. } = *self;
        let records: Result<Vec<Record>> = records
            .into_iter()
            .map(|(id, record)| {
                Ok(Record { key: format!("{key}{id}"), fields: to_fields(&record)? })
            })
            .collect();
        async move { storage.put(records?).await }
    }

    /// Writes records that are fields already.
    pub(crate) async fn put_fields(&self, records: Vec<(String, NewFields)>) -> Result<()> {
        let key = self.key;
        let record = |(id, fields)| Record { key: format!("{key}{id}"), fields };
        self.storage.put(records.into_iter().map(record).collect()).await
    }

    /// Reads records, in the order of the ids. With the function's param `wait_ms`, waits up to
    /// that many milliseconds for missing ones.
    ///
    /// # Errors
    ///
    /// When the engine fails. A record that is missing or cannot be read has its own error, for
    /// [`Cx::reject`].
    pub fn get<T: DeserializeOwned>(
        &self,
        ids: impl IntoIterator<Item = impl fmt::Display>,
    ) -> impl Future<Output = Result<Vec<Result<T, RecordError>>>> + Send + 'a {
        let records = self.get_fields(ids);
        async move {
            let read = |record: Result<(String, Fields), RecordError>| {
                let (key, fields) = record?;
                from_fields(fields).map_err(|cause| RecordError::Unreadable { key, cause })
            };
            Ok(records.await?.into_iter().map(read).collect())
        }
    }

    /// Reads records as their fields, each with its key.
    pub(crate) fn get_fields(
        &self,
        ids: impl IntoIterator<Item = impl fmt::Display>,
    ) -> impl Future<Output = Result<Vec<Result<(String, Fields), RecordError>>>> + Send + 'a {
        let Self { storage, key, wait } = *self;
        let keys: Vec<String> = ids.into_iter().map(|id| format!("{key}{id}")).collect();
        async move {
            let found = match wait.is_zero() {
                true => storage.get(&keys).await?,
                false => storage.wait(&keys, wait).await?,
            };
            if found.len() != keys.len() {
                return Err(format!(
                    "the engine answered {} records for {} keys",
                    found.len(),
                    keys.len()
                )
                .into());
            }
            let read = |(key, fields): (String, Option<_>)| match fields {
                None => Err(RecordError::Missing { key, waited: wait }),
                Some(fields) => Ok((key, fields)),
            };
            Ok(keys.into_iter().zip(found).map(read).collect())
        }
    }

    /// Removes records; a missing one is no error.
    ///
    /// # Errors
    ///
    /// When the engine fails; some of the records may be removed then.
    pub fn remove(
        &self,
        ids: impl IntoIterator<Item = impl fmt::Display>,
    ) -> impl Future<Output = Result<()>> + Send + 'a {
        let Self { storage, key, .. } = *self;
        let keys: Vec<String> = ids.into_iter().map(|id| format!("{key}{id}")).collect();
        async move { storage.remove(&keys).await }
    }
}

/// What a Store needs at run time.
#[derive(Debug)]
pub struct BoundStore {
    slot: Arc<ConnectorSlot>,
    wait: Duration,
}

impl Parameter for Store<'static> {
    type Bound = BoundStore;
    type Of<'a> = Store<'a>;

    fn bind(link: &mut Link<'_>) -> Option<BoundStore> {
        let slot = link.connector();
        let wait =
            link.optional_param("wait_ms").map(|ms| Duration::from_millis(ms.unwrap_or_default()));
        let (slot, wait) = (slot?, wait?);
        if !slot.def.stores {
            let who = link.asking();
            link.cname_problem(format!(
                "{who} wants a `Store`, and connectors of `type: {}` keep no records",
                slot.conf.engine
            ));
            return None;
        }
        Some(BoundStore { slot, wait })
    }

    fn get<'a>(bound: &'a BoundStore, _: Cx<'a>) -> Result<Store<'a>> {
        match bound.slot.connected()?.storage() {
            Some(storage) => Ok(Store::new(storage, &bound.slot.conf.key, bound.wait)),
            None => Err(format!("connector `{}` keeps no records", bound.slot.conf.cname).into()),
        }
    }
}
