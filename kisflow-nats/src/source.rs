//! [`Nats`]: one reader of a durable consumer.

use std::{fmt, sync::Arc, time::Duration};

use async_nats::jetstream::AckKind;
use kisflow_core::{
    Batch, Delivery, Ordered, Redelivery, Result, Source, SourceConf, SourceContext, async_trait,
};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    error::NatsError,
    exactly_once::{DoneRows, KeptDelivery},
    group::Group,
    link::Link,
    params::NatsParams,
    pump::Pump,
    receipt::Rows,
    settings::Settings,
    shelf::{Fetched, Shelf, Taken},
};

/// `type: nats`: one reader of a durable pull consumer of JetStream.
///
/// The consumer has the name of the conf's `group` or of the flow; readers of one name share its
/// rows. Each row is acknowledged separately, when it is done. While a batch is in progress, at
/// most one more is fetched. A row whose lease has passed and that this reader still has is not handed
/// out again.
///
/// With `ordered` in the conf, a reader that is opened, or has lost its connection, hands out nothing while rows are pending that were handed out before, for at most a lease: these
/// come first then, in their order. So after a crash, one process reads its rows in order, from a
/// lease later on; after an orderly end, at once.
///
/// A lost connection is made again, and a deleted consumer is created again where its group was, as
/// far as this reader knows; [`next`](Source::next) fails meanwhile.
pub struct Nats {
    link: Arc<Link>,
    group: Arc<Group>,
    shelf: Arc<Shelf>,
    lease: Duration,
    stream: Arc<str>,
    /// Which rows are done, under `guarantee: exactly_once`.
    done: Option<Arc<DoneRows>>,
    stop: Arc<Notify>,
    pump: Task,
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[async_trait]
impl Source for Nats {
    const TYPE: &'static str = "nats";
    type Params = NatsParams;

    fn check(conf: &SourceConf, params: &NatsParams) -> Vec<(String, String)> {
        Settings::problems(conf, params)
    }

    /// Which rows are done is kept, because the server may forget acknowledgements. One process at a
    /// time reads for a flow; the others take over from it.
    fn redelivery(_: &SourceConf, _: &NatsParams) -> Redelivery {
        Redelivery::Recognized
    }

    /// # Errors
    ///
    /// When the conf is invalid; when there is no connection, no JetStream, no stream, or a
    /// consumer with other settings; all within `connect_timeout_ms`. The error is a [`NatsError`]
    /// that names the addresses.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no connection and no task behind, but possibly a consumer.
    async fn open(conf: &SourceConf, params: NatsParams, context: SourceContext) -> Result<Self> {
        let Settings { servers, wanted } = Settings::read(conf, &params, context.flow())?;
        let limit = servers.connect_timeout;
        let end = Instant::now() + limit;
        let link = Arc::new(Link::connect(&servers).await?);
        let lease = wanted.lease;
        let done = context.is_exactly_once().then(|| Arc::new(DoneRows::new(context)));
        let group = Arc::new(Group::new(link.clone(), wanted, done.clone()));
        let consumer = timeout_at(end, group.attach())
            .await
            .map_err(|_| NatsError::silent(&link.place, "the stream and its consumer", limit))??;
        let stream = Arc::from(consumer.cached_info().stream_name.as_str());
        let batch = usize::try_from(conf.batch.rows.max(1)).unwrap_or(usize::MAX);
        let is_ordered = conf.ordered != Ordered::No;
        let shelf = Arc::new(Shelf::new(batch, conf.batch.wait, lease, is_ordered));
        let pump =
            Pump::new(group.clone(), shelf.clone(), lease, consumer, is_ordered, done.clone())
                .await?;
        let stop = Arc::new(Notify::new());
        let told = stop.clone();
        let pump = Task(tokio::spawn(pump.run(async move { told.notified().await })));
        Ok(Self { link, group, shelf, lease, stream, done, stop, pump })
    }

    /// # Errors
    ///
    /// A [`NatsError`], as long as the connection is lost or the consumer is not available.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a task of the reader fetches, and rows leave it only when they are returned.
    async fn next(&mut self) -> Result<Option<Delivery>> {
        loop {
            match self.take() {
                Taken::Rows((rows, kept)) => return Ok(Some(self.delivery(rows, kept))),
                Taken::Trouble(trouble) => return Err(trouble.into()),
                Taken::Wait(None) => self.shelf.arrived.notified().await,
                Taken::Wait(Some(due)) => tokio::select! {
                    () = self.shelf.arrived.notified() => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    /// Returns the number of rows that no reader of the group has, and those that this one has
    /// fetched and not handed out.
    async fn lag(&mut self) -> Result<Option<u64>> {
        let waiting = u64::try_from(self.shelf.len()).unwrap_or(u64::MAX);
        Ok(Some(self.group.pending().await?.saturating_add(waiting)))
    }

    /// Gives back what was fetched and not handed out. Waits for a pull in progress, at most a
    /// second if the server answers.
    ///
    /// # Errors
    ///
    /// When the rows cannot be given back; they are redelivered after their lease.
    async fn close(mut self) -> Result<()> {
        self.stop.notify_one();
        let stopped = (&mut self.pump.0).await;
        self.link.tell(&self.shelf.clear(), AckKind::Nak(None)).await?;
        Ok(stopped?)
    }
}

impl Nats {
    /// What there is on the shelf, and how it is kept under `guarantee: exactly_once`.
    fn take(&self) -> Taken<(Vec<Fetched>, Option<KeptDelivery>)> {
        // The stream that is read does not change in between.
        let mut reading = self.done.as_ref().map(|done| done.reading());
        let reading = reading.as_deref_mut().and_then(Option::as_mut).zip(self.done.as_ref());
        self.shelf.take().map(|rows| {
            let kept = reading.map(|(reading, done)| reading.hand_out(&rows, done));
            (rows, kept)
        })
    }

    fn delivery(&self, fetched: Vec<Fetched>, kept: Option<KeptDelivery>) -> Delivery {
        let mut payloads = Vec::with_capacity(fetched.len());
        let mut sequences = Vec::with_capacity(fetched.len());
        let mut replies = Vec::with_capacity(fetched.len());
        for Fetched { payload, sequence, reply, .. } in fetched {
            payloads.push(payload);
            sequences.push(sequence);
            replies.push(reply);
        }
        let kept = kept.map(|KeptDelivery { ids, position }| {
            let part = ids.part.clone();
            (ids, (part, position))
        });
        let (delivered, position) = kept.unzip();
        let receipt = Rows {
            link: self.link.clone(),
            shelf: self.shelf.clone(),
            stream: self.stream.clone(),
            created: self.group.created(),
            lease: self.lease,
            sequences,
            replies,
            delivered,
        };
        let delivery = Delivery::new(Batch::json(payloads), receipt);
        match position {
            Some((part, position)) => delivery.keep(part, position),
            None => delivery,
        }
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Nats")
            .field("addrs", &self.link.place)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
