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
    /// Entries that are ours, and that nobody here works on.
    pub(super) async fn lost_entries(&mut self, after: Bytes) -> Result<Page, Trouble> {
        let in_flight = self.group.in_flight.ids();
        let mut page = self.read(self.reading.rows, None, Value::Bytes(after)).await?;
        // Should it fail, these entries are looked for again.
        self.group.acknowledge(&page.gone).await?;
        self.lost = page.last.clone().filter(|_| page.entries() >= self.reading.rows);
        page.keep(|id| !in_flight.contains(id));
        self.without_done(page).await
    }

    /// Entries whose lease has passed, in the order of the stream.
    pub(super) async fn claim(&mut self) -> Result<Page, Trouble> {
        let in_flight = self.group.in_flight.ids();
        let from = self.claim_from.map_or("-".to_owned(), |last| format!("({last}"));
        let expired = self.group.expired(&from, self.reading.rows).await?;
        self.claim_from =
            expired.last().filter(|_| expired.len() >= self.reading.rows).map(|entry| entry.id);
        if self.claim_from.is_none() {
            let pause = (self.group.lease / 4).clamp(Duration::from_millis(10), 2 * BLOCK);
            self.next_claim = Instant::now() + pause;
        }
        if expired.is_empty() {
            return Ok(Page::default());
        }
        if let Some(done) = &self.done {
            let fenced = done.fence(&expired).await;
            fenced.map_err(|error| self.unkept(&error))?;
        }
        let lease = u64::try_from(self.group.lease.as_millis()).unwrap_or(u64::MAX);
        let mut arguments = vec![
            self.group.stream.as_str().into(),
            self.group.name.as_str().into(),
            self.group.consumer.as_str().into(),
            lease.to_string().into(),
        ];
        arguments.extend(expired.iter().map(|entry| Value::from(entry.id.to_string())));
        let answer = self.ask("XCLAIM", None, arguments).await?;
        let mut page = Page::of_entries(answer, &self.reading.field)
            .map_err(|odd| self.unreadable("XCLAIM", odd))?;
        if page.nameless {
            // Our own entries say who they are, also when they are deleted.
            self.look_for_lost();
        }
        page.keep(|id| !in_flight.contains(id));
        self.without_done(page).await
    }

    /// Leaves only the rows that nobody has done.
    async fn without_done(&self, page: Page) -> Result<Page, Trouble> {
        match &self.done {
            Some(done) => Ok(done.without_done(page).await?),
            None => Ok(page),
        }
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
        if let (Ok(alive), Some(done)) = (&swept, &self.done) {
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
