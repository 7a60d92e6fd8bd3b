//! [`Reader`]: which entries come next, and how they are asked for.

mod takeover;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use fred::{
    bytes::Bytes,
    error::{Error as FredError, ErrorKind},
    interfaces::ClientLike,
    types::{CustomCommand, Resp3Frame, Value, config::Options},
};
use kisflow_core::{CancellationToken, IdRanges};
use tokio::time::{Instant, sleep, timeout};

use super::{
    entry::{Page, RowField, Unreadable},
    exactly_once::{DoneEntries, ids_of},
    foreign::{ForeignEntries, ForeignState},
    group::{Group, is_gone},
    id::EntryId,
    in_flight::Held,
};
use crate::{connection::Connection, error::RedisError};

/// How long a read waits for rows until it looks after other things. Short, because the server may
/// go on with a read for so long whose connection is gone, and gives it rows that nobody gets.
const BLOCK: Duration = Duration::from_secs(1);

/// How often a group that is gone is made again until one read is an error.
const REMAKES: u32 = 3;

/// Reads the entries of a group: what was lost on its way first, then what readers left behind that
/// are gone, then what is new. If the conf asks for an order, it waits for the former two.
pub(super) struct Reader {
    group: Arc<Group>,
    /// Reads that block have a connection of their own.
    connection: Arc<Connection>,
    reading: Reading,
    stop: CancellationToken,
    /// An answer may have been lost: entries behind this one are looked for among our own.
    lost: Option<Bytes>,
    /// When to look for lost entries again: a connection that is gone for us may have been there for
    /// the server for a while.
    look_again: Option<Instant>,
    /// Where taking over goes on that did not fit into one batch.
    claim_from: Option<EntryId>,
    next_claim: Instant,
    next_sweep: Option<Instant>,
    /// Entries of other readers that come first, if the rows are to keep their order.
    foreign: Option<ForeignEntries>,
    /// Which entries are done, under `guarantee: exactly_once`.
    done: Option<Arc<DoneEntries>>,
}

/// What the conf says of reading.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// Whether the rows are to keep their order.
    pub(super) is_ordered: bool,
    pub(super) rows: usize,
    pub(super) wait: Duration,
    pub(super) field: RowField,
}

/// Rows on their way to the engine.
pub(super) struct Fetched {
    pub(super) rows: Vec<Bytes>,
    pub(super) held: Held,
    pub(super) at: Instant,
    pub(super) full: bool,
    /// The ids of the rows, under `guarantee: exactly_once`.
    pub(super) ids: Option<IdRanges<EntryId>>,
}

/// Why a read gave nothing.
enum Trouble {
    /// The group is not there.
    NoGroup,
    /// What the server may have answered did not arrive.
    Lost(RedisError),
    /// Nothing was read.
    Refused(RedisError),
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        Self::Refused(error)
    }
}

impl Reader {
    pub(super) fn new(
        group: Arc<Group>,
        connection: Arc<Connection>,
        reading: Reading,
        stop: CancellationToken,
        done: Option<Arc<DoneEntries>>,
    ) -> Self {
        let now = Instant::now();
        let foreign = reading.is_ordered.then(ForeignEntries::default);
        Self {
            group,
            connection,
            reading,
            stop,
            lost: None,
            look_again: None,
            claim_from: None,
            next_claim: now,
            next_sweep: Some(now),
            foreign,
            done,
        }
    }

    /// Looks for entries first that are ours and that nobody here works on.
    pub(super) fn look_for_lost(&mut self) {
        self.lost = Some(Bytes::from_static(b"0"));
    }

    /// The next rows; none when it was told to stop.
    ///
    /// # Errors
    ///
    /// When the connection is lost or Redis refuses. What was on its way is found by the next call.
    pub(super) async fn fetch(&mut self) -> Result<Fetched, RedisError> {
        if let Some(done) = &self.done {
            // Before it has any entry: others have to be able to change its position.
            done.register().await.map_err(|error| self.unkept(&error))?;
        }
        let mut remakes = 0;
        let page = loop {
            if self.stop.is_cancelled() {
                break Page::default();
            }
            match self.step().await {
                Ok(page) if page.ids.is_empty() => {}
                Ok(page) => break page,
                Err(Trouble::NoGroup) if self.done.is_some() => return Err(self.group.lost()),
                Err(Trouble::NoGroup) if remakes < REMAKES => {
                    remakes += 1;
                    self.group.make_again().await?;
                }
                Err(trouble) => return Err(self.remember(trouble)),
            }
        };
        let full = page.ids.len() >= self.reading.rows;
        let ids = self.done.is_some().then(|| ids_of(&page));
        let held = self.group.in_flight.hold(page.ids);
        Ok(Fetched { rows: page.rows, held, at: Instant::now(), full, ids })
    }

    /// What a trouble means for the next read.
    fn remember(&mut self, trouble: Trouble) -> RedisError {
        match trouble {
            Trouble::Refused(error) => error,
            Trouble::Lost(error) => {
                self.look_for_lost();
                self.look_again = Some(Instant::now() + 2 * BLOCK);
                error
            }
            Trouble::NoGroup => {
                let Group { stream, name, .. } = &*self.group;
                let message = format!(
                    "the group {name} of stream {stream} at {} is removed as often as it is made",
                    self.group.place()
                );
                RedisError::answer(message, None)
            }
        }
    }

    async fn step(&mut self) -> Result<Page, Trouble> {
        let now = Instant::now();
        if self.look_again.is_some_and(|at| at <= now) {
            self.look_again = None;
            self.look_for_lost();
        }
        if let Some(after) = self.lost.clone() {
            return self.lost_entries(after).await;
        }
        if self.group.released.swap(false, Ordering::AcqRel) {
            self.next_claim = now;
        }
        if self.next_sweep.is_some_and(|at| at <= now) {
            self.sweep().await?;
        }
        if self.waits_for_order(now).await? {
            return Ok(Page::default());
        }
        if self.claim_from.is_some() || self.next_claim <= now {
            self.claim().await?;
            return Ok(Page::default());
        }
        let patience = self.next_claim.saturating_duration_since(now).min(BLOCK);
        let page = self.new_entries(self.reading.rows, Some(patience)).await?;
        if page.ids.is_empty() { Ok(page) } else { Ok(self.fill(page).await) }
    }

    /// Waits a while if older entries come first that cannot be had yet. Returns whether it did.
    async fn waits_for_order(&mut self, now: Instant) -> Result<bool, Trouble> {
        let mut waits = self.reading.is_ordered && self.look_again.is_some();
        if let Some(foreign) = &mut self.foreign {
            match foreign.state(&self.group).await? {
                ForeignState::None => self.foreign = None,
                ForeignState::Leased => waits = true,
                ForeignState::Free => self.next_claim = now,
            }
        }
        if waits {
            let pause = (self.group.lease / 8).clamp(Duration::from_millis(10), BLOCK);
            self.stop.run_until_cancelled(sleep(pause)).await;
        }
        Ok(waits)
    }

    /// Waits for a batch that is not full. What goes wrong meanwhile is for the next read to tell.
    async fn fill(&mut self, mut page: Page) -> Page {
        let wait = self.reading.wait;
        let end = Instant::now() + wait;
        // A batch of rows that come one by one is a few reads, not one for each.
        let pause = (wait / 8).max(Duration::from_millis(1));
        while page.ids.len() < self.reading.rows && Instant::now() < end {
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = sleep(pause.min(end.saturating_duration_since(Instant::now()))) => {}
            }
            match self.new_entries(self.reading.rows - page.ids.len(), None).await {
                Ok(more) => page.append(more),
                Err(trouble) => {
                    if matches!(trouble, Trouble::Lost(_)) {
                        self.remember(trouble);
                    }
                    break;
                }
            }
        }
        page
    }

    async fn new_entries(&self, rows: usize, block: Option<Duration>) -> Result<Page, Trouble> {
        Ok(self.read(rows, block, Value::from_static_str(">")).await?.of_new())
    }

    async fn read(
        &self,
        rows: usize,
        block: Option<Duration>,
        from: Value,
    ) -> Result<Page, Trouble> {
        let mut arguments = Vec::with_capacity(10);
        arguments.extend([
            Value::from_static_str("GROUP"),
            self.group.name.as_str().into(),
            self.group.consumer.as_str().into(),
            Value::from_static_str("COUNT"),
            rows.to_string().into(),
        ]);
        if let Some(block) = block {
            // 0 would be for ever.
            let ms = block.as_millis().max(1).to_string();
            arguments.extend([Value::from_static_str("BLOCK"), ms.into()]);
        }
        arguments.push(Value::from_static_str("STREAMS"));
        arguments.extend([self.group.stream.as_str().into(), from]);
        let answer = self.ask("XREADGROUP", block, arguments).await?;
        Page::of_streams(answer, &self.reading.field)
            .map_err(|odd| self.unreadable("XREADGROUP", odd))
    }

    async fn ask(
        &self,
        verb: &'static str,
        block: Option<Duration>,
        arguments: Vec<Value>,
    ) -> Result<Resp3Frame, Trouble> {
        let client = tokio::select! {
            biased;
            client = self.connection.ready() => client?,
            () = self.stop.cancelled() => return Ok(Resp3Frame::Null),
        };
        let limit = self.connection.command_timeout;
        let options = Options {
            timeout: Some(limit + block.unwrap_or_default()),
            ..self.connection.options.clone()
        };
        let command = CustomCommand::new_static(verb, self.group.slot(), block.is_some());
        match client.with_options(&options).custom_raw(command, arguments).await {
            Ok(Resp3Frame::SimpleError { data, .. }) => {
                let refused = FredError::new(ErrorKind::Unknown, data.to_string());
                match is_gone(&refused) {
                    true => Err(Trouble::NoGroup),
                    false => Err(Trouble::Refused(self.group.refused(verb, refused))),
                }
            }
            Ok(answer) => Ok(answer),
            Err(cause) => {
                if *cause.kind() == ErrorKind::Timeout {
                    // fred waits for a read that blocks as long as it takes. The new connection need
                    // not be waited for here.
                    let _ = timeout(Duration::from_millis(10), client.force_reconnection()).await;
                }
                Err(Trouble::Lost(RedisError::unanswered(&self.connection.place, limit, cause)))
            }
        }
    }

    fn unreadable(&self, verb: &'static str, _: Unreadable) -> Trouble {
        let Group { stream, .. } = &*self.group;
        let message = format!(
            "what {} answers to {verb} for the stream {stream} is no list of entries",
            self.group.place()
        );
        Trouble::Lost(RedisError::answer(message, None))
    }
}
