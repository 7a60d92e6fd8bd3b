//! [`PostgresError`]: why Postgres could not be reached, or what it refused.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use tokio_postgres::{Error as DriverError, error::SqlState};

use crate::address::Place;

/// Why Postgres could not be reached, or what it refused.
#[derive(Clone, Debug)]
pub struct PostgresError {
    kind: Kind,
    message: String,
    cause: Option<Arc<Said>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Conf,
    /// No connection was made.
    Connect,
    /// The connection was lost or silent, or none was free.
    Outage,
    /// Postgres refused a statement.
    Refused,
}

impl PostgresError {
    pub(crate) fn conf(message: impl Into<String>) -> Self {
        Self { kind: Kind::Conf, message: message.into(), cause: None }
    }

    /// A failed connection, with a message that says what to do.
    pub(crate) fn connect(place: &Place, cause: DriverError) -> Self {
        let chain = Chain(&cause).to_string();
        let has = |text: &str| chain.contains(text);
        let (message, is_plain) = match cause.code() {
            Some(code) if *code == SqlState::INVALID_PASSWORD => (
                format!("{place} refused the user name or the password; check `password_env`"),
                false,
            ),
            Some(code)
                if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
                    && has("no encryption") =>
            {
                (
                    format!(
                        "{place} refuses connections without TLS; add `sslmode=require` to the URL"
                    ),
                    false,
                )
            }
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => {
                (format!("{place} does not exist; create the database with `createdb`"), false)
            }
            Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => (
                format!(
                    "{place} has no connection left; lower `pool`, or raise `max_connections` of the server"
                ),
                false,
            ),
            None if has("Connection refused") => {
                (format!("nothing listens at {place} (connection refused)"), true)
            }
            None if has("password missing") => {
                (format!("{place} requires a password; set `password_env`"), true)
            }
            None if has("does not support TLS") => {
                (format!("{place} does not speak TLS; drop `sslmode` from the URL"), true)
            }
            None if has("invalid peer certificate") => (
                format!(
                    "the certificate of {place} is not trusted; name its authority in `tls_ca`"
                ),
                false,
            ),
            _ => (format!("no connection to {place}"), false),
        };
        Self { kind: Kind::Connect, message, cause: (!is_plain).then(|| Arc::new(Said(cause))) }
    }

    pub(crate) fn connect_timeout(place: &Place, waited: Duration) -> Self {
        let message = format!("no connection to {place} within {waited:?}");
        Self { kind: Kind::Connect, message, cause: None }
    }

    pub(crate) fn busy(place: &Place, waited: Duration) -> Self {
        let message = format!(
            "no connection to {place} was free within {waited:?}; all of `pool` were in use"
        );
        Self { kind: Kind::Outage, message, cause: None }
    }

    pub(crate) fn silent(place: &Place, waited: Duration) -> Self {
        let message = format!("postgres at {place} did not answer within {waited:?}");
        Self { kind: Kind::Outage, message, cause: None }
    }

    /// A commit that others got in the way of again and again.
    pub(crate) fn contended(place: &Place) -> Self {
        Self { kind: Kind::Outage, message: contention(place), cause: None }
    }

    /// An error of a statement.
    pub(crate) fn failed(place: &Place, what: &str, cause: DriverError) -> Self {
        let (kind, message) = match cause.code() {
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => (
                Kind::Refused,
                format!(
                    "postgres at {place} does not let this user {what}; grant it, or let the owner of the tables do it once"
                ),
            ),
            Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => (
                Kind::Outage,
                format!(
                    "postgres at {place} is a standby; name the primary, or all servers with `target_session_attrs=read-write`"
                ),
            ),
            // 57: it shuts down or starts; 53: it has run out of something; 08: the connection.
            Some(code) if ["57", "53", "08"].iter().any(|class| code.code().starts_with(class)) => {
                (Kind::Outage, format!("postgres at {place} cannot {what} now"))
            }
            Some(_) if is_repeatable(&cause) => (Kind::Outage, contention(place)),
            Some(_) => (Kind::Refused, format!("postgres at {place} refused to {what}")),
            None => (
                Kind::Outage,
                format!("the connection to postgres at {place} was lost before the answer"),
            ),
        };
        Self { kind, message, cause: Some(Arc::new(Said(cause))) }
    }

    /// Returns `true` if the conf of the connector is at fault; nothing was connected.
    #[must_use]
    pub fn is_conf(&self) -> bool {
        self.kind == Kind::Conf
    }

    /// Returns `true` if no connection could be made.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.kind == Kind::Connect
    }

    /// Returns `true` if a connection was lost or silent, or none was free. What was sent may have
    /// taken effect, or may still do so.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        self.kind == Kind::Outage
    }
}

impl PostgresError {
    pub(crate) fn is_repeatable(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| is_repeatable(&cause.0))
    }
}

impl fmt::Display for PostgresError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for PostgresError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| &**cause as _)
    }
}

fn contention(place: &Place) -> String {
    format!("postgres at {place}: others kept getting in the way; send it again")
}

/// An error of the driver in one line: the server's message, without what it quotes of a row.
#[derive(Debug)]
struct Said(DriverError);

impl fmt::Display for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(error) => write!(formatter, "{} ({})", error.message(), error.code().code()),
            None => write!(formatter, "{}", Chain(&self.0)),
        }
    }
}

impl Error for Said {}

/// An error and its causes in one line.
struct Chain<'e>(&'e DriverError);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Whether a transaction failed only because of others, and would succeed when repeated.
pub(crate) fn is_repeatable(error: &DriverError) -> bool {
    let codes = [
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::LOCK_NOT_AVAILABLE,
    ];
    error.code().is_some_and(|code| codes.contains(code))
}
