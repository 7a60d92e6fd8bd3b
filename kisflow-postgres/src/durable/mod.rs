//! [`PostgresDurable`]: a commit is one transaction.

mod outcome;
mod request;
mod statements;
mod transaction;
mod version;

use std::{
    collections::BTreeSet,
    ops::Bound,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use deadpool_postgres::Client;
use kisflow_core::{
    Result, async_trait,
    durable::{Change, Commit, CommitError, CommitId, Durable, Entry, Key, Limits, Scan, Usage},
};
use tokio::time::sleep;
use tokio_postgres::{Error as DriverError, Row, types::ToSql};

use self::{
    outcome::Outcome,
    request::{Request, hold, lock},
    statements::Statements,
    transaction::{Call, was_overtaken},
    version::Version,
};
use crate::{
    error::{PostgresError, is_repeatable},
    pool::{Connections, REPEATS, jitter},
};

/// How often a commit begins again because of what it found: each time another commit took effect.
const MOST_RACES: u32 = 50;

/// How many commits share a transaction.
const TOGETHER: usize = 128;

/// What one commit may hold. An entry of a btree has at most 2,704 bytes of a page, which must do
/// for a key, for the number behind the key of a group, and for the longest name of a space.
const LIMITS: Limits = Limits { keys: 20_000, bytes: 16 << 20, key_bytes: 2 << 10 };

/// The most bytes of a value: Postgres takes no message of 1 GiB.
const MOST_VALUE_BYTES: usize = 512 << 20;

/// A connector as [`Durable`].
///
/// A commit is one transaction under READ COMMITTED, sent in one round trip. Its first statement
/// locks the rows of all its keys in the order of the keys, decides, and leaves its decision to the
/// statements behind it. Every key that a commit checks or changes is a locked row at that moment,
/// except for those that it puts and that must be missing, for which the primary key stands: so
/// commits are serializable. Where a row to lock is missing, it is made first, without a value.
///
/// An addition without a maximum goes to one of 32 shares of the counter, and what spaces hold is
/// counted in 64 shares, each by the number of the server's process: commits wait for each other
/// only if they have keys in common.
pub(crate) struct PostgresDurable {
    connections: Arc<Connections>,
    statements: Statements,
}

impl PostgresDurable {
    pub(crate) fn new(connections: Arc<Connections>) -> Self {
        let statements = Statements::new(&connections.tables);
        Self { connections, statements }
    }

    async fn rows(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        Ok(self.connections.rows("read entries", sql, params).await?)
    }

    /// Repeats a commit until it has a result of its own.
    async fn settle(&self, client: &Client, commit: &Commit) -> Result<Settled, PostgresError> {
        let (mut repeats, mut races) = (0, 0);
        let mut missing: Vec<Key> = Vec::new();
        let mut is_exact = false;
        while races < MOST_RACES {
            let attempt = self.attempt(client, commit, &missing, is_exact);
            match self.connections.within(attempt).await? {
                Ok(Outcome::Done) => return Ok(Ok(())),
                Ok(Outcome::Refused(error)) => return Ok(Err(error)),
                Ok(Outcome::Missing(keys)) => missing = keys,
                Ok(Outcome::Inexact) => is_exact = true,
                Err(error) if is_repeatable(&error) && repeats < REPEATS => {
                    repeats += 1;
                    sleep(jitter(repeats)).await;
                    continue;
                }
                Err(error) if was_overtaken(&error) => {}
                Err(error) => return Err(self.failed(error)),
            }
            races += 1;
        }
        Err(PostgresError::contended(&self.connections.place))
    }

    async fn attempt(
        &self,
        client: &Client,
        commit: &Commit,
        missing: &[Key],
        is_exact: bool,
    ) -> Result<Outcome, DriverError> {
        let request = Request::new(commit, is_exact);
        let calls = request.calls(&self.statements);
        let held = hold(&self.statements, missing.iter());
        let before = (!missing.is_empty()).then_some(&held);
        let rows = transaction::run(client, before, &calls).await?;
        self.outcome(commit, &request, &calls, &rows)
    }

    /// What became of a commit, from the answer to its `decide`.
    fn outcome(
        &self,
        commit: &Commit,
        request: &Request<'_>,
        calls: &[Call<'_, '_>],
        rows: &[Vec<Row>],
    ) -> Result<Outcome, DriverError> {
        let mut answers = calls.iter().zip(rows);
        let decision = answers.find(|(call, _)| call.is(&self.statements.decide));
        Outcome::read(commit, request, decision.map_or(&[], |(_, rows)| rows))
    }

    fn failed(&self, error: DriverError) -> PostgresError {
        PostgresError::failed(&self.connections.place, "commit", error)
    }

    /// Tries several commits in one transaction. `None` for those that have no result yet.
    async fn together(
        &self,
        client: &Client,
        commits: &[&Commit],
    ) -> Result<Vec<Option<Settled>>, PostgresError> {
        let requests: Vec<Request<'_>> =
            commits.iter().map(|commit| Request::new(commit, false)).collect();
        // One order for the keys of all.
        let keys: BTreeSet<&Key> = requests.iter().flat_map(Request::keys).collect();
        let mut calls = vec![lock(&self.statements, keys.into_iter())];
        let mut parts = Vec::with_capacity(requests.len());
        for request in &requests {
            let begin = calls.len();
            calls.extend(request.calls(&self.statements));
            parts.push(begin..calls.len());
        }
        let answer = self.connections.within(transaction::run(client, None, &calls)).await?;
        let rows = match answer {
            Ok(rows) => rows,
            // One of them stands in the way of all.
            Err(error) if is_repeatable(&error) || was_overtaken(&error) => {
                return Ok(commits.iter().map(|_| None).collect());
            }
            Err(error) => return Err(self.failed(error)),
        };
        let mut results = Vec::with_capacity(commits.len());
        for ((commit, request), part) in commits.iter().zip(&requests).zip(parts) {
            let (calls, rows) = (calls.get(part.clone()), rows.get(part));
            let (calls, rows) = (calls.unwrap_or_default(), rows.map_or(&[][..], |rows| rows));
            let outcome = self.outcome(commit, request, calls, rows);
            results.push(match outcome.map_err(|error| self.failed(error))? {
                Outcome::Done => Some(Ok(())),
                Outcome::Refused(error) => Some(Err(error)),
                Outcome::Missing(_) | Outcome::Inexact => None,
            });
        }
        Ok(results)
    }

    /// The results of commits that share a transaction, if they can; each by itself otherwise.
    async fn settle_each(&self, commits: &[&Commit]) -> Result<Vec<Settled>, PostgresError> {
        let pooled = self.connections.with_tables().await?;
        let client = pooled.client()?;
        let first = match commits {
            [_] => vec![None],
            _ => self.together(client, commits).await?,
        };
        let mut results = Vec::with_capacity(commits.len());
        let mut failure = None;
        for (commit, result) in commits.iter().zip(first) {
            results.push(match (result, &failure) {
                (Some(result), _) => result,
                (None, Some(error)) => Err(outage(PostgresError::clone(error))),
                (None, None) => match self.settle(client, commit).await {
                    Ok(result) => result,
                    Err(error) => Err(outage(failure.insert(error).clone())),
                },
            });
        }
        if failure.is_none() {
            pooled.release();
        }
        Ok(results)
    }
}

/// Refuses what Postgres cannot hold.
fn check(commit: &Commit) -> Settled {
    commit.validate(LIMITS)?;
    let keys = commit.checks().map(|(key, _)| key).chain(commit.changes().map(|(key, _)| key));
    let mut keys = keys.chain(commit.appends().map(|(key, _)| key));
    if let Some(key) = keys.find(|key| is_no_text(key.space())) {
        return Err(CommitError::Invalid(format!("the space of {key} has a NUL in it")));
    }
    // What is appended is within the limits: such a commit has two keys at least.
    let is_large =
        |change: &Change| matches!(change, Change::Put(value) if value.len() > MOST_VALUE_BYTES);
    match commit.changes().find(|(_, change)| is_large(change)) {
        Some((key, _)) => {
            Err(CommitError::Invalid(format!("the value of {key} is larger than 512 MiB")))
        }
        None => Ok(()),
    }
}

/// What became of a commit.
type Settled = std::result::Result<(), CommitError>;

/// Commits in parts that a transaction can hold.
fn parts<'o, 'c>(
    mut open: &'o [(usize, &'c Commit)],
) -> impl Iterator<Item = &'o [(usize, &'c Commit)]> {
    std::iter::from_fn(move || {
        let (mut keys, mut bytes) = (0, 0);
        let fits = |(_, commit): &&(usize, &Commit)| {
            let size = commit.size();
            (keys, bytes) = (keys + size.keys, bytes + size.bytes);
            keys <= LIMITS.keys && bytes <= LIMITS.bytes
        };
        let count = open.iter().take(TOGETHER).take_while(fits).count().max(1);
        let (part, rest) = open.split_at_checked(count)?;
        open = rest;
        Some(part)
    })
}

/// Postgres has no NUL in a text.
fn is_no_text(space: &str) -> bool {
    space.contains('\0')
}

fn outage(error: PostgresError) -> CommitError {
    CommitError::Outage(error.into())
}

/// An entry of a row with these columns from `first` on: value, version, total of a counter.
fn entry(row: &Row, first: usize) -> Result<Entry, DriverError> {
    let value: Option<&[u8]> = row.try_get(first)?;
    let version: Option<Version> = row.try_get(first + 1)?;
    let total: Option<&str> = row.try_get(first + 2)?;
    let value = match total {
        Some(total) => Bytes::copy_from_slice(total.as_bytes()),
        None => Bytes::copy_from_slice(value.unwrap_or_default()),
    };
    Ok(Entry { value, version: version.map_or(CommitId::NONE, |version| version.0) })
}

/// # Errors
///
/// A [`PostgresError`]: a connection is lost or silent, or Postgres refuses.
///
/// # Cancel safety
///
/// A transaction is sent at once: it takes effect completely, or has no effect.
#[async_trait]
impl Durable for PostgresDurable {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        let mut found = vec![None; keys.len()];
        if keys.is_empty() || keys.iter().any(|key| is_no_text(key.space())) {
            return Ok(found);
        }
        let (spaces, bytes): (Vec<&str>, Vec<&[u8]>) =
            keys.iter().map(|key| (key.space(), key.bytes())).unzip();
        for row in self.rows(&self.statements.read, &[&spaces, &bytes]).await? {
            let at: i64 = row.try_get(0)?;
            let slot = usize::try_from(at - 1).ok().and_then(|at| found.get_mut(at));
            if let Some(slot) = slot {
                *slot = Some(entry(&row, 1)?);
            }
        }
        Ok(found)
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(Bytes, Entry)>> {
        let Some((lower, upper)) = scan.bounds() else { return Ok(Vec::new()) };
        if is_no_text(scan.space()) {
            return Ok(Vec::new());
        }
        let first = match lower {
            Bound::Included(first) => first.to_vec(),
            // The next key there is.
            Bound::Excluded(before) => [before, &[0]].concat(),
            Bound::Unbounded => Vec::new(),
        };
        let end = match upper {
            Bound::Excluded(end) => Some(end.to_vec()),
            Bound::Included(last) => Some([last, &[0]].concat()),
            Bound::Unbounded => None,
        };
        let sql = self.statements.scan(end.is_some(), scan.is_backwards(), scan.is_keys_only());
        let (space, most) = (scan.space(), i64::try_from(scan.page()).unwrap_or(i64::MAX));
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&space, &first, &most];
        params.extend(end.as_ref().map(|end| end as &(dyn ToSql + Sync)));
        let rows = self.rows(sql, &params).await?;
        let page = rows.iter().map(|row| {
            let key: &[u8] = row.try_get(0)?;
            Ok((Bytes::copy_from_slice(key), entry(row, 1)?))
        });
        page.collect()
    }

    async fn commit(&self, commit: &Commit) -> Settled {
        check(commit)?;
        if commit.is_empty() {
            return Ok(());
        }
        let mut results = self.settle_each(&[commit]).await.map_err(outage)?;
        results.pop().unwrap_or(Ok(()))
    }

    /// Up to 128 commits share a transaction.
    async fn commit_each(&self, commits: &[Commit]) -> Vec<Settled> {
        let mut results: Vec<Settled> = commits.iter().map(check).collect();
        let open = commits.iter().enumerate().zip(&results);
        let open: Vec<(usize, &Commit)> = open
            .filter(|((_, commit), result)| result.is_ok() && !commit.is_empty())
            .map(|(commit, _)| commit)
            .collect();
        for part in parts(&open) {
            let (places, commits): (Vec<usize>, Vec<&Commit>) = part.iter().copied().unzip();
            let mut settled = match self.settle_each(&commits).await {
                Ok(settled) => settled,
                Err(error) => commits.iter().map(|_| Err(outage(error.clone()))).collect(),
            };
            for place in places.into_iter().rev() {
                if let (Some(slot), Some(result)) = (results.get_mut(place), settled.pop()) {
                    *slot = result;
                }
            }
        }
        results
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    async fn may_lose(&self) -> Result<Option<String>> {
        let sql = "select name, setting from pg_settings \
            where (name = 'fsync' and setting = 'off') or (name = 'synchronous_commit' and setting = 'off')";
        let Some(row) = self.rows(sql, &[]).await?.into_iter().next() else { return Ok(None) };
        let (name, setting): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Some(format!(
            "postgres at {} has `{name} = {setting}` and may lose the last commits before its death; set `{name} = on`",
            self.connections.place
        )))
    }

    async fn now(&self) -> Result<SystemTime> {
        let sql = "select (extract(epoch from clock_timestamp()) * 1000000)::int8";
        let rows = self.rows(sql, &[]).await?;
        let row = rows.first().ok_or("postgres has no time")?;
        let micros: i64 = row.try_get(0)?;
        Ok(SystemTime::UNIX_EPOCH + Duration::from_micros(micros.unsigned_abs()))
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        if is_no_text(space) {
            return Ok(Usage::default());
        }
        let rows = self.rows(&self.statements.usage, &[&space]).await?;
        let row = rows.first().ok_or("postgres gave no usage")?;
        let number = |at: usize| {
            row.try_get::<_, i64>(at).map(|number| u64::try_from(number).unwrap_or_default())
        };
        Ok(Usage::new(number(0)?, number(1)?))
    }
}
