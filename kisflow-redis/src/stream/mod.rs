//! [`RedisStream`]: a source that reads a Redis Stream, as a reader of a consumer group.

mod entry;
mod exactly_once;
mod foreign;
mod group;
mod id;
mod in_flight;
mod params;
mod reader;
mod receipt;

use std::{sync::Arc, time::Duration};

use fred::interfaces::ClientInterface;
use kisflow_core::{
    Batch, CancellationToken, Delivery, Ordered, Redelivery, Result, Source, SourceConf,
    SourceContext, async_trait,
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

pub use self::params::RedisStreamParams;
use self::{
    entry::RowField,
    exactly_once::{DoneEntries, part},
    group::Group,
    reader::{Fetched, Reader, Reading},
    receipt::EntryReceipt,
};
use crate::{connection::Connection, error::RedisError, persistence};

/// `type: redis_stream`: reads a Redis Stream, as a reader of a consumer group. Redis 6.2 or later.
///
/// ```yaml
/// kistype: source
/// sname: orders
/// type: redis_stream
/// addrs: 127.0.0.1:6379
/// key: orders
/// batch: {rows: 500, wait_ms: 20}
/// params: {lease_ms: 30000}
/// ```
///
/// `key` is the stream, and `group` the consumer group (default: the flow's name). A missing group
/// or stream is created; `start` says where a new group begins: `earliest`, `latest`, or behind an
/// entry's id. An existing group continues where it was, whatever `start` says, which is logged. If
/// a group has vanished (the stream was deleted, or Redis came back without its data), it is
/// created again at its start: rows are redelivered rather than lost. In a flow with
/// `guarantee: exactly_once` it is an error instead, because they would count again.
///
/// The position of a row is the id of its entry. Done rows are acknowledged with one `XACK` per
/// batch; entries stay in the stream, and its writers have to limit its length. Other readers take
/// over the rows of a dead reader, in the order of the stream, when their lease has passed; at most
/// a quarter of a lease or 2 seconds later, whichever is less. A redelivered row may then come
/// after younger ones. With `ordered` in the conf, a reader that is opened reads nothing new before
/// the rows that others had at that moment are done, or have passed to it: after a crash, one process
/// reads its rows in order, from a lease later on. An entry that is deleted while it is pending is not delivered again.
///
/// A user who may not run `XGROUP` or `XINFO` can read an existing group; the page on Redis users
/// has the permissions for each task.
///
/// Each reader has its own name in the group, and two connections: one for blocking reads, one for
/// everything else. It fetches at most one batch ahead of the engine. Names of dead readers are
/// removed when they have nothing pending and were silent for twenty leases.
pub struct RedisStream {
    group: Arc<Group>,
    connection: Arc<Connection>,
    reading: Reading,
    /// `None` while it reads.
    reader: Option<Box<Reader>>,
    /// At most one read, which continues when `next` is dropped: the server may have answered it
    /// already, and the rows in that answer belong to this reader.
    reads: JoinSet<(Box<Reader>, Result<Fetched, RedisError>)>,
    stop: CancellationToken,
    draining: CancellationToken,
    /// Which entries are done, under `guarantee: exactly_once`.
    done: Option<Arc<DoneEntries>>,
}

/// How long to wait for a read on closing before it is interrupted.
const LAST_READ: Duration = Duration::from_secs(3);

#[async_trait]
impl Source for RedisStream {
    const TYPE: &'static str = "redis_stream";
    type Params = RedisStreamParams;

    fn check(conf: &SourceConf, params: &RedisStreamParams) -> Vec<(String, String)> {
        params.misfits(conf)
    }

    /// Which entries are done is kept for each reader, until Redis has confirmed that it
    /// acknowledged them.
    fn redelivery(_: &SourceConf, _: &RedisStreamParams) -> Redelivery {
        Redelivery::Recognized
    }

    /// # Errors
    ///
    /// A [`RedisError`]: no server is reached within `connect_timeout_ms`, or it refuses the
    /// connection, the password or the database; the key is not a stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no connection and no task behind.
    async fn open(
        conf: &SourceConf,
        params: RedisStreamParams,
        context: SourceContext,
    ) -> Result<Self> {
        let settings = params.connection();
        let (control, connection) = tokio::try_join!(
            Connection::open(&conf.addrs, &settings, &conf.sname),
            Connection::open(&conf.addrs, &settings, &conf.sname)
        )?;
        let name = if conf.group.is_empty() { context.flow() } else { &conf.group };
        let lease = params.lease;
        let is_exactly_once = context.is_exactly_once();
        let has_begun =
            is_exactly_once && DoneEntries::has_begun(&context, &conf.key, name).await?;
        let group = Arc::new(Group::open(control, conf, name, lease, has_begun).await?);
        let draining = context.draining().clone();
        if is_exactly_once && let Some(why) = persistence::may_lose(&connection).await? {
            tracing::warn!(
                source = %conf.sname,
                "acknowledgements may be lost, and their rows count again: {why}"
            );
        }
        let done = match is_exactly_once {
            true => Some(Arc::new(DoneEntries::open(context, group.clone()).await?)),
            false => None,
        };
        let source = Self {
            group,
            connection: Arc::new(connection),
            reading: Reading {
                is_ordered: conf.ordered != Ordered::No,
                rows: usize::try_from(conf.batch.rows).unwrap_or(usize::MAX).max(1),
                wait: conf.batch.wait,
                field: RowField::new(params.field.as_deref()),
            },
            reader: None,
            reads: JoinSet::new(),
            stop: CancellationToken::new(),
            draining,
            done,
        };
        Ok(source)
    }

    /// # Errors
    ///
    /// A [`RedisError`]: the connection is lost or silent, or Redis refuses. The next call finds
    /// the rows again that were being sent.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the read continues, and the next call takes its result.
    async fn next(&mut self) -> Result<Option<Delivery>> {
        loop {
            self.read_on();
            let Some(read) = self.reads.join_next().await else { continue };
            let fetched = match read {
                Ok((reader, fetched)) => {
                    self.reader = Some(reader);
                    fetched?
                }
                Err(cause) => {
                    let mut reader = self.new_reader();
                    reader.look_for_lost();
                    self.reader = Some(reader);
                    return Err(cause.into());
                }
            };
            if fetched.at.elapsed() > self.group.lease / 3 {
                // It was fetched ahead and not asked for: others may take it before it is renewed.
                // What is still ours is read again, with a new lease.
                drop(fetched);
                if let Some(reader) = &mut self.reader {
                    reader.look_for_lost();
                }
                continue;
            }
            // What waits for too long is taken over, and this reader with it.
            let is_ahead = fetched.full && self.done.is_none();
            if is_ahead && !self.draining.is_cancelled() {
                self.read_on();
            }
            let Fetched { rows, held, ids, .. } = fetched;
            let kept = self.done.as_ref().zip(ids).map(|(done, ids)| done.hand_out(ids));
            let (handed_out, position) = kept.unzip();
            let receipt = EntryReceipt { group: self.group.clone(), held, handed_out };
            let delivery = Delivery::new(Batch::json(rows), receipt);
            return Ok(Some(match position {
                Some(position) => delivery.keep(part(&self.group, &self.group.consumer), position),
                None => delivery,
            }));
        }
    }

    /// What the group has not been given to read; `None` before Redis 7, and where Redis has lost
    /// count.
    async fn lag(&mut self) -> Result<Option<u64>> {
        Ok(self.group.lag().await?)
    }

    /// Gives back what was fetched. This reader's name leaves the group as well, unless entries are
    /// still under it: then those who take them over remove it, later on.
    ///
    /// # Errors
    ///
    /// A [`RedisError`]: the connection is lost or silent. What was fetched then comes again after
    /// its lease.
    async fn close(mut self) -> Result<()> {
        self.stop.cancel();
        let end = Instant::now() + LAST_READ;
        while !self.reads.is_empty() && Instant::now() < end {
            // A read that blocks answers at once when it is told to.
            for client in self.connection.pool.clients() {
                let _ = timeout(LAST_READ / 10, client.unblock_self(None)).await;
            }
            let _ = timeout(LAST_READ / 60, self.reads.join_next()).await;
        }
        self.reads.abort_all();
        if let Some(done) = &self.done {
            done.close().await;
        }
        Ok(self.group.leave().await?)
    }
}

impl RedisStream {
    /// Reads, unless it does already.
    fn read_on(&mut self) {
        if self.reads.is_empty() {
            let mut reader = self.reader.take().unwrap_or_else(|| self.new_reader());
            self.reads.spawn(async move {
                let fetched = reader.fetch().await;
                (reader, fetched)
            });
        }
    }

    fn new_reader(&self) -> Box<Reader> {
        let (group, connection) = (self.group.clone(), self.connection.clone());
        let (reading, stop) = (self.reading.clone(), self.stop.clone());
        Box::new(Reader::new(group, connection, reading, stop, self.done.clone()))
    }
}

impl std::fmt::Debug for RedisStream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RedisStream")
            .field("addrs", &self.group.place())
            .field("stream", &self.group.stream)
            .field("group", &self.group.name)
            .field("consumer", &self.group.consumer)
            .finish_non_exhaustive()
    }
}
