//! The [`Receipt`] of entries: acknowledged, given back, or kept for another lease.

use std::{sync::Arc, time::Duration};

use kisflow_core::{HandedOut, Receipt, Result, Settled, async_trait};

use super::{group::Group, id::EntryId, in_flight::Held};
use crate::error::RedisError;

/// Entries that were handed out. The position of a row is the id of its entry.
pub(super) struct EntryReceipt {
    pub(super) group: Arc<Group>,
    pub(super) held: Held,
    /// What is kept of them until Redis has confirmed their acknowledgement, under
    /// `guarantee: exactly_once`.
    pub(super) handed_out: Option<HandedOut<EntryId>>,
}

/// # Errors
///
/// A [`RedisError`]: the connection is lost or silent, or Redis refuses.
///
/// # Cancel safety
///
/// What was sent may be done after the future is dropped; doing it again is no harm.
#[async_trait]
impl Receipt for EntryReceipt {
    fn position(&self, row: usize) -> String {
        let id = self.held.ids().get(row).map(|id| String::from_utf8_lossy(id).into_owned());
        id.unwrap_or_default()
    }

    /// One `XACK` for all.
    async fn done(&self, _: &Settled) -> Result<()> {
        self.group.acknowledge(self.held.ids()).await?;
        if let Some(handed_out) = &self.handed_out {
            handed_out.confirm();
        }
        Ok(())
    }

    /// Every reader of the group may take them at once, this one too.
    async fn release(&self) -> Result<()> {
        self.held.let_go();
        Ok(self.group.release(self.held.ids()).await?)
    }

    fn lease(&self) -> Option<Duration> {
        Some(self.group.lease)
    }

    /// Those that another reader has taken over stay its own; that is an error, too.
    async fn renew(&self) -> Result<()> {
        let lost = self.group.renew(self.held.ids()).await?;
        if lost > 0 {
            let Group { stream, name, lease, .. } = &*self.group;
            let message = format!(
                "{lost} entries of stream {stream} were taken over by another reader of group {name}: their lease of {lease:?} had passed"
            );
            return Err(RedisError::answer(message, None).into());
        }
        Ok(())
    }
}
