//! The suite passes an engine that keeps the rules, and catches those that break one.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use siphasher::sip128::{Hasher128, SipHasher13};
use tokio::task::yield_now;

use crate::{
    conformance::{durable, durable_random},
    durable::{
        Change, Commit, CommitError, CommitId, Decision, Durable, Entry, Key, Limits, MemoryStore,
        Scan, Usage,
    },
    error::Result,
};

/// A rule that an engine breaks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Breaks {
    Nothing,
    AbsentEarly,
    AddLost,
    After,
    AppendsLate,
    Backwards,
    Below,
    CheckedOnly,
    ConflictNames,
    EmptyKey,
    HalfApplied,
    Invalid,
    KeysOnly,
    Kinds,
    LimitOfPages,
    Limits,
    LongKeys,
    LostIsConflict,
    Maximum,
    Order,
    Recognition,
    RecognitionByChecks,
    Reopening,
    RepeatedVersions,
    Spaces,
    Usage,
    UsageOnReopening,
    Values,
}

/// The rules that are broken, and how the suite says so.
const BROKEN: [(Breaks, &str); 27] = [
    (Breaks::AbsentEarly, "no update is lost"),
    (Breaks::AddLost, "no addition is lost"),
    (Breaks::After, "pages of a scan give every entry once, in order"),
    (Breaks::AppendsLate, "numbers become visible in order"),
    (Breaks::Backwards, "pages of a scan give every entry once, in order"),
    (Breaks::Below, "`Below` fails if the value is greater"),
    (Breaks::CheckedOnly, "an entry that is only checked does not change either"),
    (Breaks::ConflictNames, "all failed checks are named"),
    (Breaks::EmptyKey, "any bytes up to the limit are a key, any bytes a value, also \"\""),
    (Breaks::HalfApplied, "a refused commit changes nothing"),
    (Breaks::Invalid, "an invalid commit is refused"),
    (Breaks::KeysOnly, "a scan of keys gives no values"),
    (Breaks::Kinds, "a value is not put on a counter"),
    (Breaks::LimitOfPages, "a page has at most `limit` entries"),
    (Breaks::Limits, "a commit of too many keys is refused"),
    (Breaks::LongKeys, "any bytes up to the limit are a key, any bytes a value, also \"kkk"),
    (Breaks::LostIsConflict, "a commit whose entries were overwritten is lost"),
    (Breaks::Maximum, "a counter may not pass its maximum"),
    (Breaks::Order, "pages of a scan give every entry once, in order"),
    (Breaks::Recognition, "a commit that is sent again"),
    (Breaks::RecognitionByChecks, "a commit is recognised by an entry whose check still holds"),
    (Breaks::Reopening, "what was written is there after the engine is opened again"),
    (Breaks::RepeatedVersions, "an entry has its value and its commit"),
    (Breaks::Spaces, "spaces are apart"),
    (Breaks::Usage, "usage counts entries, and the bytes of keys and values"),
    (Breaks::UsageOnReopening, "usage counts entries, and the bytes of keys and values"),
    (Breaks::Values, "any bytes up to the limit are a key, any bytes a value"),
];

type Entries = BTreeMap<Key, Entry>;

struct Engine {
    entries: Arc<Mutex<Entries>>,
    breaks: Breaks,
    is_reopened: bool,
}

impl Engine {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap()
    }

    fn breaks(&self, breaks: Breaks) -> bool {
        self.breaks == breaks
    }

    fn key(&self, key: &Key) -> Key {
        match self.breaks {
            Breaks::Spaces => key.in_space(key.space().trim_end_matches("-other")),
            _ => key.clone(),
        }
    }

    fn version(&self, commit: &Commit, value: &[u8]) -> CommitId {
        match self.breaks {
            Breaks::RepeatedVersions => {
                let mut hasher = SipHasher13::new();
                std::hash::Hasher::write(&mut hasher, value);
                CommitId::from_bytes(hasher.finish128().as_bytes())
            }
            _ => commit.id(),
        }
    }

    fn decide(&self, entries: &Entries, commit: &Commit) -> Decision {
        let read = |key: &Key| {
            let entry = entries.get(&self.key(key)).cloned();
            let is_mine = entry.as_ref().is_some_and(|entry| entry.version == commit.id());
            // What it does not see it does not recognise.
            Ok::<_, CommitError>(entry.filter(|_| !(is_mine && self.breaks(Breaks::Recognition))))
        };
        let decision = commit.decide(read).unwrap();
        match (decision, self.breaks) {
            (Decision::Done, Breaks::RecognitionByChecks) => {
                let checks = commit.checks().map(|(key, check)| (key.clone(), check.clone()));
                let checks = checks.fold(Commit::new(), |it, (key, check)| it.check(key, check));
                match checks.decide(read).unwrap() {
                    Decision::Apply => Decision::Apply,
                    _ => Decision::Done,
                }
            }
            (Decision::Refused(CommitError::Lost), Breaks::LostIsConflict) => {
                Decision::Refused(CommitError::Conflict(Vec::new()))
            }
            (Decision::Refused(CommitError::Exceeded(_)), Breaks::Maximum)
            | (Decision::Refused(CommitError::Invalid(_)), Breaks::Kinds) => Decision::Apply,
            (Decision::Refused(CommitError::Conflict(mut keys)), Breaks::ConflictNames) => {
                keys.truncate(1);
                Decision::Refused(CommitError::Conflict(keys))
            }
            (Decision::Refused(CommitError::Conflict(keys)), Breaks::Below) => {
                let is_equal = keys.iter().all(|key| key.bytes() == b"low");
                if is_equal {
                    Decision::Apply
                } else {
                    Decision::Refused(CommitError::Conflict(keys))
                }
            }
            (decision, _) => decision,
        }
    }

    async fn apply(&self, commit: &Commit) {
        for (key, change) in commit.changes() {
            let key = self.key(key);
            let is_odd = key.bytes().is_empty() && self.breaks(Breaks::EmptyKey)
                || key.bytes().len() > 1_024 && self.breaks(Breaks::LongKeys);
            match change {
                _ if is_odd => {}
                Change::Put(value) => {
                    let value = match self.breaks {
                        Breaks::Values => String::from_utf8_lossy(value).into_owned().into(),
                        _ => value.clone(),
                    };
                    let version = self.version(commit, &value);
                    self.entries().insert(key, Entry { value, version });
                }
                Change::Remove => drop(self.entries().remove(&key)),
                Change::Add { by, .. } => {
                    let sum = self.entries().get(&key).map_or(0, Entry::count);
                    if self.breaks(Breaks::AddLost) {
                        yield_now().await;
                    }
                    self.entries().insert(key, Entry::counter(sum.saturating_add(*by)));
                }
            }
        }
        let last = |group: &Key| self.entries().get(group).map_or(0, Entry::count);
        let (appended, groups) = commit.numbered(last);
        for (group, last) in groups {
            self.entries().insert(group, Entry::counter(last));
        }
        if self.breaks(Breaks::AppendsLate) {
            for _ in 0..fastrand::u8(0..20) {
                yield_now().await;
            }
        }
        for (key, value) in appended {
            self.entries().insert(key, Entry { value, version: commit.id() });
        }
    }
}

#[async_trait]
impl Durable for Engine {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        let entries = self.entries();
        Ok(keys.iter().map(|key| entries.get(&self.key(key)).cloned()).collect())
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(Bytes, Entry)>> {
        let Some((lower, upper)) = scan.bounds() else { return Ok(Vec::new()) };
        let lower = match lower {
            Bound::Excluded(after) if self.breaks(Breaks::After) => Bound::Included(after),
            lower => lower,
        };
        let within = |key: &[u8]| {
            (match lower {
                Bound::Included(lower) => key >= lower,
                Bound::Excluded(lower) => key > lower,
                Bound::Unbounded => true,
            }) && (match upper {
                Bound::Excluded(upper) => key < upper,
                _ => true,
            })
        };
        let space = self.key(&Key::new(scan.space()));
        let entries = self.entries();
        let found =
            entries.iter().filter(|(key, _)| key.space() == space.space() && within(key.bytes()));
        let mut found: Vec<(Bytes, Entry)> =
            found.map(|(key, entry)| (key.to_bytes(), entry.clone())).collect();
        if scan.is_keys_only() && !self.breaks(Breaks::KeysOnly) {
            found.iter_mut().for_each(|(_, entry)| entry.value = Bytes::new());
        }
        if scan.is_backwards() && !self.breaks(Breaks::Backwards) {
            found.reverse();
        }
        if self.breaks(Breaks::Order) {
            found.sort_by_key(|(key, _)| key.to_ascii_lowercase());
        }
        if !self.breaks(Breaks::LimitOfPages) {
            found.truncate(scan.page());
        }
        Ok(found)
    }

    async fn commit(&self, commit: &Commit) -> std::result::Result<(), CommitError> {
        match commit.validate(self.limits()) {
            Err(CommitError::Invalid(_)) if self.breaks(Breaks::Invalid) => {}
            Err(CommitError::TooLarge { .. }) if self.breaks(Breaks::Limits) => {}
            valid => valid?,
        }
        // All but the broken ones decide and apply under one lock: see `MemoryStore`.
        static WHOLE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let is_whole = !matches!(
            self.breaks,
            Breaks::AbsentEarly | Breaks::AddLost | Breaks::AppendsLate | Breaks::CheckedOnly
        );
        let lock = if is_whole { Some(WHOLE.lock().await) } else { None };
        let mut decision = self.decide(&self.entries(), commit);
        if self.breaks(Breaks::AbsentEarly) || self.breaks(Breaks::CheckedOnly) {
            yield_now().await;
        }
        if self.breaks(Breaks::CheckedOnly) && matches!(decision, Decision::Apply) {
            // What is only checked is not locked.
            let others = commit.clone().without_checks_of_others();
            decision = self.decide(&self.entries(), &others);
        }
        let result = match decision {
            Decision::Apply => Ok(()),
            Decision::Done => return Ok(()),
            Decision::Refused(error) => Err(error),
        };
        if result.is_ok() || self.breaks(Breaks::HalfApplied) {
            self.apply(commit).await;
        }
        drop(lock);
        result
    }

    fn limits(&self) -> Limits {
        Limits { keys: 2_000, bytes: 2 << 20, key_bytes: 2 << 10 }
    }

    async fn now(&self) -> Result<SystemTime> {
        Ok(SystemTime::now())
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        if self.is_reopened && self.breaks(Breaks::UsageOnReopening) {
            return Ok(Usage::default());
        }
        let space = self.key(&Key::new(space));
        let mut usage = Usage::default();
        for (key, entry) in self.entries().iter().filter(|(key, _)| key.space() == space.space()) {
            if entry.version != CommitId::NONE {
                let keys = if self.breaks(Breaks::Usage) { 0 } else { key.bytes().len() };
                usage.entries += 1;
                usage.bytes += (keys + entry.value.len()) as u64;
            }
        }
        Ok(usage)
    }
}

async fn check(breaks: Breaks) {
    let open = |entries, is_reopened| Engine { entries, breaks, is_reopened };
    let reopen = |engine: Engine| async move {
        match breaks {
            Breaks::Reopening => open(Arc::default(), true),
            _ => open(engine.entries.clone(), true),
        }
    };
    durable(open(Arc::default(), false), reopen, 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_in_memory_keeps_the_rules() {
    check(Breaks::Nothing).await;
    durable(MemoryStore::default(), async |store| store, fastrand::u64(..)).await;
    durable_random(MemoryStore::default(), fastrand::u64(..), 10_000).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_breaks_a_rule_is_caught() {
    let mut missed = Vec::new();
    for (breaks, rule) in BROKEN {
        let caught = match tokio::spawn(check(breaks)).await {
            Ok(()) => "nothing".to_owned(),
            Err(error) => {
                let panic = error.into_panic();
                let text = panic.downcast_ref::<String>().cloned();
                text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                    .unwrap()
            }
        };
        if !caught.contains(&format!("broken rule: {rule}")) {
            missed.push(format!("{breaks:?}: {caught}"));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
