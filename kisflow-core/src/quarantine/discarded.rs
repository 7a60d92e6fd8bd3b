//! Rows that were taken out for good, and are kept with the reason.

use super::{
    Draft, OtherRows, Quarantine, QuarantineError, Quarantined,
    layout::{DISCARDED, KEPT, bytes},
};
use crate::durable::{CommitError, Usage};

impl Quarantine {
    /// Takes a row out for good. It is kept with the reason, see [`discarded`](Self::discarded).
    ///
    /// # Errors
    ///
    /// When there is no row with this id, or the store cannot be written.
    pub async fn discard(
        &self,
        id: &str,
        reason: impl Into<String>,
    ) -> Result<(), QuarantineError> {
        let reason = reason.into();
        // If nothing is in the way, nothing more can be dropped.
        let mut most = Some((&self.inner.conf).into());
        loop {
            let kept = self.stored(KEPT, id).await?;
            let row = Quarantined { discarded: Some(reason.clone()), ..kept.row.clone() };
            let before = self.read(DISCARDED, &[id.to_owned()]).await?.into_iter().flatten().next();
            let draft = Draft::default().set(KEPT, Some(&kept), None);
            let draft = draft.set(DISCARDED, before.as_ref(), Some(&row));
            match self.commit(&draft.commit(most)).await {
                Ok(()) => break,
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Exceeded(_)) => {
                    let value = serde_json::to_vec(&row).unwrap_or_default();
                    let new = Usage { entries: 1, bytes: bytes(id, &value) };
                    if !self.drop_oldest(DISCARDED, &row.flow, new).await? {
                        most = None;
                    }
                }
                Err(error) => return Err(QuarantineError::storage("written")(error.into_cause())),
            }
        }
        self.inner.metrics.discarded.increment(1);
        Ok(())
    }

    /// Returns the rows that were discarded. As many of each flow are kept as the quarantine may hold.
    #[must_use]
    pub fn discarded(&self) -> OtherRows {
        OtherRows { quarantine: self.clone(), spaces: DISCARDED }
    }
}
