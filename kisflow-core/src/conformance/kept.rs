//! [`Kept`]: a source whose receipts keep positions.

use std::{sync::Arc, task::Poll, time::Duration};

use async_trait::async_trait;
use futures_util::poll;

use crate::{
    conf::SourceConf,
    error::Result,
    source::{Committer, Delivery, PendingCommit, Receipt, Settled, Source, SourceContext},
};

/// A source as the engine reads it, for tests: the receipts of deliveries with a
/// [position](Delivery::keep) keep that, and return at once if a delivery before them is not done. A
/// delivery without rows is done at once, and not handed out.
#[derive(Debug)]
pub struct Kept<S> {
    source: S,
    committer: Arc<Committer>,
    /// Rows that came while it was opened.
    ahead: Option<Delivery>,
}

#[async_trait]
impl<S: Source> Source for Kept<S> {
    const TYPE: &'static str = S::TYPE;
    type Params = S::Params;

    fn check(conf: &SourceConf, params: &S::Params) -> Vec<(String, String)> {
        S::check(conf, params)
    }

    async fn open(conf: &SourceConf, params: S::Params, context: SourceContext) -> Result<Self> {
        // As another process would have them.
        let positions = context.positions.anew();
        let context = SourceContext { positions: positions.clone(), ..context };
        let source = S::open(conf, params, context).await?;
        let mut kept = Self {
            source,
            committer: Committer::start(positions, Duration::ZERO, Box::new(|_| {})),
            ahead: None,
        };
        // The engine asks at once, and a source may have come further without rows.
        while kept.ahead.is_none()
            && let Poll::Ready(Ok(Some(delivery))) = poll!(kept.source.next())
        {
            kept.ahead = taken(&kept.committer, delivery).await?;
        }
        Ok(kept)
    }

    async fn next(&mut self) -> Result<Option<Delivery>> {
        if let Some(delivery) = self.ahead.take() {
            return Ok(Some(delivery));
        }
        while let Some(delivery) = self.source.next().await? {
            if let Some(delivery) = taken(&self.committer, delivery).await? {
                return Ok(Some(delivery));
            }
        }
        Ok(None)
    }

    async fn lag(&mut self) -> Result<Option<u64>> {
        self.source.lag().await
    }

    async fn lag_bytes(&mut self) -> Result<Option<u64>> {
        self.source.lag_bytes().await
    }

    async fn close(self) -> Result<()> {
        self.source.close().await
    }
}

/// The delivery with another receipt; `None` if it has no rows and is done.
async fn taken(committer: &Arc<Committer>, mut delivery: Delivery) -> Result<Option<Delivery>> {
    let Some(commit) = committer.begin(&mut delivery) else { return Ok(Some(delivery)) };
    if delivery.batch.is_empty() {
        if commit.mark() {
            commit.done().await?;
        }
        return Ok(None);
    }
    let Delivery { batch, receipt, partition, .. } = delivery;
    let receipt = KeptReceipt { receipt, commit };
    Ok(Some(Delivery::new(batch, receipt).partition(partition)))
}

struct KeptReceipt {
    receipt: Arc<dyn Receipt>,
    commit: PendingCommit,
}

#[async_trait]
impl Receipt for KeptReceipt {
    fn position(&self, row: usize) -> String {
        self.receipt.position(row)
    }

    fn generation(&self) -> String {
        self.receipt.generation()
    }

    async fn done(&self, settled: &Settled) -> Result<()> {
        // One that is done before others is not durable, however long it waits.
        if self.commit.mark() {
            self.commit.done().await?;
            self.receipt.done(settled).await?;
        }
        Ok(())
    }

    async fn release(&self) -> Result<()> {
        self.receipt.release().await
    }

    fn lease(&self) -> Option<Duration> {
        self.receipt.lease()
    }

    async fn renew(&self) -> Result<()> {
        self.receipt.renew().await
    }
}
