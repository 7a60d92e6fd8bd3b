//! [`DoneEntries`]: which entries are done that Redis may hand out again, for a flow with
//! `guarantee: exactly_once`.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use fred::bytes::Bytes;
use kisflow_core::{
    HandedOut, IdRanges, Positions, Result, SourceContext, UnconfirmedIds, error_chain,
};

use super::{
    entry::Page,
    group::{Group, Pending},
    id::EntryId,
};
use crate::error::RedisError;

/// How many pending entries are asked for at once.
const PAGE: usize = 1_000;

/// The entries that are done and whose acknowledgement Redis has not confirmed.
///
/// Each reader keeps its own as a position, whose part is its name in the group. What a delivery has
/// changed is committed together with that position. A reader that takes over entries first keeps the
/// position of the one that had them, unchanged: that reader can commit nothing from then on. Then it
/// reads which of these entries are done, and only acknowledges them.
///
/// A further part has the name of the stream: it tells a group that was lost from one that is new.
pub(super) struct DoneEntries {
    context: SourceContext,
    group: Arc<Group>,
    /// Those of this reader.
    unconfirmed: Arc<UnconfirmedIds<EntryId>>,
    /// Those of others, when entries were last taken over.
    of_others: Mutex<IdRanges<EntryId>>,
    /// Whether this reader has a position.
    is_registered: AtomicBool,
}

impl DoneEntries {
    /// Whether rows of the group have been read under this guarantee.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(super) async fn has_begun(context: &SourceContext) -> Result<bool> {
        Ok(!context.positions().all().await?.is_empty())
    }

    /// # Errors
    ///
    /// When the store fails.
    pub(super) async fn open(context: SourceContext, group: Arc<Group>) -> Result<Self> {
        let positions = context.positions();
        let stream = &group.stream;
        if positions.load(stream).await?.is_none() {
            // Several readers may begin at the same time.
            let kept = positions.keep(stream, Some(IdRanges::<EntryId>::default().to_position()));
            if let (Err(error), None) = (kept.await, positions.load(stream).await?) {
                return Err(error);
            }
        }
        Ok(Self {
            context,
            group,
            unconfirmed: Arc::default(),
            of_others: Mutex::default(),
            is_registered: AtomicBool::new(false),
        })
    }

    /// Records ids in the order in which they are handed out. Returns the position of their delivery.
    pub(super) fn hand_out(&self, ids: IdRanges<EntryId>) -> (HandedOut<EntryId>, Bytes) {
        self.unconfirmed.hand_out(ids)
    }

    fn positions(&self) -> &Positions {
        self.context.positions()
    }

    /// Keeps a position for this reader, which others can change, before it hands out an entry.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(super) async fn register(&self) -> Result<()> {
        if !self.is_registered.load(Ordering::Acquire) {
            let none = IdRanges::<EntryId>::default().to_position();
            self.positions().keep(&self.group.consumer, Some(none)).await?;
            self.is_registered.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Before entries are taken over: lets those who have them commit nothing any more, and reads
    /// which entries are done.
    ///
    /// # Errors
    ///
    /// When the store fails, or a position cannot be read.
    pub(super) async fn fence(&self, expired: &[Pending]) -> Result<()> {
        let readers: BTreeSet<&str> = expired.iter().map(|entry| &*entry.consumer).collect();
        for reader in readers {
            if reader == self.group.consumer {
                continue;
            }
            // One without a position has handed out nothing under this guarantee.
            if let Some(position) = self.positions().load(reader).await? {
                self.positions().keep(reader, Some(position)).await?;
            }
        }
        let mut of_others = IdRanges::default();
        for done in self.of_other_readers().await?.values() {
            of_others.extend(done);
        }
        *self.of_others() = of_others;
        Ok(())
    }

    /// Takes out of a page what others have done, and acknowledges it.
    ///
    /// # Errors
    ///
    /// When Redis refuses or is lost.
    pub(super) async fn without_done(&self, mut page: Page) -> Result<Page, RedisError> {
        let of_others = self.of_others().clone();
        let is_done = |id: &Bytes| EntryId::read(id).is_some_and(|id| of_others.contains(&id));
        let done = page.take_out(is_done);
        self.group.acknowledge(&done).await?;
        self.context.count_repeated(done.len());
        Ok(page)
    }

    /// Removes the positions of readers that are gone, when Redis cannot hand out again what they
    /// have done. `alive` has the names in the group.
    ///
    /// # Errors
    ///
    /// When the store or Redis fails.
    pub(super) async fn sweep(&self, alive: &HashSet<String>) -> Result<()> {
        for (reader, done) in self.of_other_readers().await? {
            if alive.contains(&reader) || self.has_pending(&done).await? {
                continue;
            }
            if self.positions().load(&reader).await?.is_some() {
                self.positions().keep(&reader, None).await?;
            }
        }
        Ok(())
    }

    /// This reader ends, and all that it had is settled or given back.
    pub(super) async fn close(&self) {
        if self.is_registered.load(Ordering::Acquire) && self.unconfirmed.is_empty() {
            // If it stays, other readers remove it.
            if let Err(error) = self.positions().keep(&self.group.consumer, None).await {
                let error = error_chain(&*error).to_string();
                tracing::debug!(consumer = %self.group.consumer, error, "the position of a reader stays");
            }
        }
    }

    fn of_others(&self) -> MutexGuard<'_, IdRanges<EntryId>> {
        self.of_others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn of_other_readers(&self) -> Result<BTreeMap<String, IdRanges<EntryId>>> {
        let mut others = self.positions().peek().await?;
        others.remove(&self.group.consumer);
        others.remove(&self.group.stream);
        let read = |(reader, position): (String, Bytes)| {
            let done = IdRanges::from_position(&position).map_err(|error| {
                let Group { stream, .. } = &*self.group;
                RedisError::answer(format!(
                    "the position of reader {reader} of stream {stream} cannot be read: {}; `positions reset` begins anew", error_chain(&*error)
                ), None)
            })?;
            Ok((reader, done))
        };
        others.into_iter().map(read).collect()
    }

    /// Whether a reader of the group has one of these entries.
    async fn has_pending(&self, done: &IdRanges<EntryId>) -> Result<bool, RedisError> {
        let Some((first, last)) = done.bounds() else { return Ok(false) };
        let mut from = first.to_string();
        loop {
            let page = self.group.pending(&from, last, PAGE).await?;
            if page.iter().any(|entry| done.contains(&entry.id)) {
                return Ok(true);
            }
            match page.last() {
                Some(entry) if page.len() >= PAGE => from = format!("({}", entry.id),
                _ => return Ok(false),
            }
        }
    }
}

/// The ids of a page, with those between them that the group has given to nobody else.
pub(super) fn ids_of(page: &Page) -> IdRanges<EntryId> {
    let mut ids = IdRanges::default();
    let spans = page.spans.iter().map(|(first, last)| (first, last));
    let single = page.ids.iter().map(|id| (id, id));
    // Each id is in a span, or there are no spans.
    for (first, last) in spans.chain(single.filter(|_| page.spans.is_empty())) {
        if let (Some(first), Some(last)) = (EntryId::read(first), EntryId::read(last)) {
            ids.insert(first, last);
        }
    }
    ids
}
