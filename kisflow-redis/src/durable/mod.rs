//! [`Durable`] on Redis: a sorted set for the order, a hash for the values, a hash of counters.

use std::{
    collections::BTreeSet,
    ops::Bound,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fred::{
    bytes::Bytes,
    error::Error as FredError,
    types::{ClusterHash, Value},
};
use futures_util::future::join_all;
use kisflow_core::{
    Durable, Result, Usage, async_trait,
    durable::{Change, Check, Commit, CommitError, CommitId, Entry, Key, Limits, Scan},
};

use crate::{connection::Connection, error::RedisError, persistence, script::Script};

/// The digits of a version before a value, and the blank behind them.
const VERSION: usize = 33;

/// A connector as [`Durable`]. It holds the connections: they live as long as it does.
///
/// A commit is one script, which Redis runs as a whole. How long its changes last is for Redis' own
/// persistence to say.
pub(crate) struct RedisDurable {
    connection: Arc<Connection>,
    /// What all keys begin with. The braces put them into one slot of a cluster.
    prefix: String,
    commit: Script,
    read: Script,
    scan: Script,
}

/// The spaces of a call, each once.
#[derive(Default)]
struct Spaces(Vec<Arc<str>>);

impl Spaces {
    /// The number of a key's space.
    fn number(&mut self, key: &Key) -> Value {
        // A commit has few spaces: looking at each is quickest.
        let number = self.0.iter().position(|known| known == key.shared_space());
        let number = number.unwrap_or_else(|| {
            self.0.push(key.shared_space().clone());
            self.0.len() - 1
        });
        number.to_string().into()
    }

    fn first(&self) -> &str {
        self.0.first().map_or("", |space| space)
    }
}

impl RedisDurable {
    pub(crate) fn new(connection: Arc<Connection>, prefix: &str) -> Self {
        Self {
            connection,
            prefix: format!("{prefix}{{kisflow}}:"),
            commit: Script::new(concat!(include_str!("../call.lua"), include_str!("commit.lua"))),
            read: Script::new(concat!(include_str!("../call.lua"), include_str!("read.lua"))),
            scan: Script::new(concat!(include_str!("../call.lua"), include_str!("scan.lua"))),
        }
    }

    fn key(&self, space: &str, part: &str) -> String {
        format!("{}{space}:{part}", self.prefix)
    }

    fn keys(&self, spaces: &Spaces, parts: &[&str]) -> Vec<Value> {
        let keys = spaces.0.iter().flat_map(|space| parts.iter().map(|part| self.key(space, part)));
        keys.map(Value::from).collect()
    }

    /// What Redis refuses: `what` for people, of which the command `sent` was a part.
    fn refused(
        &self,
        space: &str,
        what: &'static str,
        sent: &'static str,
    ) -> impl Fn(FredError) -> RedisError {
        let key = self.key(space, "…");
        move |cause| RedisError::task(key.as_bytes(), what, sent, cause)
    }

    /// Entries that do not fit together.
    fn torn(&self, space: &str) -> RedisError {
        let place = self.key(space, "…");
        RedisError::answer(
            format!(
                "key {place}: the index and the values do not belong together; was one of the keys evicted or removed?"
            ),
            None,
        )
    }

    fn entry(&self, space: &str, value: &Bytes) -> Result<Entry, RedisError> {
        let version = value.get(..VERSION - 1).and_then(|digits| std::str::from_utf8(digits).ok());
        let version: Option<CommitId> = version.and_then(|digits| digits.parse().ok());
        let version = version.filter(|_| value.get(VERSION - 1) == Some(&b' '));
        let version = version.ok_or_else(|| {
            let place = self.key(space, "values");
            RedisError::answer(format!("key {place}: kisflow did not write this value"), None)
        })?;
        Ok(Entry { value: value.slice(VERSION..), version })
    }

    /// The answer of the script that commits: a word, and numbers of checks or changes.
    async fn send(&self, commit: &Commit) -> Result<(String, Vec<usize>), RedisError> {
        let mut spaces = Spaces::default();
        let marks: Vec<&Key> = commit.marks().collect();
        let mut sent: Vec<Value> = vec![commit.id().to_string().into()];
        sent.push(commit.checks().len().to_string().into());
        for (key, check) in commit.checks() {
            let (kind, argument) = match check {
                Check::Absent => ("absent", Value::from_static_str("")),
                Check::Version(version) => ("version", version.to_string().into()),
                Check::Below(bytes) => ("below", Value::Bytes(bytes.clone())),
            };
            let is_mark = if marks.binary_search(&key).is_ok() { "1" } else { "0" };
            sent.extend([spaces.number(key), Value::Bytes(key.to_bytes())]);
            sent.extend([Value::from_static_str(kind), argument, Value::from_static_str(is_mark)]);
        }
        sent.push(commit.changes().len().to_string().into());
        for (key, change) in commit.changes() {
            let nothing = || Value::from_static_str("");
            let (kind, argument, most) = match change {
                Change::Put(value) => ("put", Value::Bytes(value.clone()), nothing()),
                Change::Remove => ("remove", nothing(), nothing()),
                Change::Add { by, max } => {
                    let most = max.map_or_else(nothing, |max| max.to_string().into());
                    ("add", by.to_string().into(), most)
                }
            };
            sent.extend([spaces.number(key), Value::Bytes(key.to_bytes())]);
            sent.extend([Value::from_static_str(kind), argument, most]);
        }
        for (group, value) in commit.appends() {
            let (space, group) = (spaces.number(group), Value::Bytes(group.to_bytes()));
            sent.extend([space, group, Value::Bytes(value.clone())]);
        }
        let keys = self.keys(&spaces, &["index", "values", "counts", "usage"]);
        let answer = self.commit.run(&self.connection, keys, sent).await?;
        let answer = answer.map_err(self.refused(spaces.first(), "write", "EVAL"))?.into_array();
        let mut answer = answer.into_iter();
        let word = answer.next().and_then(|word| word.into_string()).unwrap_or_default();
        let numbers = answer.filter_map(|number| usize::try_from(number.as_u64()?).ok());
        Ok((word, numbers.collect()))
    }
}

/// # Errors
///
/// A [`RedisError`]: the connection is lost or silent, or Redis refuses: it is out of memory, a
/// replica, or one of the keys holds something else.
///
/// # Cancel safety
///
/// A commit whose future is dropped is still atomic.
#[async_trait]
impl Durable for RedisDurable {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut spaces = Spaces::default();
        let asked = keys.iter().flat_map(|key| [spaces.number(key), Value::Bytes(key.to_bytes())]);
        let asked: Vec<Value> = asked.collect();
        let names = self.keys(&spaces, &["values", "counts"]);
        let found = self.read.run(&self.connection, names, asked).await?;
        let found = found.map_err(self.refused(spaces.first(), "read", "EVAL"))?.into_array();
        if found.len() != keys.len() {
            return Err(self.torn(spaces.first()).into());
        }
        let entries = keys.iter().zip(found).map(|(key, value)| {
            let value = value.into_bytes();
            Ok(value.map(|value| self.entry(key.space(), &value)).transpose()?)
        });
        entries.collect()
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(Bytes, Entry)>> {
        let Some((lower, upper)) = scan.bounds() else { return Ok(Vec::new()) };
        let bound = |bound: Bound<&[u8]>, unbounded: &'static str| match bound {
            Bound::Included(key) => Value::Bytes([b"[", key].concat().into()),
            Bound::Excluded(key) => Value::Bytes([b"(", key].concat().into()),
            Bound::Unbounded => Value::from_static_str(unbounded),
        };
        let space = scan.space();
        let keys = ["index", "values", "counts"].map(|part| self.key(space, part).into());
        let flag = |is_set: bool| Value::from_static_str(if is_set { "1" } else { "0" });
        let limit = i64::try_from(scan.page()).unwrap_or(i64::MAX);
        let asked = vec![
            bound(lower, "-"),
            bound(upper, "+"),
            limit.into(),
            flag(scan.is_backwards()),
            flag(scan.is_keys_only()),
        ];
        let found = self.scan.run(&self.connection, keys.into(), asked).await?;
        let found = found.map_err(self.refused(space, "scan", "EVAL"))?.into_array();
        let mut entries = Vec::with_capacity(found.len() / 2);
        let mut found = found.into_iter();
        while let (Some(key), Some(value)) = (found.next(), found.next()) {
            let (Some(key), Some(value)) = (key.into_bytes(), value.into_bytes()) else {
                return Err(self.torn(space).into());
            };
            entries.push((key, self.entry(space, &value)?));
        }
        Ok(entries)
    }

    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        commit.validate(self.limits())?;
        if commit.is_empty() {
            return Ok(());
        }
        let (word, numbers) =
            self.send(commit).await.map_err(|error| CommitError::Outage(error.into()))?;
        let named = |keys: Vec<&Key>| -> Vec<Key> {
            numbers
                .iter()
                .filter_map(|number| keys.get(*number).map(|key| (*key).clone()))
                .collect()
        };
        let unknown = || {
            let answer = format!("the script that commits answered {word:?}");
            CommitError::Outage(RedisError::answer(answer, None).into())
        };
        match &*word {
            "done" => Ok(()),
            "conflict" => Err(commit.refused(named(commit.checks().map(|(key, _)| key).collect()))),
            "kind" => {
                let checks = commit.checks().map(|(key, _)| key);
                let changes = commit.changes().map(|(key, _)| key);
                let keys = checks.chain(changes).chain(commit.appends().map(|(group, _)| group));
                Err(named(keys.collect())
                    .first()
                    .map_or_else(unknown, |key| commit.wrong_kind(key)))
            }
            "exceeded" => {
                let changed: Vec<&Key> = commit.changes().map(|(key, _)| key).collect();
                let appended: Vec<&Key> = commit.appends().map(|(group, _)| group).collect();
                let groups = numbers.iter().filter_map(|at| at.checked_sub(changed.len()));
                let groups: BTreeSet<&Key> =
                    groups.filter_map(|at| appended.get(at).copied()).collect();
                let mut keys = named(changed);
                keys.extend(groups.into_iter().cloned());
                Err(CommitError::Exceeded(keys))
            }
            _ => Err(unknown()),
        }
    }

    async fn commit_each(&self, commits: &[Commit]) -> Vec<Result<(), CommitError>> {
        // The connection sends them one behind the other, without waiting for answers.
        join_all(commits.iter().map(|commit| self.commit(commit))).await
    }

    /// A script blocks the server while it runs; one of 1,000 keys takes about 10 ms.
    fn limits(&self) -> Limits {
        Limits { keys: 1_000, bytes: 32 << 20, key_bytes: 8 << 10 }
    }

    async fn may_lose(&self) -> Result<Option<String>> {
        Ok(persistence::may_lose(&self.connection).await?)
    }

    async fn now(&self) -> Result<SystemTime> {
        let answer = self.connection.ask("TIME", ClusterHash::Random, Vec::new()).await?;
        let answer = answer.map_err(self.refused("", "the time", "TIME"))?.into_array();
        let numbers: Vec<u64> = answer.iter().filter_map(Value::as_u64).collect();
        match *numbers.as_slice() {
            [seconds, micros] => {
                Ok(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros))
            }
            _ => Err(RedisError::answer("TIME answered no time".to_owned(), None).into()),
        }
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        let asked = ["entries", "bytes"].map(Value::from_static_str);
        let mut sent = vec![Value::from(self.key(space, "usage"))];
        sent.extend(asked);
        let found = self.connection.ask("HMGET", ClusterHash::FirstKey, sent).await?;
        let found = found.map_err(self.refused(space, "usage", "HMGET"))?.into_array();
        let mut numbers = found.iter().map(|number| number.as_u64().unwrap_or_default());
        let (entries, bytes) =
            (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        Ok(Usage::new(entries, bytes))
    }
}
