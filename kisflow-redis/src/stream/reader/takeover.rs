//! What a reader takes over: entries of its own that were lost on their way, and those of readers
//! that are gone.

use std::time::Duration;

use fred::{bytes::Bytes, types::Value};
use kisflow_core::{BoxError, error_chain};
use tokio::time::Instant;

use super::{BLOCK, Reader, Trouble};
use crate::{
    error::RedisError,
    stream::{entry::Page, group::Group},
};

impl Reader {
    /// Returns pending entries of this reader that are not in flight.
    pub(super) async fn lost_entries(&mut self, after: Bytes) -> Result<Page, Trouble> {
        let in_flight = self.group.in_flight.ids();
        let mut page = self.read(self.reading.rows, None, Value::Bytes(after)).await?;
        // Should it fail, these entries are looked for again.
        self.group.acknowledge(&page.gone).await?;
        let (last, entries) = (page.last.clone(), page.entries());
        page.keep(|id| !in_flight.contains(id));
        if let Some(done) = &self.done {
            page = done.without_done(page).await?;
        }
        self.lost = last.filter(|_| entries >= self.reading.rows);
        Ok(page)
    }

    /// Takes over entries whose lease has passed, in the order of the stream. They are ours then, and
    /// [`lost_entries`](Self::lost_entries) finds them.
    pub(super) async fn claim(&mut self) -> Result<(), Trouble> {
        let from = self.claim_from.map_or("-".to_owned(), |last| format!("({last}"));
        let expired = self.group.expired(&from, self.reading.rows).await?;
        if let Some(done) = self.done.as_ref().filter(|_| !expired.is_empty()) {
            let fenced = done.fence(&expired).await;
            fenced.map_err(|error| self.unkept(&error))?;
        }
        if let Some(first) = expired.first() {
            // Set before the call, because its answer may be lost.
            self.lost = Some(first.id.before().to_string().into());
            match self.group.claim(&expired).await {
                Ok(0) => self.lost = None,
                Ok(_) => {}
                Err(error) => {
                    // The server may still run it.
                    self.look_again = Some(Instant::now() + 2 * BLOCK);
                    return Err(error.into());
                }
            }
        }
        let is_full = expired.len() >= self.reading.rows;
        self.claim_from = expired.last().filter(|_| is_full).map(|entry| entry.id);
        if !is_full {
            let pause = (self.group.lease / 4).clamp(Duration::from_millis(10), 2 * BLOCK);
            self.next_claim = Instant::now() + pause;
        }
        Ok(())
    }

    /// Which rows are done cannot be read or kept.
    pub(super) fn unkept(&self, error: &BoxError) -> RedisError {
        let Group { stream, .. } = &*self.group;
        let error = error_chain(&**error);
        let message =
            format!("which entries of stream {stream} are done cannot be read or kept: {error}");
        RedisError::answer(message, None)
    }

    /// Readers that are gone leave their names behind.
    pub(super) async fn sweep(&mut self) -> Result<(), Trouble> {
        let silent = 20 * self.group.lease;
        self.next_sweep = Some(Instant::now() + silent / 4);
        let swept = self.group.sweep(silent).await;
        if let (Ok(Some(alive)), Some(done)) = (&swept, &self.done) {
            let swept = done.sweep(alive).await;
            swept.map_err(|error| self.unkept(&error))?;
        }
        if let Err(error) = swept {
            if error.is_outage() {
                return Err(Trouble::Refused(error));
            }
            tracing::warn!(
                stream = %self.group.stream, group = %self.group.name,
                "readers that are gone stay in the group: {}", kisflow_core::error_chain(&error),
            );
            self.next_sweep = None;
        }
        Ok(())
    }
}
