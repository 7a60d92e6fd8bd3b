//! Why an operation on the quarantine failed.

use std::{error::Error, fmt};

use crate::error::BoxError;

/// Why an operation on the quarantine failed.
pub struct QuarantineError {
    kind: Kind,
}

enum Kind {
    /// No conf asks for one.
    None,
    Cursor(String),
    Unknown(String),
    /// The row cannot be sent on: its id, and why not.
    Stuck(String, String),
    Full(String),
    /// The operation, and the cause.
    Storage(&'static str, BoxError),
}

impl QuarantineError {
    pub(crate) fn none() -> Self {
        Self { kind: Kind::None }
    }

    pub(super) fn cursor(text: &str) -> Self {
        Self { kind: Kind::Cursor(text.to_owned()) }
    }

    pub(super) fn unknown(id: &str) -> Self {
        Self { kind: Kind::Unknown(id.to_owned()) }
    }

    pub(super) fn stuck(id: &str, why: impl Into<String>) -> Self {
        Self { kind: Kind::Stuck(id.to_owned(), why.into()) }
    }

    pub(super) fn full(message: String) -> Self {
        Self { kind: Kind::Full(message) }
    }

    pub(super) fn storage(what: &'static str) -> impl FnOnce(BoxError) -> Self {
        move |cause| Self { kind: Kind::Storage(what, cause) }
    }

    /// Returns `true` if there is no row with this id (any more).
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self.kind, Kind::Unknown(_))
    }

    /// Returns `true` if the quarantine is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.kind, Kind::Full(_))
    }

    /// Returns `true` if the store of the rows could not be read or written.
    #[must_use]
    pub fn is_storage(&self) -> bool {
        matches!(self.kind, Kind::Storage(..))
    }
}

impl fmt::Display for QuarantineError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::None => formatter.write_str(
                "there is no quarantine: no flow has a source, and the global conf names no connector for `quarantine`",
            ),
            Kind::Cursor(text) => write!(
                formatter,
                "\"{text}\" is no cursor of the quarantine; give one that a list returned"
            ),
            Kind::Unknown(id) => write!(formatter, "no row in quarantine has the id \"{id}\""),
            Kind::Stuck(id, why) => write!(formatter, "row {id} cannot be sent on: {why}"),
            Kind::Full(message) => formatter.write_str(message),
            Kind::Storage(what, _) => write!(formatter, "the quarantine cannot be {what}"),
        }
    }
}

impl fmt::Debug for QuarantineError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", crate::error_chain(self))
    }
}

impl Error for QuarantineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Storage(_, cause) => Some(&**cause),
            _ => None,
        }
    }
}
