//! [`Wait`]: rows wait for something that does not work now, and people are told why.

use super::delivery::{Desk, Interrupted};
use crate::{backoff::Backoff, health::Trouble};

/// A wait of rows for something that does not work now; over when it is dropped.
#[derive(Default)]
pub(super) struct Wait {
    backoff: Backoff,
    trouble: Option<Trouble>,
}

impl Wait {
    /// Whether there has been a pause.
    pub(super) fn has_begun(&self) -> bool {
        self.backoff.attempts() > 0
    }

    /// Lets `/readyz` say why. Whether the log is to say so as well.
    pub(super) fn tell(&mut self, desk: &Desk, cause: impl Into<String>) -> bool {
        self.trouble = Some(desk.health.trouble(desk.flow.name(), cause));
        self.backoff.is_told()
    }

    /// Pauses, longer each time.
    pub(super) async fn pause(&mut self, desk: &Desk) -> Result<(), Interrupted> {
        desk.sleep(self.backoff.next()).await
    }

    /// It works. Whether it did not before.
    pub(super) fn over(&mut self) -> bool {
        self.trouble.take().is_some()
    }
}
