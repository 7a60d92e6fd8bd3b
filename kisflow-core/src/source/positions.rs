//! [`Positions`]: how far the parts of a source are done, as the store has it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;

use crate::{
    durable::{Check, Commit, CommitError, CommitId, Durable, Entry, Key, Scan, key_parts},
    error::Result,
    millis::since_epoch,
};

/// The space of positions.
pub(super) const SPACE: &str = "positions";
/// The space of the times at which they were kept, in milliseconds since 1970.
pub(super) const KEPT: &str = "positions_kept";
/// How many positions are read at once.
const PAGE: usize = 500;

/// What the keys of a source and flow begin with.
pub(super) fn prefix(source: &str, flow: &str) -> Key {
    Key::new(SPACE).text(source).text(flow)
}

/// The durable positions of a source without a server: one set for each source and flow.
///
/// The source reads them when it opens. Its deliveries say which positions the engine
/// [keeps](crate::Delivery::keep) when they are done; a source whose broker redelivers rows also
/// changes those of other readers, see [`keep`](Self::keep).
///
/// A position is an entry of the space `positions`, with the key (source, flow, part); the space
/// `positions_kept` has the time at which it was kept, in milliseconds since 1970, under the same
/// key.
#[derive(Clone)]
pub struct Positions {
    durable: Arc<dyn Durable>,
    key: Key,
    known: Arc<Mutex<KnownVersions>>,
}

/// What the store had when it was last read or written.
#[derive(Default)]
struct KnownVersions {
    /// The commit that wrote the position of each part.
    versions: HashMap<Arc<str>, Option<CommitId>>,
    /// Parts of which a change had no answer.
    unsure: HashSet<Arc<str>>,
    /// Whether parts that are missing have no position.
    is_complete: bool,
}

/// The new position of a part; `None` removes it.
pub(crate) type Change = (Arc<str>, Option<Bytes>);

impl Positions {
    pub(crate) fn new(durable: Arc<dyn Durable>, source: &str, flow: &str) -> Self {
        Self { durable, key: prefix(source, flow), known: Arc::default() }
    }

    pub(super) fn store(&self) -> &Arc<dyn Durable> {
        &self.durable
    }

    /// The same positions, of which nothing is known yet.
    #[cfg(feature = "conformance")]
    pub(crate) fn anew(&self) -> Self {
        Self { known: Arc::default(), ..self.clone() }
    }

    /// Returns the last position of `part` of the source (a path), if there is one.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn load(&self, part: &str) -> Result<Option<Bytes>> {
        let found = self.read(&[part]).await?.into_iter().flatten().next();
        Ok(found.map(|entry| entry.value))
    }

    /// Returns the last position of each part that has one.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn all(&self) -> Result<BTreeMap<String, Bytes>> {
        let mut all = BTreeMap::new();
        let mut versions = HashMap::new();
        for (part, Entry { value, version }) in self.entries().await? {
            versions.insert(part.as_str().into(), Some(version));
            all.insert(part, value);
        }
        let unsure = HashSet::new();
        *self.known() = KnownVersions { versions, unsure, is_complete: true };
        Ok(all)
    }

    /// Returns the last position of each part that has one, as [`all`](Self::all) does, for a look
    /// while this reader keeps positions: what others have changed is not taken as known.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn peek(&self) -> Result<BTreeMap<String, Bytes>> {
        let entries = self.entries().await?;
        Ok(entries.into_iter().map(|(part, entry)| (part, entry.value)).collect())
    }

    /// Keeps a position now, apart from any delivery; `None` removes it. For a part of which no
    /// delivery on its way keeps a position. Any other reader that keeps positions of the part finds
    /// that they were changed, and is opened anew.
    ///
    /// # Errors
    ///
    /// When the store fails, or another reader has kept a position of the part since it was last
    /// read here. [Read](Self::load) it then, and try again: it may have been kept.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may be kept or not, as after an error.
    pub async fn keep(&self, part: &str, position: Option<Bytes>) -> Result<()> {
        let change: [Change; 1] = [(part.into(), position)];
        let commit = self.add_to(Commit::new(), change.iter()).await?;
        self.known().unsure.insert(part.into());
        let kept = self.apply(&commit, change.iter()).await;
        if kept.is_ok() {
            self.known().unsure.remove(part);
        }
        kept.map_err(CommitError::into_cause)
    }

    /// Removes the positions of parts for which `is_old` says so, in one commit. If others change one
    /// of them meanwhile, none is removed, and it returns `false`. Of the parts no delivery on its way
    /// may keep a position.
    ///
    /// # Errors
    ///
    /// When the store fails; some may have been removed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, they may be removed or not.
    pub async fn forget_old(
        &self,
        parts: &[Arc<str>],
        is_old: impl Fn(&str, &Bytes) -> bool + Send,
    ) -> Result<bool> {
        let keys: Vec<Key> = parts.iter().map(|part| self.key.clone().text(part)).collect();
        let found = self.durable.read(&keys).await?;
        let mut commit = Commit::new();
        let mut removed = Vec::new();
        for ((part, key), entry) in parts.iter().zip(keys).zip(found) {
            let Some(entry) = entry.filter(|entry| is_old(part, &entry.value)) else { continue };
            commit = commit.remove(key.in_space(KEPT)).remove_unchanged(key, &entry);
            removed.push((part.clone(), None));
        }
        if removed.is_empty() {
            return Ok(true);
        }
        self.known().unsure.extend(removed.iter().map(|(part, _)| part.clone()));
        match self.apply(&commit, removed.iter()).await {
            Ok(()) => {
                let mut known = self.known();
                known.unsure.retain(|part| !removed.iter().any(|(gone, _)| gone == part));
                Ok(true)
            }
            Err(CommitError::Conflict(_) | CommitError::Lost) => Ok(false),
            Err(error) => Err(error.into_cause()),
        }
    }

    /// All entries, by their parts.
    async fn entries(&self) -> Result<Vec<(String, Entry)>> {
        let mut entries = Vec::new();
        // The future of `each_page` would not be `Send`.
        let mut scan = Scan::of(SPACE).prefix(self.key.bytes()).limit(PAGE);
        loop {
            let page = self.durable.scan(&scan).await?;
            let Some((last, _)) = page.last() else { break };
            scan = scan.after(last.clone());
            for (key, entry) in page {
                let part = key_parts(&key).last().and_then(std::result::Result::ok);
                let Some(part) = part.as_ref().and_then(|part| part.as_text()) else { continue };
                entries.push((part.to_owned(), entry));
            }
        }
        Ok(entries)
    }

    /// Makes a commit of the first changes, as many as the store takes at once, and says how many.
    /// It takes effect only if the positions are those that were last read or kept here.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(super) async fn commit<'c>(
        &self,
        changes: impl Iterator<Item = &'c Change> + Clone,
    ) -> Result<(Commit, usize)> {
        let (limits, now) = (self.durable.limits(), since_epoch::of(SystemTime::now()).to_string());
        let (mut room, mut count) = (limits, 0);
        for (part, position) in changes.clone() {
            let length = self.key.clone().text(part).bytes().len();
            let bytes = 2 * length + position.as_ref().map_or(0, Bytes::len) + now.len();
            if count > 0 && (room.keys < 2 || room.bytes < bytes) {
                break;
            }
            room.keys = room.keys.saturating_sub(2);
            room.bytes = room.bytes.saturating_sub(bytes);
            count += 1;
        }
        Ok((self.add_to(Commit::new(), changes.take(count)).await?, count))
    }

    /// Adds changes to a commit. It takes effect only if the positions are those that were last read
    /// or kept here; [`applied`](Self::applied) has to be told then.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(crate) async fn add_to<'c>(
        &self,
        mut commit: Commit,
        changes: impl Iterator<Item = &'c Change> + Clone,
    ) -> Result<Commit> {
        self.learn(changes.clone().map(|(part, _)| &**part)).await?;
        let now = since_epoch::of(SystemTime::now()).to_string();
        let known = self.known();
        for (part, position) in changes {
            let key = self.key.clone().text(part);
            let version = known.versions.get(part).copied().flatten();
            let check = version.map_or(Check::Absent, Check::Version);
            commit = match position {
                Some(position) => commit
                    .check(key.clone(), check)
                    .put(key.in_space(KEPT), now.clone())
                    .put(key, position.clone()),
                None if version.is_some() => {
                    commit.check(key.clone(), check).remove(key.in_space(KEPT)).remove(key)
                }
                None => commit,
            };
        }
        Ok(commit)
    }

    /// Applies a commit of [`commit`](Self::commit) for these changes.
    ///
    /// # Errors
    ///
    /// See [`Durable::commit`].
    pub(super) async fn apply<'c>(
        &self,
        commit: &Commit,
        changes: impl Iterator<Item = &'c Change>,
    ) -> std::result::Result<(), CommitError> {
        if !commit.is_empty() {
            self.durable.commit(commit).await?;
        }
        self.applied(commit.id(), changes);
        Ok(())
    }

    /// A commit to which these changes were added has taken effect.
    pub(crate) fn applied<'c>(&self, id: CommitId, changes: impl Iterator<Item = &'c Change>) {
        let mut known = self.known();
        for (part, position) in changes {
            if position.is_none() && known.is_complete {
                known.versions.remove(part);
            } else {
                known.versions.insert(part.clone(), position.as_ref().map(|_| id));
            }
        }
    }

    /// Whether an entry is one of these positions.
    pub(crate) fn has_key(&self, key: &Key) -> bool {
        key.space() == SPACE && key.bytes().starts_with(self.key.bytes())
    }

    /// Reads the versions of parts that are not known.
    async fn learn<'p>(&self, parts: impl Iterator<Item = &'p str>) -> Result<()> {
        let unknown: Vec<&str> = {
            let known = self.known();
            let is_unknown = |part: &&str| {
                known.unsure.contains(*part)
                    || !known.is_complete && !known.versions.contains_key(*part)
            };
            parts.filter(is_unknown).collect()
        };
        if !unknown.is_empty() {
            self.read(&unknown).await?;
        }
        Ok(())
    }

    /// Reads the entries of parts, and remembers their versions.
    async fn read(&self, parts: &[&str]) -> Result<Vec<Option<Entry>>> {
        let keys: Vec<Key> = parts.iter().map(|part| self.key.clone().text(part)).collect();
        let found = self.durable.read(&keys).await?;
        let versions = found.iter().map(|entry| entry.as_ref().map(|entry| entry.version));
        let mut known = self.known();
        for (part, version) in parts.iter().zip(versions) {
            known.unsure.remove(*part);
            match version {
                // That it has none is known already.
                None if known.is_complete => drop(known.versions.remove(*part)),
                version => drop(known.versions.insert(Arc::from(*part), version)),
            }
        }
        drop(known);
        Ok(found)
    }

    fn known(&self) -> MutexGuard<'_, KnownVersions> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Positions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Positions({})", self.key)
    }
}
