//! [`HttpError`]: why the source cannot listen.

use std::{io, net::SocketAddr};

/// Why the source cannot listen.
///
/// ```
/// use kisflow_http::HttpError;
///
/// fn advice(error: &HttpError) -> &'static str {
///     match error.is_in_use() {
///         true => "stop the other program first",
///         false => "mend the conf",
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct HttpError(Box<Kind>);

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error("source `{source_name}`: `{path}`: {message}")]
    Conf { source_name: String, path: String, message: String },
    #[error(
        "source `{source_name}`: the host of `{addrs}` (`addrs`) is unknown; name one of this machine, or 0.0.0.0 for all"
    )]
    Host { source_name: String, addrs: String, source: Option<io::Error> },
    #[error("source `{source_name}`: cannot listen at {address} (`addrs`); {}", way_out(source))]
    Bind { source_name: String, address: SocketAddr, source: io::Error },
    #[error(
        "flow `{flow}` cannot take what is posted to {path} at {address}: flow `{other}` does already; give one of their sources another `key`"
    )]
    Taken { flow: String, other: String, path: String, address: SocketAddr },
    #[error(
        "source `{source_name}` does not agree with the others at {address} on TLS; give all of them the same `tls_cert` and `tls_key`, or this one another address"
    )]
    OtherTls { source_name: String, address: SocketAddr },
    #[error("the listener at {address} has died; it is opened again")]
    Lost { address: SocketAddr },
}

/// What to do about an unavailable address.
fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program does; stop it, or take another port",
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; 0.0.0.0 means all it has"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are for privileged users; take another"
        }
        _ => "take another address",
    }
}

impl HttpError {
    pub(crate) fn conf(source_name: &str, path: String, message: String) -> Self {
        Self::of(Kind::Conf { source_name: source_name.to_owned(), path, message })
    }

    pub(crate) fn host(source_name: &str, addrs: &str, source: Option<io::Error>) -> Self {
        let (source_name, addrs) = (source_name.to_owned(), addrs.to_owned());
        Self::of(Kind::Host { source_name, addrs, source })
    }

    pub(crate) fn bind(source_name: &str, address: SocketAddr, source: io::Error) -> Self {
        Self::of(Kind::Bind { source_name: source_name.to_owned(), address, source })
    }

    pub(crate) fn taken(flow: &str, other: &str, path: &str, address: SocketAddr) -> Self {
        let [flow, other, path] = [flow, other, path].map(str::to_owned);
        Self::of(Kind::Taken { flow, other, path, address })
    }

    pub(crate) fn other_tls(source_name: &str, address: SocketAddr) -> Self {
        Self::of(Kind::OtherTls { source_name: source_name.to_owned(), address })
    }

    pub(crate) fn lost(address: SocketAddr) -> Self {
        Self::of(Kind::Lost { address })
    }

    fn of(kind: Kind) -> Self {
        Self(Box::new(kind))
    }

    /// Returns `true` if the conf of the source is at fault: trying again does not help.
    #[must_use]
    pub fn is_conf(&self) -> bool {
        matches!(*self.0, Kind::Conf { .. } | Kind::Taken { .. } | Kind::OtherTls { .. })
    }

    /// Returns `true` if another program listens at the address.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(&*self.0, Kind::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
    }

    /// Returns `true` if the listener died while the source was open; the next call opens it again.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(*self.0, Kind::Lost { .. })
    }
}
