//! A reader of a flow with `guarantee: exactly_once` waits until it is the only one, and takes over.

use kisflow_core::SoleReader;
use tokio::time::{Instant, sleep};

use super::{PAUSE, Pump};
use crate::{error::NatsError, hold::Hold};

impl Pump {
    /// Under `guarantee: exactly_once`, waits until no other process reads, and takes over from it. If
    /// it fails, nothing may be read before it was called again.
    pub(super) async fn begin(&mut self) -> Result<(), NatsError> {
        let Some(done) = self.done.clone() else { return Ok(()) };
        self.drop_rows();
        let sole = match self.sole.take().filter(SoleReader::is_held) {
            Some(sole) => sole,
            None => {
                self.shelf.mended();
                // If others have taken over, the commits of what is in progress fail, and this reader
                // ends. If not, they may commit.
                while done.has_open_deliveries() {
                    sleep(PAUSE).await;
                }
                let sole = done.sole_reader(self.lease).await?;
                // The stream or its consumer may have been made anew meanwhile.
                self.consumer = self.group.attach().await?;
                sole
            }
        };
        let Some(part) = self.group.part() else { return Err(NatsError::unsure(&self.link.place)) };
        done.begin(part).await?;
        self.group.check_end()?;
        if self.is_ordered {
            self.hold = Some(Hold::new(self.lease));
        }
        self.shelf.mended();
        self.sole = Some(sole);
        Ok(())
    }

    /// Whether it may not read, because it has not taken over what it would read.
    pub(super) fn is_standby(&self) -> bool {
        self.done.is_some() && (self.sole.is_none() || !self.reads_on())
    }

    /// Whether the stream is the one that is read under `guarantee: exactly_once`.
    pub(super) fn reads_on(&self) -> bool {
        let part = self.group.part();
        self.done.as_ref().zip(part).is_some_and(|(done, part)| done.reads(&part))
    }

    /// Drops all rows that are not handed out; they will be redelivered.
    pub(super) fn drop_rows(&mut self) {
        self.shelf.drop_all();
        if let Some(hold) = self.hold.take() {
            self.shelf.let_go(hold.into_rows().iter().map(|row| row.sequence));
        }
        // Also those that are on their way.
        self.past = self.pulls;
        self.pull = None;
    }

    /// Lets another process read if this one has lost its lease, or has not reached the server for as
    /// long as one.
    pub(super) fn give_way(&mut self, away_since: Instant) {
        let is_over = |sole: &mut SoleReader| !sole.is_held() || away_since.elapsed() > self.lease;
        drop(self.sole.take_if(is_over));
    }
}
