//! [`RedisStream`]: a source that reads a Redis Stream, as a reader of a consumer group.

mod entry;
mod group;
mod id;
mod in_flight;
mod params;
mod reader;
mod receipt;

use std::{sync::Arc, time::Duration};

use fred::interfaces::ClientInterface;
use kisflow_core::{
    Batch, CancellationToken, Delivery, Result, Source, SourceConf, SourceContext, async_trait,
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

pub use self::params::RedisStreamParams;
use self::{
    entry::RowField,
    group::Group,
    reader::{Fetched, Reader, Reading},
    receipt::EntryReceipt,
};
use crate::{connection::Connection, error::RedisError};

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
/// `key` is the stream, and `group` the consumer group (default: the flow's name). Group and stream
/// are made if they are not there; `start` says where a new group begins: `earliest`, `latest`, or
/// behind an entry's id. A group that is there goes on where it was, whatever `start` says; the log
/// tells. Where a group has vanished (the stream was deleted, or Redis came back without its data)
/// it is made again at its start: rows come again rather than not at all.
///
/// The position of a row is the id of its entry. Rows that are done are acknowledged with one `XACK`
/// a batch; entries stay in the stream, whose length is for those to bound who write it. Rows of a
/// reader that died are taken over by the others, in the order of the stream, when their lease has
/// passed; at most a quarter of a lease or 2 seconds later, whichever is less. A row that comes again
/// may then come behind younger ones. An entry that is deleted while it is pending is not seen again.
///
/// A user who may not run `XGROUP` or `XINFO` reads a group that is there; the page on Redis users
/// has the permissions of each task.
///
/// Each reader has a name of its own in the group, and two connections: one for reads that block, one
/// for all else. It fetches at most one batch ahead of the engine. Names of readers that are gone are
/// removed when they have nothing pending and were silent for twenty leases.
pub struct RedisStream {
    group: Arc<Group>,
    connection: Arc<Connection>,
    reading: Reading,
    /// Here unless it reads.
    reader: Option<Box<Reader>>,
    /// At most one read, which goes on when `next` is dropped: the server may have answered it, and
    /// what it answered is ours.
    reads: JoinSet<(Box<Reader>, Result<Fetched, RedisError>)>,
    stop: CancellationToken,
    draining: CancellationToken,
}

/// How long a read is waited for on closing until it is cut off.
const LAST_READ: Duration = Duration::from_secs(3);

#[async_trait]
impl Source for RedisStream {
    const TYPE: &'static str = "redis_stream";
    type Params = RedisStreamParams;

    fn check(conf: &SourceConf, params: &RedisStreamParams) -> Vec<(String, String)> {
        params.misfits(conf)
    }

    /// # Errors
    ///
    /// A [`RedisError`]: no server is reached within `connect_timeout_ms`, or it refuses the
    /// connection, the password or the database; the key holds no stream.
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
        let source = Self {
            group: Arc::new(Group::open(control, conf, name, lease).await?),
            connection: Arc::new(connection),
            reading: Reading {
                rows: usize::try_from(conf.batch.rows).unwrap_or(usize::MAX).max(1),
                wait: conf.batch.wait,
                field: RowField::new(params.field.as_deref()),
            },
            reader: None,
            reads: JoinSet::new(),
            stop: CancellationToken::new(),
            draining: context.draining().clone(),
        };
        Ok(source)
    }

    /// # Errors
    ///
    /// A [`RedisError`]: the connection is lost or silent, or Redis refuses. What was on its way is
    /// found again by the next call.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the read goes on, and the next call takes it up.
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
            if fetched.full && !self.draining.is_cancelled() {
                self.read_on();
            }
            let Fetched { rows, held, .. } = fetched;
            let receipt = EntryReceipt { group: self.group.clone(), held };
            return Ok(Some(Delivery::new(Batch::json(rows), receipt)));
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
        Box::new(Reader::new(group, connection, self.reading.clone(), self.stop.clone()))
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
