//! [`ForeignEntries`]: the pending entries of other readers, for a reader that keeps the order.

use super::{
    group::{Group, Pending},
    id::EntryId,
};
use crate::error::RedisError;

/// How many entries are asked for at once.
const PAGE: usize = 1_000;

/// The entries that other readers had when this one began: what a reader before it left behind when
/// it died, unless others are alive. A reader that keeps the order reads nothing new before they are
/// done, or its own.
#[derive(Debug, Default)]
pub(super) struct ForeignEntries {
    /// The last of the entries that were pending in the beginning; `None` before that is known.
    last: Option<EntryId>,
}

/// The state of the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForeignState {
    /// There are none.
    None,
    /// The lease of one has not passed.
    Leased,
    /// All leases have passed: they can be taken over, in their order.
    Free,
}

impl ForeignEntries {
    /// Returns their state now.
    ///
    /// # Errors
    ///
    /// When Redis refuses or is lost.
    pub(super) async fn state(&mut self, group: &Group) -> Result<ForeignState, RedisError> {
        let last = match self.last {
            Some(last) => last,
            None => {
                let Some(last) = group.last_pending().await? else { return Ok(ForeignState::None) };
                *self.last.insert(last)
            }
        };
        let mut state = ForeignState::None;
        let mut from = "-".to_owned();
        loop {
            let page = group.pending(&from, last, PAGE).await?;
            for Pending { consumer, idle, .. } in &page {
                match *consumer != group.consumer {
                    true if *idle < group.lease => return Ok(ForeignState::Leased),
                    true => state = ForeignState::Free,
                    false => {}
                }
            }
            match page.last() {
                Some(entry) if page.len() >= PAGE => from = format!("({}", entry.id),
                _ => return Ok(state),
            }
        }
    }
}
