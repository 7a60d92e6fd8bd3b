//! [`PrometheusError`]: why the exporter does not start.

use std::{io, net::SocketAddr};

use metrics_exporter_prometheus::BuildError;

/// Why the exporter does not start.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct PrometheusError(#[from] Kind);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Kind {
    #[error("\"{serve}\" (`prometheus_serve`) is no address")]
    Host { serve: String, source: io::Error },
    #[error("\"{serve}\" (`prometheus_serve`) stands for no address")]
    NoAddress { serve: String },
    #[error("cannot listen on {address} (`prometheus_serve`)")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("this exporter has started before; give each registry one of its own")]
    Started,
    #[error("the metrics cannot be kept")]
    Recorder { source: BuildError },
}

impl PrometheusError {
    /// Whether the address is not to be had: another program listens there, or it is not this
    /// machine's.
    #[must_use]
    pub fn is_bind(&self) -> bool {
        matches!(self.0, Kind::Bind { .. })
    }
}
