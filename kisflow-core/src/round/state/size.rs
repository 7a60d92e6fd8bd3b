//! How many deliveries fit into a round.

use super::{Round, RoundState};

/// What a delivery has in the commit of its round.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    /// States that it has read.
    pub(super) states: usize,
    /// Keys of its positions and bad rows.
    pub(super) others: usize,
    pub(super) bytes: usize,
}

impl Size {
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            states: self.states.max(other.states),
            others: self.others.max(other.others),
            bytes: self.bytes.max(other.bytes),
        }
    }
}

impl RoundState {
    /// Whether the open round takes no more.
    pub(super) fn is_full(&self) -> bool {
        let Round { members, cells, others, bytes, finished, .. } = &self.open;
        let largest = self.largest;
        // Those that are not through, and the next one.
        let expected = members.len().saturating_sub(*finished) + 1;
        // The counters of the quarantine are one for all.
        let keys = cells.len() + largest.states + others + expected * largest.others + 2;
        !members.is_empty()
            && (members.len() >= self.most_members.min(self.fitting_members)
                // The first shows how large they are.
                || largest.states + largest.others == 0
                || keys > self.limits.keys
                || bytes + expected * largest.bytes > self.limits.bytes)
    }
}
