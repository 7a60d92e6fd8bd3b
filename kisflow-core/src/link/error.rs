//! Why flows could not be loaded.

use std::{error::Error, fmt};

use crate::{
    conf::ConfError,
    error::{BoxError, error_chain},
};

/// Why flows could not be loaded.
pub struct LoadError {
    kind: Kind,
}

enum Kind {
    Conf(ConfError),
    Exporter(BoxError),
    Connect(Vec<NotConnected>),
}

/// A connector that cannot connect.
pub(crate) struct NotConnected {
    pub(crate) cname: String,
    pub(crate) addrs: String,
    pub(crate) cause: BoxError,
    /// Whether the cause is a panic.
    pub(crate) panicked: bool,
}

impl LoadError {
    pub(crate) fn exporter(cause: BoxError) -> Self {
        Self { kind: Kind::Exporter(cause) }
    }

    pub(crate) fn connect(failed: Vec<NotConnected>) -> Self {
        Self { kind: Kind::Connect(failed) }
    }

    /// Returns `true` if the conf, or something that it names, is at fault. Nothing was connected.
    #[must_use]
    pub fn is_conf(&self) -> bool {
        matches!(self.kind, Kind::Conf(_))
    }

    /// Returns `true` if a connector could not connect.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        matches!(self.kind, Kind::Connect(_))
    }

    /// Returns `true` if the metrics endpoint could not start.
    #[must_use]
    pub fn is_exporter(&self) -> bool {
        matches!(self.kind, Kind::Exporter(_))
    }

    /// Returns the problems of the conf, if it is at fault.
    #[must_use]
    pub fn problems(&self) -> &[crate::Problem] {
        match &self.kind {
            Kind::Conf(conf) => conf.problems(),
            _ => &[],
        }
    }
}

impl From<ConfError> for LoadError {
    fn from(error: ConfError) -> Self {
        Self { kind: Kind::Conf(error) }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Conf(conf) => conf.fmt(formatter),
            Kind::Exporter(_) => formatter.write_str("the metrics endpoint cannot start"),
            Kind::Connect(failed) => {
                let mut first = true;
                for NotConnected { cname, addrs, cause, panicked } in failed {
                    let comma = if std::mem::take(&mut first) { "" } else { "; " };
                    let at = if addrs.is_empty() { String::new() } else { format!(" at {addrs}") };
                    let what = if *panicked { "panicked" } else { "cannot connect" };
                    let why = error_chain(&**cause);
                    write!(formatter, "{comma}connector `{cname}`{at} {what}: {why}")?;
                }
                Ok(())
            }
        }
    }
}

/// A `main` that returns it prints this.
impl fmt::Debug for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", error_chain(self))
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Exporter(cause) => Some(&**cause),
            // Several causes: they are part of the message.
            Kind::Conf(_) | Kind::Connect(_) => None,
        }
    }
}
