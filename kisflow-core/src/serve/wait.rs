//! [`Wait`]: a wait of rows for something that does not work now, reported with its reason.

use std::time::Duration;

use super::delivery::{Desk, Interrupted};
use crate::{backoff::Backoff, health::Trouble};

/// A wait of rows for something that does not work now, until this is dropped.
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

    /// Reports the reason to `/readyz`. Returns whether to log it as well.
    pub(super) fn tell(&mut self, desk: &Desk, cause: impl Into<String>) -> bool {
        self.trouble = Some(desk.health.trouble(desk.flow.name(), cause));
        self.backoff.is_told()
    }

    /// Reports the reason once more, to who pauses by itself. Returns whether to log it as well.
    pub(super) fn tell_again(&mut self, desk: &Desk, cause: impl Into<String>) -> bool {
        let is_told = self.tell(desk, cause);
        self.backoff.next();
        is_told
    }

    /// Pauses, each time longer.
    pub(super) async fn pause(&mut self, desk: &Desk) -> Result<(), Interrupted> {
        self.pause_up_to(desk, Duration::MAX).await
    }

    /// Pauses, each time longer, at most for so long.
    pub(super) async fn pause_up_to(
        &mut self,
        desk: &Desk,
        limit: Duration,
    ) -> Result<(), Interrupted> {
        desk.sleep(self.backoff.next().min(limit)).await
    }

    /// Marks it as working. Returns `true` if it was not before.
    pub(super) fn over(&mut self) -> bool {
        self.backoff.reset();
        self.trouble.take().is_some()
    }
}
