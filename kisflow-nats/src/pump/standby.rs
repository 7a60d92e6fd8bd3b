//! A reader of a flow with `guarantee: exactly_once` waits until it is the only one, and takes over.

use super::Pump;
use crate::{error::NatsError, hold::Hold};

impl Pump {
    /// Under `guarantee: exactly_once`, waits until no other process reads, and takes over from it.
    pub(super) async fn begin(&mut self) -> Result<(), NatsError> {
        let Some(done) = self.done.clone() else { return Ok(()) };
        if self.sole.is_none() {
            self.sole = Some(done.sole_reader(self.lease).await?);
            // The stream or its consumer may have been made anew meanwhile.
            self.consumer = self.group.attach().await?;
        }
        done.begin(self.group.part()).await?;
        if self.is_ordered {
            self.hold = Some(Hold::new(self.lease));
        }
        self.shelf.mended();
        Ok(())
    }
}
