//! [`Commits`]: how the positions of a source become durable.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    flow::Flow,
    round::{Entrance, Ticket},
    source::{COMMIT_PAUSE, Committer, Delivery, PendingCommit, PositionChange, Positions, Tell},
};

/// How the positions of a source become durable.
pub(super) enum Commits {
    /// By themselves, the newest at a time.
    Positions(Arc<Committer>),
    /// With the states that the functions of the flow have changed.
    Rounds(Entrance),
}

/// How one delivery is committed.
pub(super) enum Pending {
    /// Its position, if it has one.
    Position(Option<PendingCommit>),
    /// A round, with its positions.
    Round(Ticket, Vec<PositionChange>),
}

impl Commits {
    /// Calls `tell` when positions that are kept by themselves cannot be kept.
    pub(super) fn start(flow: &Flow, positions: Positions, tell: Tell) -> Self {
        match (flow.keyed(), flow.rounds()) {
            (Some(_), Some(rounds)) => Self::Rounds(rounds.entrance(positions)),
            _ => Self::Positions(Committer::start(positions, COMMIT_PAUSE, tell)),
        }
    }

    /// Records a delivery, in the order of the source.
    pub(super) fn begin(&self, delivery: &mut Delivery) -> Pending {
        match self {
            Self::Positions(committer) => Pending::Position(committer.begin(delivery)),
            Self::Rounds(entrance) => {
                let positions = std::mem::take(&mut delivery.positions);
                Pending::Round(entrance.ticket(delivery.partition), positions)
            }
        }
    }

    /// Whether so many rows wait for the store that no more should be read.
    pub(super) fn is_behind(&self) -> bool {
        match self {
            Self::Positions(committer) => committer.is_behind(),
            // A round is bounded by what one commit takes.
            Self::Rounds(_) => false,
        }
    }

    /// Cancelled when nothing is committed any more: the source has to be opened anew.
    pub(super) fn ended(&self) -> &CancellationToken {
        match self {
            Self::Positions(committer) => committer.ended(),
            Self::Rounds(entrance) => entrance.ended(),
        }
    }

    /// Whether it ended because others have changed positions of the source.
    pub(super) fn is_moved(&self) -> bool {
        match self {
            Self::Positions(committer) => committer.is_moved(),
            Self::Rounds(entrance) => entrance.is_moved(),
        }
    }

    /// A delivery will never be done: those behind it need not wait.
    pub(super) fn leave_gap(&self) {
        match self {
            Self::Positions(committer) => committer.leave_gap(),
            // Its ticket has been dropped, which ends the others.
            Self::Rounds(_) => {}
        }
    }
}
