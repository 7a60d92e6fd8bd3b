//! [`Durable`] on Redis: a sorted set for the order, a hash for the values, a counter of bytes.

use std::sync::Arc;

use fred::{
    bytes::Bytes,
    error::Error as FredError,
    types::{ClusterHash, Value},
};
use kisflow_core::{Change, Durable, Result, Usage, async_trait};

use crate::{connection::Connection, error::RedisError, script::Script};

/// A connector as [`Durable`]. It holds the connections: they live as long as it does.
///
/// All changes of a write are made by one script, which Redis runs as a whole. How long they last is
/// for Redis' own persistence to say.
pub(crate) struct RedisDurable {
    connection: Arc<Connection>,
    /// What all keys begin with. The braces put them into one slot of a cluster.
    prefix: String,
    write: Script,
    scan: Script,
    usage: Script,
}

impl RedisDurable {
    pub(crate) fn new(connection: Arc<Connection>, prefix: &str) -> Self {
        Self {
            connection,
            prefix: format!("{prefix}{{kisflow}}:"),
            write: Script::new(concat!(include_str!("../call.lua"), include_str!("write.lua"))),
            scan: Script::new(concat!(include_str!("../call.lua"), include_str!("scan.lua"))),
            usage: Script::new(concat!(include_str!("../call.lua"), include_str!("usage.lua"))),
        }
    }

    fn key(&self, space: &str, part: &str) -> String {
        format!("{}{space}:{part}", self.prefix)
    }

    fn index(&self, space: &str) -> Value {
        self.key(space, "index").into()
    }

    fn values(&self, space: &str) -> Value {
        self.key(space, "values").into()
    }

    fn bytes(&self, space: &str) -> Value {
        self.key(space, "bytes").into()
    }

    /// What Redis refuses: `what` for people, of which the command `sent` was a part.
    fn refused(
        &self,
        space: &str,
        what: &'static str,
        sent: &'static str,
    ) -> impl Fn(FredError) -> RedisError {
        let key = self.key(space, "…");
        move |cause| RedisError::task(key.as_bytes(), what, sent, cause)
    }
}

/// # Errors
///
/// A [`RedisError`]: the connection is lost or silent, or Redis refuses: it is out of memory, a
/// replica, or one of the keys holds something else.
///
/// # Cancel safety
///
/// A write whose future is dropped is still atomic.
#[async_trait]
impl Durable for RedisDurable {
    async fn write(&self, changes: Vec<Change>) -> Result<()> {
        let mut spaces: Vec<String> = Vec::new();
        let mut arguments = Vec::with_capacity(4 * changes.len());
        for Change { space, key, value } in changes {
            // A write has one space or two: looking at each is quickest.
            let number = spaces.iter().position(|known| *known == space).unwrap_or_else(|| {
                spaces.push(space);
                spaces.len() - 1
            });
            arguments.push(Value::from(number.to_string()));
            match value {
                Some(value) => {
                    arguments.extend([Value::from_static_str("+"), key.into(), Value::Bytes(value)])
                }
                None => arguments.extend([Value::from_static_str("-"), key.into()]),
            }
        }
        let Some(first) = spaces.first() else { return Ok(()) };
        let refused = self.refused(first, "write", "EVAL");
        let keys = spaces
            .iter()
            .flat_map(|space| [self.index(space), self.values(space), self.bytes(space)])
            .collect();
        self.write.run(&self.connection, keys, arguments).await?.map_err(refused)?;
        Ok(())
    }

    async fn read(&self, space: &str, key: &str) -> Result<Option<Bytes>> {
        let arguments = vec![self.values(space), key.into()];
        let found = self.connection.ask("HGET", ClusterHash::FirstKey, arguments).await?;
        Ok(found.map_err(self.refused(space, "read", "HGET"))?.into_bytes())
    }

    async fn scan(&self, space: &str, after: &str, limit: usize) -> Result<Vec<(String, Bytes)>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let keys = vec![self.index(space), self.values(space)];
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let arguments = vec![after.into(), limit.into()];
        let found = self.scan.run(&self.connection, keys, arguments).await?;
        let found = found.map_err(self.refused(space, "scan", "EVAL"))?.into_array();
        let mut entries = Vec::with_capacity(found.len() / 2);
        let mut found = found.into_iter();
        while let (Some(key), Some(value)) = (found.next(), found.next()) {
            let (Some(key), Some(value)) = (key.as_string(), value.into_bytes()) else {
                let place = self.key(space, "…");
                let torn = "the index and the values do not belong together; was one of the keys evicted or removed?";
                return Err(RedisError::answer(format!("key {place}: {torn}"), None).into());
            };
            entries.push((key, value));
        }
        Ok(entries)
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        let keys = vec![self.index(space), self.bytes(space)];
        let found = self.usage.run(&self.connection, keys, Vec::new()).await?;
        let found = found.map_err(self.refused(space, "usage", "EVAL"))?.into_array();
        let mut numbers = found.iter().map(|number| number.as_u64().unwrap_or_default());
        let (entries, bytes) =
            (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        Ok(Usage { entries, bytes })
    }
}
