//! What Redis may lose of what it has confirmed, by its settings.

use fred::types::{ClusterHash, Value};

use crate::{connection::Connection, error::RedisError};

/// The settings that matter, what they have to be, and what may be lost otherwise.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("appendonly", "yes", "all that it has not written to a snapshot"),
    ("appendfsync", "always", "the last seconds before its death"),
    ("maxmemory-policy", "noeviction", "entries, when its memory is full"),
];

/// Returns what may be lost, and the way out. Returns `None` if nothing can be lost, or if this user
/// may not run `CONFIG GET`.
///
/// # Errors
///
/// When Redis is lost.
pub(crate) async fn may_lose(connection: &Connection) -> Result<Option<String>, RedisError> {
    for (name, wanted, lost) in SETTINGS {
        let arguments = vec![Value::from_static_str("GET"), Value::from_static_str(name)];
        let Ok(answer) = connection.ask("CONFIG", ClusterHash::Random, arguments).await? else {
            // Hosted servers have no such command, and other ways to keep what they confirm.
            return Ok(None);
        };
        let found = answer.into_array().into_iter().nth(1).and_then(|value| value.into_string());
        if let Some(found) = found.filter(|found| found != wanted) {
            let place = &connection.place;
            return Ok(Some(format!(
                "redis at {place} has `{name} {found}` and may lose {lost}; set `{name} {wanted}`"
            )));
        }
    }
    Ok(None)
}
