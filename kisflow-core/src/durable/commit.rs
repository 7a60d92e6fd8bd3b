//! [`Commit`]: an atomic set of checks and changes.

use std::collections::{BTreeMap, btree_map::Entry as Slot};

use bytes::Bytes;

use super::{Change, Check, CommitError, CommitId, Entry, Key, Limits};

/// The most bytes of a space's name.
const MOST_SPACE_BYTES: usize = 255;

/// An atomic set of checks and changes.
///
/// If the answer to a commit is cut off, the same commit is sent again, and must not take effect
/// twice. So a commit with checks, additions or appended values has to check at least one entry that
/// it puts, or [by its version](Check::Version) one that it removes. A commit that only puts and
/// removes needs no check: sent again, it does the same again.
///
/// ```
/// use kisflow_core::durable::{Commit, Durable, Key, MemoryStore};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let store = MemoryStore::default();
/// let key = Key::new("positions").text("orders");
/// store.commit(&Commit::new().put_new(key.clone(), "17")).await?;
///
/// let found = store.read(&[key.clone()]).await?;
/// let next = Commit::new().replace(key.clone(), found[0].as_ref(), "18");
/// store.commit(&next).await?;
/// // Somebody else, who has seen 17:
/// let late = Commit::new().replace(key, found[0].as_ref(), "19");
/// assert!(store.commit(&late).await.is_err());
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a commit does nothing until it is given to a store"]
pub struct Commit {
    id: CommitId,
    is_sent_again: bool,
    checks: BTreeMap<Key, Check>,
    changes: BTreeMap<Key, Change>,
    appended: Vec<(Key, Bytes)>,
    /// A key with checks or changes that do not fit together.
    unfit: Option<Key>,
}

impl Default for Commit {
    fn default() -> Self {
        Self::new()
    }
}

impl Commit {
    /// An empty commit, with an id of its own.
    pub fn new() -> Self {
        Self::with_id(CommitId::new())
    }

    /// An empty commit with the id of another: for an engine that receives it from another process.
    pub const fn with_id(id: CommitId) -> Self {
        Self {
            id,
            is_sent_again: false,
            checks: BTreeMap::new(),
            changes: BTreeMap::new(),
            appended: Vec::new(),
            unfit: None,
        }
    }

    /// Requires something of an entry.
    pub fn check(mut self, key: Key, check: Check) -> Self {
        match self.checks.entry(key) {
            Slot::Vacant(slot) => drop(slot.insert(check)),
            Slot::Occupied(slot) if *slot.get() == check => {}
            Slot::Occupied(slot) => self.unfit = Some(slot.key().clone()),
        }
        self
    }

    /// Requires that an entry is as it was read.
    pub fn check_unchanged(self, key: Key, read: Option<&Entry>) -> Self {
        let check = read.map_or(Check::Absent, |entry| Check::Version(entry.version));
        self.check(key, check)
    }

    /// Sets an entry, whatever it was.
    pub fn put(self, key: Key, value: impl Into<Bytes>) -> Self {
        self.change(key, Change::Put(value.into()))
    }

    /// Sets an entry that must not be there.
    pub fn put_new(self, key: Key, value: impl Into<Bytes>) -> Self {
        self.check(key.clone(), Check::Absent).put(key, value)
    }

    /// Sets an entry that must be as it was read.
    pub fn replace(self, key: Key, read: Option<&Entry>, value: impl Into<Bytes>) -> Self {
        self.check_unchanged(key.clone(), read).put(key, value)
    }

    /// Removes an entry, if there is one.
    pub fn remove(self, key: Key) -> Self {
        self.change(key, Change::Remove)
    }

    /// Removes an entry that must be as it was read.
    pub fn remove_unchanged(self, key: Key, read: &Entry) -> Self {
        self.check(key.clone(), Check::Version(read.version)).remove(key)
    }

    /// Adds to a counter.
    pub fn add(self, key: Key, by: i64) -> Self {
        self.change(key, Change::Add { by, max: None })
    }

    /// Adds to a counter, unless it would be greater than `max` then.
    pub fn add_up_to(self, key: Key, by: i64, max: i64) -> Self {
        self.change(key, Change::Add { by, max: Some(max) })
    }

    /// Appends a value to a group. The engine gives it the next number, from 1 on: the entry's key
    /// is the group's, followed by the number in eight bytes, most significant first. The group's
    /// own key holds the last number, as a counter.
    ///
    /// The numbers of a group become visible in order, so a reader that continues behind the last
    /// number misses none.
    pub fn append(mut self, group: Key, value: impl Into<Bytes>) -> Self {
        self.appended.push((group, value.into()));
        self
    }

    /// Makes a change. The later of two values or removals of a key wins; any other two changes of a
    /// key make the commit invalid.
    pub fn change(mut self, key: Key, change: Change) -> Self {
        let is_set = |change: &Change| matches!(change, Change::Put(_) | Change::Remove);
        match self.changes.entry(key) {
            Slot::Vacant(slot) => drop(slot.insert(change)),
            Slot::Occupied(mut slot) if is_set(slot.get()) && is_set(&change) => {
                slot.insert(change);
            }
            Slot::Occupied(slot) => self.unfit = Some(slot.key().clone()),
        }
        self
    }

    /// Adds all that another commit requires and changes.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (key, check) in other.checks {
            self = self.check(key, check);
        }
        for (key, change) in other.changes {
            self = self.change(key, change);
        }
        self.appended.extend(other.appended);
        self.unfit = self.unfit.or(other.unfit);
        self
    }

    /// Marks the commit as one that was sent before without an answer.
    pub fn sent_again(mut self) -> Self {
        self.is_sent_again = true;
        self
    }

    /// The id, which is the version of every entry that the commit puts.
    #[must_use]
    pub const fn id(&self) -> CommitId {
        self.id
    }

    /// Whether it was sent before without an answer.
    #[must_use]
    pub const fn is_sent_again(&self) -> bool {
        self.is_sent_again
    }

    /// What it requires, in the order of the keys.
    #[must_use]
    pub fn checks(&self) -> impl ExactSizeIterator<Item = (&Key, &Check)> {
        self.checks.iter()
    }

    /// What it changes, in the order of the keys, without what it appends.
    #[must_use]
    pub fn changes(&self) -> impl ExactSizeIterator<Item = (&Key, &Change)> {
        self.changes.iter()
    }

    /// What it appends to which group, in the order of the calls.
    #[must_use]
    pub fn appends(&self) -> impl ExactSizeIterator<Item = (&Key, &Bytes)> {
        self.appended.iter().map(|(group, value)| (group, value))
    }

    /// Commits that make these changes in their order, as few as the limits allow. `None` removes an
    /// entry. If a commit fails, those before it have taken effect.
    pub fn split(
        changes: impl IntoIterator<Item = (Key, Option<Bytes>)>,
        limits: Limits,
    ) -> Vec<Self> {
        let mut commits: Vec<Self> = Vec::new();
        let mut room = Limits { keys: 0, ..limits };
        for (key, value) in changes {
            let bytes = key.bytes().len() + value.as_ref().map_or(0, Bytes::len);
            let commit = match commits.pop() {
                Some(commit) if room.keys > 0 && room.bytes >= bytes => commit,
                full => {
                    commits.extend(full);
                    room = limits;
                    Self::new()
                }
            };
            room.keys = room.keys.saturating_sub(1);
            room.bytes = room.bytes.saturating_sub(bytes);
            commits.push(match value {
                Some(value) => commit.put(key, value),
                None => commit.remove(key),
            });
        }
        commits
    }

    #[cfg(test)]
    pub(crate) fn without_checks_of_others(mut self) -> Self {
        self.checks.retain(|key, _| self.changes.contains_key(key));
        self
    }

    /// Whether it does nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.changes.is_empty() && self.appended.is_empty()
    }

    /// The entries by which an engine recognises that the commit took effect before: those that it
    /// checks and puts. They have its id as their version then.
    pub fn marks(&self) -> impl Iterator<Item = &Key> {
        let is_put = |key: &&Key| matches!(self.changes.get(key), Some(Change::Put(_)));
        self.checks.keys().filter(is_put)
    }

    /// How large it is, in the measures of [`Limits`].
    #[must_use]
    pub fn size(&self) -> Limits {
        let bound = |check: &Check| match check {
            Check::Below(bytes) => bytes.len(),
            Check::Absent | Check::Version(_) => 0,
        };
        let checks = self.checks.iter().filter(|(key, _)| !self.changes.contains_key(key));
        let sizes = checks.map(|(key, _)| key.bytes().len());
        let bounds: usize = self.checks.values().map(bound).sum();
        let sizes = sizes
            .chain(self.changes.iter().map(|(key, change)| key.bytes().len() + change.len()))
            .chain(self.appended.iter().map(|(group, value)| group.bytes().len() + value.len()));
        let size = sizes.fold((0, bounds), |(keys, sum), bytes| (keys + 1, sum + bytes));
        let longest = self.keys().map(|key| key.bytes().len()).max();
        Limits { keys: size.0, bytes: size.1, key_bytes: longest.unwrap_or(0) }
    }

    /// The bytes of its largest value.
    fn largest(&self) -> usize {
        let appended = self.appended.iter().map(|(_, value)| value.len());
        self.changes.values().map(Change::len).chain(appended).max().unwrap_or(0)
    }

    /// The keys of its checks, its changes and its groups; a key may come several times.
    fn keys(&self) -> impl Iterator<Item = &Key> {
        let groups = self.appended.iter().map(|(group, _)| group);
        self.checks.keys().chain(self.changes.keys()).chain(groups)
    }

    /// Checks what engines rely on, before they do anything.
    ///
    /// # Errors
    ///
    /// [`CommitError::Invalid`] and [`CommitError::TooLarge`].
    pub fn validate(&self, limits: Limits) -> Result<(), CommitError> {
        let mut size = self.size();
        size.bytes -= self.largest();
        if !size.fits(limits) {
            return Err(CommitError::TooLarge { size, limits });
        }
        let invalid = |why: String| Err(CommitError::Invalid(why));
        if let Some(key) = &self.unfit {
            return invalid(format!("two checks or changes of {key} do not fit together"));
        }
        let is_put = |key: &Key| matches!(self.changes.get(key), Some(Change::Put(_)));
        if let Some(key) = self.keys().find(|key| key.space().len() > MOST_SPACE_BYTES) {
            let most = MOST_SPACE_BYTES;
            return invalid(format!("the space of {key} has a name of more than {most} bytes"));
        }
        for (key, check) in &self.checks {
            if *check == Check::Absent && !is_put(key) {
                return invalid(format!("{key} must be absent, but is not put"));
            }
            if *check == Check::Version(CommitId::NONE) {
                return invalid(format!("{key} is a counter, which cannot be checked"));
            }
        }
        let counters =
            self.changes.iter().filter(|(_, change)| matches!(change, Change::Add { .. }));
        let counters = counters.map(|(key, _)| key).chain(self.appended.iter().map(|(key, _)| key));
        if let Some(key) = counters.clone().find(|key| self.checks.contains_key(key)) {
            return invalid(format!("{key} is a counter, which cannot be checked"));
        }
        if let Some((group, _)) =
            self.appended.iter().find(|(group, _)| self.changes.contains_key(group))
        {
            return invalid(format!("{group} is both changed and appended to"));
        }
        // A bound holds again after the entry is removed, a version does not.
        let is_recognised = self.checks.iter().any(|(key, check)| match self.changes.get(key) {
            Some(Change::Put(_)) => true,
            Some(Change::Remove) => matches!(check, Check::Version(_)),
            _ => false,
        });
        let needs_check = !self.checks.is_empty() || counters.count() > 0;
        if needs_check && !is_recognised {
            return invalid(
                "it checks no entry that it puts, or removes by its version, so it could take effect twice"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Returns the error for checks that fail: [`Lost`](CommitError::Lost) for a commit that was
    /// sent before, because that may have been what changed the entries.
    #[must_use]
    pub fn refused(&self, conflicts: Vec<Key>) -> CommitError {
        match self.is_sent_again {
            true => CommitError::Lost,
            false => CommitError::Conflict(conflicts),
        }
    }

    /// Returns the error for a key whose entry is a counter where the commit needs a value, or a
    /// value where it needs a counter.
    #[must_use]
    pub fn wrong_kind(&self, key: &Key) -> CommitError {
        let is_group = self.appended.iter().any(|(group, _)| group == key);
        let is_added = matches!(self.changes.get(key), Some(Change::Add { .. }));
        CommitError::Invalid(match (is_group || is_added, self.changes.get(key)) {
            (true, _) => {
                format!("{key} has a value; remove it before you use the key as a counter")
            }
            (false, Some(Change::Put(_))) => {
                format!("{key} is a counter; remove it before you put a value there")
            }
            (false, _) => format!("{key} is a counter, which cannot be checked"),
        })
    }

    pub(super) fn checks_key(&self, key: &Key) -> bool {
        self.checks.contains_key(key)
    }

    /// The entries that it appends, and the last number of each group afterwards. `last` returns
    /// the last number of a group before.
    pub fn numbered(
        &self,
        mut last: impl FnMut(&Key) -> i64,
    ) -> (Vec<(Key, Bytes)>, BTreeMap<Key, i64>) {
        let mut numbers: BTreeMap<Key, i64> = BTreeMap::new();
        let mut entries = Vec::with_capacity(self.appended.len());
        for (group, value) in &self.appended {
            let number = numbers.entry(group.clone()).or_insert_with(|| last(group));
            *number = number.saturating_add(1);
            entries.push((group.numbered(*number), value.clone()));
        }
        (entries, numbers)
    }
}
