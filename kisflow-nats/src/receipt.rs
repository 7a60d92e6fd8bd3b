//! [`Rows`]: the receipt of rows of a stream.

use std::{sync::Arc, time::Duration};

use async_nats::{Subject, datetime::DateTime, jetstream::AckKind};
use kisflow_core::{Receipt, Result, Settled, async_trait};

use crate::{exactly_once::DeliveredIds, link::Link, shelf::Shelf};

/// Rows of a stream that were handed out.
pub(crate) struct Rows {
    pub(crate) link: Arc<Link>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) stream: Arc<str>,
    /// When the stream was created, if that is known.
    pub(crate) created: Option<DateTime>,
    pub(crate) lease: Duration,
    /// Where each stands in the stream.
    pub(crate) sequences: Vec<u64>,
    /// Where each is acknowledged.
    pub(crate) replies: Vec<Subject>,
    /// The same for `guarantee: exactly_once`.
    pub(crate) delivered: Option<DeliveredIds>,
}

#[async_trait]
impl Receipt for Rows {
    fn position(&self, row: usize) -> String {
        let sequence = self.sequences.get(row).copied().unwrap_or_default();
        format!("{}:{sequence}", self.stream)
    }

    fn generation(&self) -> String {
        self.created.map(|created| created.to_string()).unwrap_or_default()
    }

    async fn done(&self, _: &Settled) -> Result<()> {
        if let Some(delivered) = &self.delivered {
            // Before they are let go of: they may be on their way again.
            delivered.done();
        }
        match self.is_current() {
            true => Ok(self.link.tell(&self.replies, AckKind::Ack).await?),
            // The sequences are other rows by now.
            false => Ok(()),
        }
    }

    async fn release(&self) -> Result<()> {
        if !self.is_current() {
            return Ok(());
        }
        self.shelf.let_go(self.sequences.iter().copied());
        Ok(self.link.tell(&self.replies, AckKind::Nak(None)).await?)
    }

    fn lease(&self) -> Option<Duration> {
        Some(self.lease)
    }

    async fn renew(&self) -> Result<()> {
        Ok(self.link.tell(&self.replies, AckKind::Progress).await?)
    }
}

impl Rows {
    /// Whether the stream is still the one that the rows are of, as far as that matters.
    fn is_current(&self) -> bool {
        self.delivered.as_ref().is_none_or(DeliveredIds::is_current)
    }
}

/// Unsettled rows are redelivered, possibly to this reader.
impl Drop for Rows {
    fn drop(&mut self) {
        if self.is_current() {
            self.shelf.let_go(self.sequences.iter().copied());
        }
    }
}
