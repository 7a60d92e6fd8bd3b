//! Records as hashes: `HSET`, `HDEL`, `PEXPIRE`, `HGETALL`, `DEL`.

use std::borrow::Cow;

use fred::{bytes::Bytes, types::Value};
use kisflow_core::{Fields, Record, Result, Storage, async_trait};

use crate::{
    connect::Redis,
    error::RedisError,
    pipeline::{Answer, Commands, MOST_COMMANDS},
};

/// A record is a hash at its key. Every method sends its whole batch in one go, in parts of at most
/// 10,000 commands; in a cluster each part is split by node, and the nodes work on it side by side.
/// A batch is not a transaction: of one that fails, a part may be done.
///
/// # Errors
///
/// A [`RedisError`]: the connection is lost or silent; or Redis refuses a command, such as for a key
/// that holds no hash. Such an error names the first such key; the other records of the batch are
/// written or removed nonetheless.
///
/// # Cancel safety
///
/// What has been sent may be done after the future is dropped. Each record is then either as it was
/// or as it was to be, except that fields may be set and not yet removed.
#[async_trait]
impl Storage for Redis {
    async fn put(&self, records: Vec<Record>) -> Result<()> {
        let mut refused = None;
        let mut writes = Writes::new(self, records.len());
        for record in records {
            writes.add(&record);
            if writes.commands.len() >= MOST_COMMANDS {
                let full = std::mem::replace(&mut writes, Writes::new(self, MOST_COMMANDS));
                refused = refused.or(full.send().await?);
            }
        }
        first(refused.or(writes.send().await?))
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Fields>>> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MOST_COMMANDS) {
            let mut commands = Commands::with_capacity(keys.len());
            for key in keys {
                let key = commands.text(key);
                commands.push("HGETALL", vec![Value::Bytes(key)]);
            }
            for (key, answer) in keys.iter().zip(self.connection.send(commands).await?) {
                let hash =
                    answer.map_err(|cause| RedisError::key(key.as_bytes(), "HGETALL", cause))?;
                found.push(fields(key, hash)?);
            }
        }
        Ok(found)
    }

    async fn remove(&self, keys: &[String]) -> Result<()> {
        let mut refused = None;
        let mut writes = Writes::new(self, keys.len());
        for keys in keys.chunks(MOST_COMMANDS) {
            for key in keys {
                let key = writes.commands.text(key);
                writes.push("DEL", &key, Vec::with_capacity(1));
            }
            let full = std::mem::replace(&mut writes, Writes::new(self, 0));
            refused = refused.or(full.send().await?);
        }
        first(refused)
    }
}

/// What was refused is told when everything else has been done.
fn first(refused: Option<RedisError>) -> Result<()> {
    refused.map_or(Ok(()), |error| Err(Box::new(error)))
}

/// Commands that change records, and the key of each.
struct Writes<'a> {
    redis: &'a Redis,
    commands: Commands,
    keys: Vec<(&'static str, Bytes)>,
    /// The argument of `PEXPIRE`.
    ttl: Option<Bytes>,
}

impl<'a> Writes<'a> {
    fn new(redis: &'a Redis, records: usize) -> Self {
        let each = if redis.ttl.is_some() { 2 } else { 1 };
        let expected = records.saturating_mul(each).min(MOST_COMMANDS);
        let ttl = redis.ttl.map(|ttl| Bytes::from(ttl.as_millis().to_string()));
        Self {
            redis,
            commands: Commands::with_capacity(expected),
            keys: Vec::with_capacity(expected),
            ttl,
        }
    }

    /// Sets first and removes then: a record that loses its only field and gains another is at no
    /// moment gone, and keeps its time to live.
    fn add(&mut self, record: &Record) {
        let key = self.commands.text(&record.key);
        let mut set = Vec::with_capacity(1 + 2 * record.fields.len());
        let mut gone: Vec<&str> = Vec::new();
        set.push(Value::Bytes(key.clone()));
        for (index, (name, text)) in record.fields.iter().enumerate() {
            match text {
                Some(text) => {
                    set.push(match name {
                        // The name of a struct's field is not copied.
                        Cow::Borrowed(name) => Value::from_static_str(name),
                        Cow::Owned(name) => Value::Bytes(self.commands.text(name)),
                    });
                    set.push(Value::Bytes(self.commands.text(text)));
                }
                // Of one field twice in a record the later wins, here too.
                None if record.fields.iter().skip(index + 1).any(|(later, _)| later == name) => {}
                None => gone.push(name),
            }
        }
        if set.len() > 1 {
            self.push_all("HSET", &key, set);
        }
        if !gone.is_empty() {
            let mut arguments = Vec::with_capacity(1 + gone.len());
            arguments.push(Value::Bytes(key.clone()));
            for name in gone {
                arguments.push(Value::Bytes(self.commands.text(name)));
            }
            self.push_all("HDEL", &key, arguments);
        }
        if let Some(ttl) = self.ttl.clone() {
            self.push("PEXPIRE", &key, vec![Value::Bytes(ttl)]);
        }
    }

    fn push(&mut self, verb: &'static str, key: &Bytes, mut rest: Vec<Value>) {
        rest.insert(0, Value::Bytes(key.clone()));
        self.push_all(verb, key, rest);
    }

    fn push_all(&mut self, verb: &'static str, key: &Bytes, arguments: Vec<Value>) {
        self.commands.push(verb, arguments);
        self.keys.push((verb, key.clone()));
    }

    /// Sends all of it; what Redis refused first is an answer, an outage is an error.
    async fn send(self) -> Result<Option<RedisError>, RedisError> {
        let answers = self.redis.connection.send(self.commands).await?;
        let refused = |((verb, key), answer): ((&'static str, Bytes), Answer)| {
            answer.err().map(|cause| RedisError::key(&key, verb, cause))
        };
        Ok(self.keys.into_iter().zip(answers).find_map(refused))
    }
}

/// The fields of a hash; `None` if it has none, because a hash without fields is not there.
fn fields(key: &str, hash: Value) -> Result<Option<Fields>, RedisError> {
    let Value::Array(values) = hash else { return Ok(None) };
    let mut fields = Vec::with_capacity(values.len() / 2);
    let mut values = values.into_iter();
    while let (Some(name), Some(value)) = (values.next(), values.next()) {
        let (Value::String(name), Value::String(text)) = (&name, &value) else {
            return Err(RedisError::text(key, name.as_bytes().unwrap_or_default()));
        };
        fields.push((String::from(&**name), String::from(&**text)));
    }
    Ok((!fields.is_empty()).then_some(fields))
}
