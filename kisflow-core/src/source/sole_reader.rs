//! [`SoleReader`]: a source that one process at a time reads for a flow.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::sleep};
use tracing::info;

use crate::{
    durable::{Durable, HeldLease, Key, Lease, LeaseTaken},
    error::Result,
};

/// The space of leases, with the key (source, flow).
const SPACE: &str = "reader_leases";
/// How long to wait until a lease is looked at again that another process has.
const PAUSE: Duration = Duration::from_secs(2);

/// The lease of the one process that reads a source for a flow. See
/// [`SourceContext::sole_reader`](super::SourceContext::sole_reader).
#[must_use = "another process may read when it is dropped"]
pub struct SoleReader {
    /// `None` once it is given back.
    lease: Option<HeldLease>,
}

impl SoleReader {
    pub(super) async fn wait(
        durable: Arc<dyn Durable>,
        (source, flow): (&str, &str),
        length: Duration,
    ) -> Result<Self> {
        let lease = Lease::new(durable, Key::new(SPACE).text(source).text(flow)).lasting(length);
        let (mut seen, mut is_told) = (None, false);
        loop {
            match lease.take(&mut seen).await? {
                LeaseTaken::Held(lease) => return Ok(Self { lease: Some(lease) }),
                LeaseTaken::Elsewhere(left) => {
                    if !std::mem::replace(&mut is_told, true) {
                        info!(
                            flow,
                            source, "another process reads the source; this one takes over from it"
                        );
                    }
                    sleep(left.min(PAUSE)).await;
                }
            }
        }
    }

    /// Whether no other process can have the lease.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.lease.as_ref().is_some_and(HeldLease::is_held)
    }

    /// Gives the lease back, so that another process need not wait until it has run out. Dropping does
    /// so as well, in the background.
    pub async fn release(mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release().await;
        }
    }
}

impl Drop for SoleReader {
    fn drop(&mut self) {
        // Without a runtime it runs out.
        if let (Some(lease), Ok(runtime)) = (self.lease.take(), Handle::try_current()) {
            runtime.spawn(lease.release());
        }
    }
}

impl fmt::Debug for SoleReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SoleReader(is_held: {})", self.is_held())
    }
}
