//! [`Script`]: Lua that Redis runs as a whole.

use std::sync::OnceLock;

use fred::{
    bytes::Bytes,
    types::{ClusterHash, Value},
};

use crate::{connection::Connection, error::RedisError, permission::Denied, pipeline::Answer};

/// Lua that Redis runs as a whole: sent once, and called by its digest from then on.
pub(crate) struct Script {
    source: &'static str,
    digest: OnceLock<Bytes>,
}

impl Script {
    pub(crate) const fn new(source: &'static str) -> Self {
        Self { source, digest: OnceLock::new() }
    }

    /// Runs it. In a cluster it runs where its keys are: all of them in one slot.
    ///
    /// # Errors
    ///
    /// When there is no connection, or it is lost, or the answer does not come in time. What the
    /// script says is an answer, also when it fails.
    ///
    /// # Cancel safety
    ///
    /// A script that was sent may be run after the future is dropped, as a whole.
    pub(crate) async fn run(
        &self,
        connection: &Connection,
        keys: Vec<Value>,
        arguments: Vec<Value>,
    ) -> Result<Answer, RedisError> {
        // fred itself would take the script for the key.
        let first = keys.first().and_then(Value::as_bytes).unwrap_or_default();
        let slot = ClusterHash::from(first);
        let mut call = Vec::with_capacity(2 + keys.len() + arguments.len());
        call.push(Value::Null);
        call.push(Value::Integer(i64::try_from(keys.len()).unwrap_or(i64::MAX)));
        call.extend(keys);
        call.extend(arguments);
        let naming = |name: Value| {
            let mut call = call.clone();
            if let Some(first) = call.first_mut() {
                *first = name;
            }
            call
        };
        if let Some(digest) = self.digest.get() {
            let known = naming(Value::Bytes(digest.clone()));
            match connection.ask("EVALSHA", slot.clone(), known).await? {
                Err(error) if error.details().starts_with("NOSCRIPT") => {}
                // A user may run scripts, and not by their digest.
                Err(error)
                    if Denied::read(&error, "EVALSHA")
                        .is_some_and(|denied| denied.command == "EVALSHA" && !denied.of_key) => {}
                answer => return Ok(answer),
            }
        }
        let answer =
            connection.ask("EVAL", slot, naming(Value::from_static_str(self.source))).await?;
        if self.digest.get().is_none() {
            // Without a digest, such as where SCRIPT is not allowed, the script is sent each time.
            let load = vec![Value::from_static_str("LOAD"), Value::from_static_str(self.source)];
            let digest = connection.ask("SCRIPT", ClusterHash::Random, load).await;
            if let Ok(Ok(digest)) = digest
                && let Some(digest) = digest.into_bytes()
            {
                let _ = self.digest.set(digest);
            }
        }
        Ok(answer)
    }
}
