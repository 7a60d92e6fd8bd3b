//! [`Group`]: the consumer group of a stream, as one of its readers and the receipts see it.

mod pending;

use std::{
    collections::HashSet,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fred::{
    bytes::Bytes,
    error::Error as FredError,
    types::{ClusterHash, Value},
};
use kisflow_core::{SourceConf, Start};

pub(super) use self::pending::Pending;
use super::{id::EntryId, in_flight::InFlight, params::LONGEST_LEASE};
use crate::{connection::Connection, error::RedisError, permission::Denied, script::Script};

/// What is given back is marked as if it had lain idle for so long.
const LONGEST_LEASE_MS: u64 = LONGEST_LEASE.as_secs() * 1_000;

/// The consumer group of a stream, as one of its readers and the receipts see it.
pub(super) struct Group {
    /// A connection of its own: an acknowledgement never stands behind a read that blocks.
    connection: Connection,
    pub(super) stream: String,
    pub(super) name: String,
    /// This reader's name within the group.
    pub(super) consumer: String,
    pub(super) lease: Duration,
    /// Where the group begins when it has to be made again.
    origin: EntryId,
    pub(super) in_flight: Arc<InFlight>,
    /// Rows were given back, and may be this reader's again.
    pub(super) released: AtomicBool,
    /// The user may not run `XINFO`: it is not asked again.
    is_blind: AtomicBool,
    claim: Script,
    renew: Script,
    release: Script,
    leave: Script,
    sweep: Script,
}

/// What came of making a group.
enum Making {
    Made,
    WasThere,
    /// The user may not.
    Denied(FredError),
}

/// How a group stands.
struct Standing {
    last_delivered: Option<EntryId>,
    lag: Option<u64>,
}

impl Group {
    /// Makes the group unless it is there. `has_begun` if rows were read under
    /// `guarantee: exactly_once`: then it has to be there.
    ///
    /// # Errors
    ///
    /// When the key holds no stream, the group is gone, or Redis refuses or is lost.
    pub(super) async fn open(
        connection: Connection,
        conf: &SourceConf,
        name: &str,
        lease: Duration,
        has_begun: bool,
    ) -> Result<Self, RedisError> {
        let mut group = Self {
            connection,
            stream: conf.key.clone(),
            name: name.to_owned(),
            consumer: consumer(),
            lease,
            origin: EntryId::default(),
            in_flight: Arc::default(),
            released: AtomicBool::new(false),
            is_blind: AtomicBool::new(false),
            claim: Script::new(concat!(include_str!("../call.lua"), include_str!("claim.lua"))),
            renew: Script::new(concat!(include_str!("../call.lua"), include_str!("renew.lua"))),
            release: Script::new(concat!(include_str!("../call.lua"), include_str!("release.lua"))),
            leave: Script::new(concat!(include_str!("../call.lua"), include_str!("leave.lua"))),
            sweep: Script::new(concat!(include_str!("../call.lua"), include_str!("sweep.lua"))),
        };
        if has_begun && !group.is_there().await? {
            return Err(group.lost());
        }
        let start = match &conf.start {
            Start::Earliest => "0",
            Start::Latest => "$",
            Start::After(id) => id,
        };
        let was_there = match group.make(start).await? {
            Making::Made => false,
            Making::WasThere => true,
            // Whoever may not make groups may read those that are there.
            Making::Denied(_) if group.is_there().await? => true,
            Making::Denied(cause) => return Err(group.missing(cause)),
        };
        if was_there && conf.start != Start::Earliest {
            tracing::info!(
                source = %conf.sname, stream = %group.stream, group = %group.name,
                "the group is there and goes on where it was; `start: {}` is for a new one", if start == "$" { "latest" } else { start },
            );
        }
        group.origin = match &conf.start {
            Start::Earliest => EntryId::default(),
            Start::After(id) => id.parse().unwrap_or_default(),
            Start::Latest => {
                group.standing().await?.and_then(|group| group.last_delivered).unwrap_or_default()
            }
        };
        Ok(group)
    }

    /// Makes the group again, which went with its stream or by hand. It begins where it once did:
    /// rows come again rather than not at all.
    ///
    /// # Errors
    ///
    /// When Redis refuses or is lost.
    pub(super) async fn make_again(&self) -> Result<(), RedisError> {
        // Ids may have begun anew with the stream.
        let from = match self.newest().await? {
            Some(newest) if newest >= self.origin => self.origin,
            _ => EntryId::default(),
        };
        match self.make(&from.to_string()).await? {
            Making::Made => tracing::warn!(
                stream = %self.stream, group = %self.name,
                "the group was gone from {}, and is made again; it reads what is behind {from}", self.place(),
            ),
            Making::WasThere => {}
            Making::Denied(cause) => return Err(self.missing(cause)),
        }
        Ok(())
    }

    async fn make(&self, from: &str) -> Result<Making, RedisError> {
        let arguments = vec![
            Value::from_static_str("CREATE"),
            self.stream.as_str().into(),
            self.name.as_str().into(),
            from.into(),
            Value::from_static_str("MKSTREAM"),
        ];
        match self.connection.ask("XGROUP", self.slot(), arguments).await? {
            Ok(_) => Ok(Making::Made),
            Err(cause) if cause.details().starts_with("BUSYGROUP") => Ok(Making::WasThere),
            Err(cause) => {
                let denied = Denied::read(&cause, "XGROUP CREATE");
                match denied.is_some_and(|denied| !denied.of_key) {
                    true => Ok(Making::Denied(cause)),
                    false => Err(self.refused("XGROUP CREATE", cause)),
                }
            }
        }
    }

    /// The group is not there, and this user may not make it.
    fn missing(&self, cause: FredError) -> RedisError {
        let Self { stream, name, .. } = self;
        let message = format!(
            "stream {stream} at {} has no group {name}, and this user may not run XGROUP CREATE; allow it with the ACL rule `+xgroup|create`, or make the group: `XGROUP CREATE {stream} {name} 0 MKSTREAM`",
            self.place()
        );
        RedisError::answer(message, Some(cause))
    }

    /// The group is gone, and with it which rows are done.
    pub(super) fn lost(&self) -> RedisError {
        let Self { stream, name, .. } = self;
        let message = format!(
            "the group {name} of stream {stream} at {} is gone, and with it which rows are done: rows that are read again would count again; begin anew: `positions reset --drop-states`, or, if the stream is the same, make the group behind the last row that is done: `XGROUP CREATE {stream} {name} <its id>`",
            self.place()
        );
        RedisError::answer(message, None)
    }

    /// Whether the group is there. A user who may not ask finds out by reading.
    async fn is_there(&self) -> Result<bool, RedisError> {
        let arguments = vec![self.stream.as_str().into(), self.name.as_str().into()];
        match self.connection.ask("XPENDING", self.slot(), arguments).await? {
            Ok(_) => Ok(true),
            Err(cause) if is_gone(&cause) => Ok(false),
            Err(cause) => match self.refused("XPENDING", cause) {
                denied if denied.denied_command().is_some() => Ok(true),
                other => Err(other),
            },
        }
    }

    /// Acknowledges entries. Done twice is no harm.
    pub(super) async fn acknowledge(&self, ids: &[Bytes]) -> Result<(), RedisError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut arguments = Vec::with_capacity(2 + ids.len());
        arguments.extend([self.stream.as_str().into(), self.name.as_str().into()]);
        arguments.extend(ids.iter().cloned().map(Value::Bytes));
        let answer = self.connection.ask("XACK", self.slot(), arguments).await?;
        answer.map(|_| ()).map_err(|cause| self.refused("XACK", cause))
    }

    /// Asks for another lease for entries; how many of them are another reader's by now.
    pub(super) async fn renew(&self, ids: &[Bytes]) -> Result<u64, RedisError> {
        Ok(self.run(&self.renew, &[], ids, "EVAL").await?.as_u64().unwrap_or_default())
    }

    /// Gives entries back: every reader may take them.
    pub(super) async fn release(&self, ids: &[Bytes]) -> Result<(), RedisError> {
        self.run(&self.release, &[LONGEST_LEASE_MS], ids, "EVAL").await?;
        self.released.store(true, Ordering::Release);
        Ok(())
    }

    /// Gives all entries of this reader back, and takes its name out of the group if there were none.
    pub(super) async fn leave(&self) -> Result<(), RedisError> {
        match self.run(&self.leave, &[LONGEST_LEASE_MS], &[], "EVAL").await {
            // The entries are given back; only the name stays.
            Err(error) if error.denied_command() == Some("XGROUP DELCONSUMER") => Ok(()),
            left => left.map(|_| ()),
        }
    }

    /// Takes the names of readers out of the group that have nothing and are silent for `idle`.
    /// Returns the names that stay; nothing of a group that is gone.
    pub(super) async fn sweep(
        &self,
        idle: Duration,
    ) -> Result<Option<HashSet<String>>, RedisError> {
        let idle = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        match self.run(&self.sweep, &[idle], &[], "EVAL").await? {
            Value::Array(names) => Ok(Some(names.iter().filter_map(Value::as_string).collect())),
            _ => Ok(None),
        }
    }

    /// Takes over entries, unless another reader has done so meanwhile. Returns how many.
    pub(super) async fn claim(&self, entries: &[Pending]) -> Result<u64, RedisError> {
        let lease = u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX);
        let words = entries.iter().flat_map(|entry| {
            [Bytes::from(entry.id.to_string()), Bytes::from(entry.consumer.clone())]
        });
        let words: Vec<Bytes> = words.collect();
        Ok(self.run(&self.claim, &[lease], &words, "EVAL").await?.as_u64().unwrap_or_default())
    }

    /// How many entries the group has not been given, where Redis knows (from Redis 7 on, and not
    /// where entries were deleted in between).
    pub(super) async fn lag(&self) -> Result<Option<u64>, RedisError> {
        Ok(self.standing().await?.and_then(|group| group.lag))
    }

    /// A group that is gone has nothing to renew, to give back, or to remove.
    async fn run(
        &self,
        script: &Script,
        numbers: &[u64],
        ids: &[Bytes],
        verb: &'static str,
    ) -> Result<Value, RedisError> {
        let mut arguments = Vec::with_capacity(3 + ids.len());
        arguments.extend([self.name.as_str().into(), self.consumer.as_str().into()]);
        arguments.extend(numbers.iter().map(|number| Value::from(number.to_string())));
        arguments.extend(ids.iter().cloned().map(Value::Bytes));
        let keys = vec![self.stream.as_str().into()];
        match script.run(&self.connection, keys, arguments).await? {
            Ok(answer) => Ok(answer),
            Err(cause) if is_gone(&cause) => Ok(Value::Null),
            Err(cause) => Err(self.refused(verb, cause)),
        }
    }

    async fn standing(&self) -> Result<Option<Standing>, RedisError> {
        let Some(Value::Array(groups)) = self.inform("GROUPS").await? else { return Ok(None) };
        let named = |group: &&Value| {
            named_value(group, "name")
                .is_some_and(|name| name.as_bytes() == Some(self.name.as_bytes()))
        };
        Ok(groups.iter().find(named).map(|group| Standing {
            last_delivered: named_id(group, "last-delivered-id"),
            lag: named_value(group, "lag").and_then(Value::as_u64),
        }))
    }

    async fn newest(&self) -> Result<Option<EntryId>, RedisError> {
        let stream = self.inform("STREAM").await?;
        Ok(stream.and_then(|stream| named_id(&stream, "last-generated-id")))
    }

    /// What `XINFO` says; nothing where the stream is gone, or the user may not ask.
    async fn inform(&self, of: &'static str) -> Result<Option<Value>, RedisError> {
        if self.is_blind.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let arguments = vec![Value::from_static_str(of), self.stream.as_str().into()];
        match self.connection.ask("XINFO", self.slot(), arguments).await? {
            Ok(answer) => Ok(Some(answer)),
            Err(cause) if is_gone(&cause) => Ok(None),
            Err(cause) => match self.refused("XINFO", cause) {
                denied if denied.denied_command().is_some() => {
                    self.is_blind.store(true, Ordering::Relaxed);
                    Ok(None)
                }
                other => Err(other),
            },
        }
    }

    /// Where the stream is in a cluster; fred would take the first word of a command for its key.
    pub(super) fn slot(&self) -> ClusterHash {
        ClusterHash::from(self.stream.as_bytes())
    }

    pub(super) fn place(&self) -> &str {
        &self.connection.place
    }

    /// What Redis refuses, with the way out where there is one.
    pub(super) fn refused(&self, verb: &'static str, cause: FredError) -> RedisError {
        let Self { stream, .. } = self;
        let said = cause.details();
        if said.starts_with("WRONGTYPE") {
            let message = format!(
                "the key {stream} at {} holds no stream; name a stream in `key`, or remove what is there",
                self.place()
            );
            return RedisError::answer(message, Some(cause));
        }
        if said.starts_with("ERR unknown command") {
            let message = format!(
                "redis at {} is too old to read the stream {stream}; 6.2 is the oldest that will do",
                self.place()
            );
            return RedisError::answer(message, Some(cause));
        }
        RedisError::key(stream.as_bytes(), verb, cause)
    }
}

/// Whether it is the group or its stream that is missing.
pub(super) fn is_gone(error: &FredError) -> bool {
    let said = error.details();
    // While a read blocks, redis 7.0 says it as `UNBLOCKED`.
    ["NOGROUP", "UNBLOCKED", "ERR no such key"].iter().any(|code| said.starts_with(code))
}

/// The value that follows a name, in an answer in which they take turns.
fn named_value<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Array(parts) = map else { return None };
    parts.chunks_exact(2).find_map(|pair| match pair {
        [key, value] if key.as_bytes() == Some(name.as_bytes()) => Some(value),
        _ => None,
    })
}

fn named_id(map: &Value, name: &str) -> Option<EntryId> {
    named_value(map, name)?.as_str()?.parse().ok()
}

/// A name that no other reader has: where it runs, and a number.
fn consumer() -> String {
    let host = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let host = host.as_deref().map(str::trim).ok().filter(|host| !host.is_empty());
    let random = RandomState::new().build_hasher().finish();
    format!("{}-{}-{random:016x}", host.unwrap_or("kisflow"), std::process::id())
}
