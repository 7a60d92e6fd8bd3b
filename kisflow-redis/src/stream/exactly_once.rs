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

/// How often a position that others change is changed until it is an error.
const FENCES: u32 = 5;

/// How many pending entries are asked for at once.
const PAGE: usize = 1_000;

/// The entries that are done and whose acknowledgement Redis has not confirmed.
///
/// Each reader keeps its own as a position, whose part is the stream, the group, and its name in it.
/// What a delivery has changed is committed together with that position. A reader that takes over
/// entries first keeps the position of the one that had them, unchanged: that reader can commit nothing
/// from then on. Then it reads which of these entries are done, and only acknowledges them.
///
/// A further part is the stream and the group: if it exists and the group does not, the group was lost.
pub(super) struct DoneEntries {
    context: SourceContext,
    group: Arc<Group>,
    /// Those of this reader.
    unconfirmed: Arc<UnconfirmedIds<EntryId>>,
    /// Those of others, when entries were last taken over.
    of_others: Mutex<IdRanges<EntryId>>,
    /// Readers without a name in the group that had done nothing when they were last looked at.
    empty: Mutex<HashSet<String>>,
    /// Whether this reader has a position.
    is_registered: AtomicBool,
}

impl DoneEntries {
    /// Whether rows of the group have been read under this guarantee.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(super) async fn has_begun(
        context: &SourceContext,
        stream: &str,
        group: &str,
    ) -> Result<bool> {
        Ok(context.positions().load(&begun(stream, group)).await?.is_some())
    }

    /// # Errors
    ///
    /// When the store fails.
    pub(super) async fn open(context: SourceContext, group: Arc<Group>) -> Result<Self> {
        let positions = context.positions();
        let begun = begun(&group.stream, &group.name);
        if positions.load(&begun).await?.is_none() {
            // Several readers may begin at the same time.
            let kept = positions.keep(&begun, Some(IdRanges::<EntryId>::default().to_position()));
            if let (Err(error), None) = (kept.await, positions.load(&begun).await?) {
                return Err(error);
            }
        }
        Ok(Self {
            context,
            group,
            unconfirmed: Arc::default(),
            of_others: Mutex::default(),
            empty: Mutex::default(),
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
            let part = part(&self.group, &self.group.consumer);
            // An attempt before may have had no answer.
            self.positions().load(&part).await?;
            let none = IdRanges::<EntryId>::default().to_position();
            self.positions().keep(&part, Some(none)).await?;
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
            self.fence_one(&part(&self.group, reader)).await?;
        }
        let mut of_others = IdRanges::default();
        for done in self.of_other_readers().await?.values() {
            of_others.extend(done);
        }
        *self.of_others() = of_others;
        Ok(())
    }

    async fn fence_one(&self, part: &str) -> Result<()> {
        let mut attempts = 0;
        // One without a position has handed out nothing under this guarantee.
        while let Some(position) = self.positions().load(part).await? {
            match self.positions().keep(part, Some(position)).await {
                Ok(()) => return Ok(()),
                // It has committed meanwhile, or others take over from it as well.
                Err(_) if attempts < FENCES => attempts += 1,
                Err(error) => return Err(error),
            }
        }
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
        for reader in self.of_other_readers().await?.into_keys() {
            let part = part(&self.group, &reader);
            if alive.contains(&reader) {
                continue;
            }
            // Only the version that was examined is removed.
            let Some(position) = self.positions().load(&part).await? else { continue };
            let done = self.read(&reader, &position)?;
            // A reader that begins has a position before it has a name in the group.
            let is_new = done.is_empty() && self.empty().insert(reader);
            if is_new || self.has_pending(&done).await? {
                continue;
            }
            if let Err(error) = self.positions().keep(&part, None).await {
                // It has changed, or others have removed it. If not, the next look finds it.
                let error = error_chain(&*error).to_string();
                tracing::debug!(part, error, "the position of a reader stays");
            }
        }
        Ok(())
    }

    /// This reader ends, and all that it had is settled or given back.
    pub(super) async fn close(&self) {
        if self.is_registered.load(Ordering::Acquire) && self.unconfirmed.is_empty() {
            // If it stays, other readers remove it.
            if let Err(error) =
                self.positions().keep(&part(&self.group, &self.group.consumer), None).await
            {
                let error = error_chain(&*error).to_string();
                tracing::debug!(consumer = %self.group.consumer, error, "the position of a reader stays");
            }
        }
    }

    fn of_others(&self) -> MutexGuard<'_, IdRanges<EntryId>> {
        self.of_others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn empty(&self) -> MutexGuard<'_, HashSet<String>> {
        self.empty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn of_other_readers(&self) -> Result<BTreeMap<String, IdRanges<EntryId>>> {
        let all = self.positions().peek().await?;
        let mut others = BTreeMap::new();
        let of_group = part(&self.group, "");
        for (part, position) in &all {
            // Those of another stream are of a conf that has changed since.
            let Some(reader) = part.strip_prefix(&of_group) else { continue };
            if reader != self.group.consumer {
                others.insert(reader.to_owned(), self.read(reader, position)?);
            }
        }
        Ok(others)
    }

    fn read(&self, reader: &str, position: &[u8]) -> Result<IdRanges<EntryId>> {
        IdRanges::from_position(position).map_err(|error| {
            let message = format!(
                "the position of reader {reader} of stream {} cannot be read: {}; `positions reset` begins anew",
                self.group.stream,
                error_chain(&*error)
            );
            RedisError::answer(message, None).into()
        })
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

/// Returns the ids of a page as ranges. A range of new entries covers only ids of this reader.
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

/// Returns the part of a group. It exists if the group has been read, so that a lost group is not taken
/// for a new one. The names are quoted because they may contain blanks.
fn begun(stream: &str, group: &str) -> String {
    format!("{stream:?} {group:?}")
}

/// The part of a reader.
pub(super) fn part(group: &Group, reader: &str) -> String {
    format!("{} {reader}", begun(&group.stream, &group.name))
}
