//! [`RedisError`]: why Redis could not be reached, or what it refused.

use std::{error::Error, fmt, time::Duration};

use fred::error::{Error as FredError, ErrorKind};

use crate::permission::Denied;

/// Why Redis could not be reached, or what it refused.
///
/// ```no_run
/// # async fn example(redis: &kisflow_redis::Redis) {
/// use kisflow_core::Storage;
/// use kisflow_redis::RedisError;
///
/// if let Err(error) = redis.get(&["stu_1".to_owned()]).await {
///     let away = error.downcast_ref::<RedisError>().is_some_and(RedisError::is_outage);
///     println!("{}: {error}", if away { "try again later" } else { "mend the record" });
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct RedisError {
    kind: Box<Kind>,
}

#[derive(Debug)]
enum Kind {
    Conf(String),
    /// No connection was made; the message names the address.
    Connect {
        message: String,
        cause: Option<Said>,
    },
    /// The connection was lost, and did not come back in time; nothing was sent.
    Away {
        place: String,
        waited: Duration,
        gave_up: bool,
    },
    /// The connection was lost while an answer was due.
    Lost {
        place: String,
        batch: bool,
        cause: Said,
    },
    /// No answer came in time.
    Silent {
        place: String,
        batch: bool,
        waited: Duration,
    },
    /// The answer of Redis does not fit the request, or is a refusal with a known fix.
    Answer {
        message: String,
        cause: Option<Said>,
    },
    /// Redis refused a command for a record.
    Key {
        key: String,
        command: &'static str,
        cause: Said,
    },
    /// The user may not run a command, or not on this key.
    Denied {
        key: String,
        denied: Denied,
        cause: Said,
    },
    /// A hash has a value that is not text.
    Text {
        key: String,
        field: String,
    },
}

/// The message of Redis in an error of fred, without fred's own name for it.
#[derive(Debug)]
struct Said(FredError);

impl fmt::Display for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.details())
    }
}

impl Error for Said {}

impl RedisError {
    pub(crate) fn conf(message: impl Into<String>) -> Self {
        Self::of(Kind::Conf(message.into()))
    }

    /// A refused connection, with a message that says what to do.
    pub(crate) fn connect(place: &str, database: u8, cause: FredError) -> Self {
        let said = cause.details();
        let has = |text: &str| said.contains(text);
        let (message, plain) = match cause.kind() {
            _ if has("ConnectionRefused") => {
                (format!("nothing listens at {place} (connection refused)"), true)
            }
            _ if has("failed to lookup address") => {
                (format!("the host of {place} is unknown"), false)
            }
            _ if has("DB index is out of range") => {
                (format!("{place} has no database {database}"), false)
            }
            _ if has("cluster support disabled") => {
                (format!("{place} is no node of a cluster; set `mode: single`"), true)
            }
            _ if has("NOPERM") => (may_not(place, &cause), false),
            _ if has("InvalidCertificate") => {
                (format!("the certificate of {place} is not trusted"), false)
            }
            ErrorKind::Auth if has("NOAUTH") => {
                (format!("{place} wants a password; set `password_env`"), false)
            }
            ErrorKind::Auth => (format!("{place} refused the user name or the password"), false),
            ErrorKind::Protocol => (
                format!(
                    "what listens at {place} does not speak redis' protocol; check the port, and `tls`"
                ),
                false,
            ),
            ErrorKind::Sentinel => (format!("the sentinels at {place} lead to no master"), false),
            _ => (format!("no connection to {place}"), false),
        };
        Self::of(Kind::Connect { message, cause: (!plain).then_some(Said(cause)) })
    }

    pub(crate) fn connect_timeout(place: &str, accepted: bool, waited: Duration) -> Self {
        let message = match accepted {
            true => format!("{place} accepted the connection and did not answer within {waited:?}"),
            false => format!("no connection to {place} within {waited:?}"),
        };
        Self::of(Kind::Connect { message, cause: None })
    }

    pub(crate) fn away(place: &str, waited: Duration, gave_up: bool) -> Self {
        Self::of(Kind::Away { place: place.to_owned(), waited, gave_up })
    }

    /// No answer to a batch of commands, some of which may have been executed.
    pub(crate) fn broken(place: &str, limit: Duration, cause: FredError) -> Self {
        Self::no_answer(place, limit, cause, true)
    }

    /// No answer to one command.
    pub(crate) fn unanswered(place: &str, limit: Duration, cause: FredError) -> Self {
        Self::no_answer(place, limit, cause, false)
    }

    fn no_answer(place: &str, waited: Duration, cause: FredError, batch: bool) -> Self {
        let place = place.to_owned();
        Self::of(match cause.kind() {
            ErrorKind::Timeout => Kind::Silent { place, batch, waited },
            _ => Kind::Lost { place, batch, cause: Said(cause) },
        })
    }

    /// An answer that does not fit, or a refusal with a message that says what to do.
    pub(crate) fn answer(message: impl Into<String>, cause: Option<FredError>) -> Self {
        Self::of(Kind::Answer { message: message.into(), cause: cause.map(Said) })
    }

    /// Redis refused a command for a key. `command` is the one that was sent.
    pub(crate) fn key(key: &[u8], command: &'static str, cause: FredError) -> Self {
        Self::task(key, command, command, cause)
    }

    /// Redis refused a task for a key, which the command `sent` performs.
    pub(crate) fn task(
        key: &[u8],
        task: &'static str,
        sent: &'static str,
        cause: FredError,
    ) -> Self {
        let key = String::from_utf8_lossy(key).into_owned();
        let denied = Denied::read(&cause, sent);
        let cause = Said(cause);
        Self::of(match denied {
            Some(denied) => Kind::Denied { key, denied, cause },
            None => Kind::Key { key, command: task, cause },
        })
    }

    pub(crate) fn text(key: &str, field: &[u8]) -> Self {
        Self::of(Kind::Text {
            key: key.to_owned(),
            field: String::from_utf8_lossy(field).into_owned(),
        })
    }

    fn of(kind: Kind) -> Self {
        Self { kind: Box::new(kind) }
    }

    /// Returns `true` if the conf of the connector is at fault; nothing was connected.
    #[must_use]
    pub fn is_conf(&self) -> bool {
        matches!(*self.kind, Kind::Conf(_))
    }

    /// Returns `true` if no connection could be made at the start.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        matches!(*self.kind, Kind::Connect { .. })
    }

    /// Returns `true` if the connection was lost or silent later on. The commands may or may not
    /// have been executed, or may still be: repeat them, as `retry_times` of a function does.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(*self.kind, Kind::Away { .. } | Kind::Lost { .. } | Kind::Silent { .. })
    }

    /// Returns `true` if the user lacks a permission: the error names the refused command, and the
    /// ACL rule that allows it.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(*self.kind, Kind::Denied { .. })
    }

    /// Returns the command that the user may not run, such as `XGROUP CREATE`.
    pub(crate) fn denied_command(&self) -> Option<&str> {
        match &*self.kind {
            Kind::Denied { denied, .. } if !denied.of_key => Some(&denied.command),
            _ => None,
        }
    }

    /// Returns the key for which Redis refused a command, or whose hash has a value that is not
    /// text.
    #[must_use]
    pub fn record(&self) -> Option<&str> {
        match &*self.kind {
            Kind::Key { key, .. } | Kind::Denied { key, .. } | Kind::Text { key, .. } => Some(key),
            _ => None,
        }
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            Kind::Conf(message) | Kind::Connect { message, .. } | Kind::Answer { message, .. } => {
                formatter.write_str(message)
            }
            Kind::Away { place, gave_up: true, .. } => {
                write!(
                    formatter,
                    "the connection to redis at {place} is lost, and `reconnect_attempts` are used up"
                )
            }
            Kind::Away { place, waited, .. } => {
                write!(
                    formatter,
                    "the connection to redis at {place} is lost, and did not come back within {waited:?}"
                )
            }
            Kind::Lost { place, batch, .. } => {
                let done = if *batch { "; the batch may be done in part" } else { "" };
                write!(
                    formatter,
                    "the connection to redis at {place} was lost before the answer{done}"
                )
            }
            Kind::Silent { place, batch, waited } => {
                let done = if *batch { "; the batch may be done in part, or later" } else { "" };
                write!(formatter, "redis at {place} did not answer within {waited:?}{done}")
            }
            Kind::Key { key, cause, .. } if cause.0.is_moved() => {
                write!(
                    formatter,
                    "key {key}: the server is one node of a cluster; set `mode: cluster`"
                )
            }
            Kind::Key { key, command, .. } => write!(formatter, "key {key}: {command} failed"),
            Kind::Denied { key, denied, .. } => {
                let on_it = if denied.of_key { " on it" } else { "" };
                let (command, rule) = (&denied.command, denied.rule(key));
                write!(
                    formatter,
                    "key {key}: this user may not run {command}{on_it}; allow it with the ACL rule `{rule}`"
                )
            }
            Kind::Text { key, field } => {
                write!(formatter, "key {key}: field `{field}` is no UTF-8 text")
            }
        }
    }
}

impl Error for RedisError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.kind {
            Kind::Connect { cause: Some(cause), .. }
            | Kind::Answer { cause: Some(cause), .. }
            | Kind::Lost { cause, .. }
            | Kind::Denied { cause, .. }
            | Kind::Key { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// The error of connecting as a user without the necessary permissions.
fn may_not(place: &str, cause: &FredError) -> String {
    match Denied::read(cause, "PING") {
        Some(denied) => format!(
            "{place} does not let this user run {}, which connecting takes; allow it with the ACL rule `{}`",
            denied.command,
            denied.rule("")
        ),
        None => format!("no connection to {place}"),
    }
}

/// Returns whether an error is Redis' own answer to a command, and not fred's report on the
/// connection. Redis opens each with a code in capitals: `WRONGTYPE`, `ERR`, `OOM`, …
pub(crate) fn is_answer(error: &FredError) -> bool {
    let code = error.details().split(' ').next().unwrap_or_default();
    code.len() > 1 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use kisflow_core::error_chain;

    use super::*;

    #[test]
    fn the_words_of_redis_stand_in_the_chain_once() {
        let refused =
            FredError::new(ErrorKind::InvalidArgument, "WRONGTYPE Operation against a key");
        assert!(is_answer(&refused));
        let error = RedisError::key(b"stu_1", "HGETALL", refused);
        assert_eq!(
            error_chain(&error).to_string(),
            "key stu_1: HGETALL failed: WRONGTYPE Operation against a key"
        );
        assert_eq!(error.record(), Some("stu_1"));
    }

    #[test]
    fn what_fred_says_of_a_connection_is_no_answer() {
        for said in [
            "Too many failed write attempts.",
            "Connection closed.",
            "Request timed out.",
            "channel closed",
            "",
        ] {
            assert!(!is_answer(&FredError::new(ErrorKind::Unknown, said)), "{said}");
        }
    }
}
