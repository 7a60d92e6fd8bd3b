//! [`Request`]: a commit as the params of its statements.

use std::collections::BTreeMap;

use kisflow_core::durable::{Change, Check, Commit, Key};

use super::{
    statements::Statements,
    transaction::{Call, Param},
    version::Version,
};

/// What a commit wants of a key. The numbers are those of `decide.sql`.
#[derive(Clone, Copy, Default)]
struct Touch<'c> {
    lock: i16,
    checks: i16,
    expected: Option<Version>,
    bound: Option<&'c [u8]>,
    change: i16,
    by: i64,
    most: i64,
}

const KEY_SHARE: i16 = 0;
const SHARE: i16 = 1;
const UPDATE: i16 = 2;

const ABSENT: i16 = 1;
const VERSION: i16 = 2;
const BELOW: i16 = 3;

const PUT: i16 = 1;
const REMOVE: i16 = 2;
const ADD: i16 = 3;
const ADD_UP_TO: i16 = 4;
const APPEND: i16 = 5;

/// A commit, key by key.
pub(super) struct Request<'c> {
    commit: &'c Commit,
    keys: BTreeMap<&'c Key, Touch<'c>>,
    /// How many values each group gets.
    appended: BTreeMap<&'c Key, i64>,
    /// Whether all counters are locked against other additions, and summed.
    is_exact: bool,
}

impl<'c> Request<'c> {
    pub(super) fn new(commit: &'c Commit, is_exact: bool) -> Self {
        let mut keys: BTreeMap<&Key, Touch<'_>> = BTreeMap::new();
        for (key, check) in commit.checks() {
            let touch = keys.entry(key).or_default();
            touch.lock = SHARE;
            match check {
                Check::Absent => touch.checks = ABSENT,
                Check::Version(version) => {
                    (touch.checks, touch.expected) = (VERSION, Some(Version(*version)));
                }
                Check::Below(bound) => (touch.checks, touch.bound) = (BELOW, Some(&**bound)),
            }
        }
        for (key, change) in commit.changes() {
            let touch = keys.entry(key).or_default();
            touch.lock = UPDATE;
            match *change {
                Change::Put(_) => touch.change = PUT,
                Change::Remove => touch.change = REMOVE,
                Change::Add { by, max: None } if !is_exact => {
                    (touch.lock, touch.change, touch.by) = (KEY_SHARE, ADD, by);
                }
                Change::Add { by, max } => {
                    (touch.change, touch.by) = (ADD_UP_TO, by);
                    touch.most = max.unwrap_or(i64::MAX);
                }
            }
        }
        let mut appended: BTreeMap<&Key, i64> = BTreeMap::new();
        for (group, _) in commit.appends() {
            *appended.entry(group).or_default() += 1;
            let touch = keys.entry(group).or_default();
            (touch.lock, touch.change, touch.most) = (UPDATE, APPEND, i64::MAX);
            touch.by += 1;
        }
        Self { commit, keys, appended, is_exact }
    }

    /// All keys, in order: `decide.sql` counts them from 1.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'c Key> {
        self.keys.keys().copied()
    }

    /// Whether the commit needs a row for the key, to lock it.
    pub(super) fn needs_row(&self, key: &Key) -> bool {
        self.keys
            .get(key)
            .is_some_and(|touch| touch.checks == BELOW || !matches!(touch.change, 0 | PUT))
    }

    /// Whether the commit adds to the key or appends to it.
    pub(super) fn counts(&self, key: &Key) -> bool {
        self.keys.get(key).is_some_and(|touch| touch.change >= ADD)
    }

    /// The statements that lock the keys, decide, and make the changes.
    pub(super) fn calls<'s>(&self, statements: &'s Statements) -> Vec<Call<'s, 'c>> {
        let mut calls = Vec::new();
        if self.is_exact {
            calls.push(lock(statements, self.keys()));
            let counters = self.keys.iter().filter(|(_, touch)| touch.change >= ADD_UP_TO);
            calls.push(Call::new(&statements.gather, places(counters.map(|(key, _)| *key))));
        }
        calls.push(Call::new(&statements.decide, self.decision()));
        let [mut new, mut replaced, mut put] = [const { Vec::new() }; 3];
        let [mut added, mut spread] = [const { Vec::new() }; 2];
        let mut removed = Vec::new();
        for (key, change) in self.commit.changes() {
            let Some(touch) = self.keys.get(key) else { continue };
            match change {
                Change::Put(value) => match touch.checks {
                    ABSENT => new.push((key, &**value)),
                    VERSION | BELOW => replaced.push((key, &**value)),
                    _ => put.push((key, &**value)),
                },
                Change::Remove => removed.push(key),
                Change::Add { by, .. } if touch.change == ADD => spread.push((key, *by)),
                Change::Add { by, .. } => added.push((key, *by)),
            }
        }
        for (sql, entries) in
            [(&statements.put_new, new), (&statements.replace, replaced), (&statements.put, put)]
        {
            if !entries.is_empty() {
                let (keys, values): (Vec<&Key>, Vec<&[u8]>) = entries.into_iter().unzip();
                let mut params = places(keys.into_iter());
                params.extend([param(values), param(Version(self.commit.id()))]);
                calls.push(Call::new(sql, params));
            }
        }
        for (sql, counters) in [(&statements.add, added), (&statements.spread, spread)] {
            if !counters.is_empty() {
                let (keys, numbers): (Vec<&Key>, Vec<i64>) = counters.into_iter().unzip();
                let mut params = places(keys.into_iter());
                params.push(param(numbers));
                calls.push(Call::new(sql, params));
            }
        }
        if !self.appended.is_empty() {
            calls.push(Call::new(&statements.append, self.appends()));
        }
        // Removals come last: what another commit has put meanwhile goes as well.
        if !removed.is_empty() {
            calls.push(Call::new(&statements.remove, places(removed.into_iter())));
        }
        calls
    }

    fn decision(&self) -> Vec<Param<'c>> {
        let touches = || self.keys.values();
        let mut params = places(self.keys());
        params.extend([
            param(touches().map(|touch| touch.lock).collect::<Vec<i16>>()),
            param(touches().map(|touch| touch.checks).collect::<Vec<i16>>()),
            param(touches().map(|touch| touch.expected).collect::<Vec<Option<Version>>>()),
            param(touches().map(|touch| touch.bound).collect::<Vec<Option<&[u8]>>>()),
            param(touches().map(|touch| touch.change).collect::<Vec<i16>>()),
            param(touches().map(|touch| touch.by).collect::<Vec<i64>>()),
            param(touches().map(|touch| touch.most).collect::<Vec<i64>>()),
            param(Version(self.commit.id())),
        ]);
        let mut added: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        let mut add = |key: &'c Key, bytes: usize| {
            let usage = added.entry(key.space()).or_default();
            *usage = (usage.0 + 1, usage.1 + i64::try_from(bytes).unwrap_or(i64::MAX));
        };
        for (key, change) in self.commit.changes() {
            if let Change::Put(value) = change {
                add(key, key.bytes().len() + value.len());
            }
        }
        for (group, value) in self.commit.appends() {
            add(group, group.numbered(0).bytes().len() + value.len());
        }
        params.extend([
            param(added.keys().copied().collect::<Vec<&str>>()),
            param(added.values().map(|usage| usage.0).collect::<Vec<i64>>()),
            param(added.values().map(|usage| usage.1).collect::<Vec<i64>>()),
        ]);
        params
    }

    fn appends(&self) -> Vec<Param<'c>> {
        let mut numbers: BTreeMap<&Key, i64> = BTreeMap::new();
        let (mut nths, mut values): (Vec<i64>, Vec<&[u8]>) = (Vec::new(), Vec::new());
        for (group, value) in self.commit.appends() {
            let nth = numbers.entry(group).or_default();
            *nth += 1;
            nths.push(*nth);
            values.push(value);
        }
        let mut params = places(self.commit.appends().map(|(group, _)| group));
        params.extend([param(nths), param(values), param(Version(self.commit.id()))]);
        params.extend(places(self.appended.keys().copied()));
        params.push(param(self.appended.values().copied().collect::<Vec<i64>>()));
        params
    }
}

/// Locks keys for update, in their order.
pub(super) fn lock<'s, 'c>(
    statements: &'s Statements,
    keys: impl Iterator<Item = &'c Key>,
) -> Call<'s, 'c> {
    Call::new(&statements.lock, places(keys))
}

/// Makes rows for keys that have none.
pub(super) fn hold<'s, 'c>(
    statements: &'s Statements,
    keys: impl Iterator<Item = &'c Key>,
) -> Call<'s, 'c> {
    Call::new(&statements.hold, places(keys))
}

/// The spaces and the bytes of keys.
pub(super) fn places<'c>(keys: impl Iterator<Item = &'c Key>) -> Vec<Param<'c>> {
    let (spaces, bytes): (Vec<&str>, Vec<&[u8]>) =
        keys.map(|key| (key.space(), key.bytes())).unzip();
    vec![param(spaces), param(bytes)]
}

fn param<'c>(value: impl tokio_postgres::types::ToSql + Sync + Send + 'c) -> Param<'c> {
    Box::new(value)
}
