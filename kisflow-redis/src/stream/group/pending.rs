//! [`Pending`]: the entries that readers of a group have, and did not acknowledge.

use std::time::Duration;

use fred::types::Value;

use super::{Group, is_gone};
use crate::{error::RedisError, stream::id::EntryId};

/// An entry that a reader has.
pub(in crate::stream) struct Pending {
    pub(in crate::stream) id: EntryId,
    pub(in crate::stream) consumer: String,
    /// Since when it was handed out, or its lease renewed.
    pub(in crate::stream) idle: Duration,
}

impl Group {
    /// The last of the entries that readers of the group have.
    pub(in crate::stream) async fn last_pending(&self) -> Result<Option<EntryId>, RedisError> {
        let summary = self.ask_pending(Vec::new()).await?;
        Ok(summary.get(2).and_then(|last| last.as_str()?.parse().ok()))
    }

    /// At most so many of the entries that readers of the group have, in order.
    pub(in crate::stream) async fn pending(
        &self,
        from: &str,
        to: EntryId,
        count: usize,
    ) -> Result<Vec<Pending>, RedisError> {
        let range = vec![from.into(), to.to_string().into(), count.to_string().into()];
        self.pending_of(range).await
    }

    /// At most so many of the entries behind `from` whose lease has passed, in order.
    pub(in crate::stream) async fn expired(
        &self,
        from: &str,
        count: usize,
    ) -> Result<Vec<Pending>, RedisError> {
        let lease = u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX);
        let range = vec![
            Value::from_static_str("IDLE"),
            lease.to_string().into(),
            from.into(),
            Value::from_static_str("+"),
            count.to_string().into(),
        ];
        self.pending_of(range).await
    }

    async fn pending_of(&self, range: Vec<Value>) -> Result<Vec<Pending>, RedisError> {
        let entries = self.ask_pending(range).await?;
        let pending = |entry: &Value| match entry {
            Value::Array(parts) => Some(Pending {
                id: parts.first()?.as_str()?.parse().ok()?,
                consumer: parts.get(1)?.as_string()?,
                idle: Duration::from_millis(parts.get(2)?.as_u64()?),
            }),
            _ => None,
        };
        Ok(entries.iter().filter_map(pending).collect())
    }

    /// What `XPENDING` answers; nothing of a group that is gone.
    async fn ask_pending(&self, range: Vec<Value>) -> Result<Vec<Value>, RedisError> {
        let mut arguments = vec![self.stream.as_str().into(), self.name.as_str().into()];
        arguments.extend(range);
        match self.connection.ask("XPENDING", self.slot(), arguments).await? {
            Ok(Value::Array(answer)) => Ok(answer),
            Ok(_) => Ok(Vec::new()),
            Err(cause) if is_gone(&cause) => Ok(Vec::new()),
            Err(cause) => Err(self.refused("XPENDING", cause)),
        }
    }
}
