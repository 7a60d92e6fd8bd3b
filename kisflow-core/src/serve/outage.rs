//! What becomes of rows while something that a function needs is away: they wait, first in their
//! batch, then in the store.

use std::time::{Duration, Instant};

use tokio::time::timeout;
use tracing::warn;

use super::{
    delivery::{BadRow, Desk, Interrupted, WaitingOn, Work},
    isolate::Bad,
    piece::Piece,
    provenance::Provenance,
    wait::Wait,
};
use crate::{
    conf::Ordered,
    error::error_chain,
    flow::{RunError, unavailable},
    quarantine::{CommitMarker, Quarantined},
    text::excerpt_chain,
};

/// How long rows wait to be moved after others, before they are tried again in their batch.
const OTHERS: Duration = Duration::from_millis(500);

/// Something that rows wait for.
pub(super) struct Outage {
    pub(super) cause: String,
    /// A connector of the flow does not answer, so that no row gets through.
    is_connector: bool,
}

/// How a piece goes on that has met an outage.
pub(super) enum Onward {
    /// It is tried again.
    Again(Piece),
    /// It has to be split: other rows get through.
    Split(Piece),
    /// Its rows wait in the store.
    Waiting,
}

impl Desk {
    /// Returns the outage behind a failure: a connector is away, or the function said so. `None` if
    /// the rows are at fault.
    pub(super) async fn outage(&self, error: &RunError) -> Option<Outage> {
        for slot in self.flow.connectors() {
            if let Some(cause) = slot.away().await {
                return Some(Outage { cause, is_connector: true });
            }
        }
        let said = std::error::Error::source(error).and_then(unavailable)?;
        Some(Outage { cause: error_chain(said).to_string(), is_connector: false })
    }

    /// Lets a piece wait for what is away.
    pub(super) async fn wait(
        &self,
        from: &Provenance<'_>,
        mut piece: Piece,
        (error, outage): (&RunError, Outage),
        wait: &mut Wait,
        work: &mut Work,
    ) -> Result<Onward, Interrupted> {
        let Outage { mut cause, is_connector } = outage;
        let mut limit = None;
        match from {
            Provenance::Waiting(rows) => {
                let away = (!is_connector).then(|| error.at());
                // Its function said so of all rows at once, and may mean some of them.
                let is_unclear = !is_connector
                    && !error.is_each_row_away()
                    && self.source.isolate
                    && piece.len() > 1;
                let tried = rows.iter().map(|row| row.tried).max().filter(|_| is_unclear);
                if tried.is_some_and(|tried| self.waiting.has_worked_since(error.at(), tried)) {
                    return Ok(Onward::Split(piece));
                }
                if is_unclear {
                    // If one gets through alone, the others are tried in parts the next time.
                    let alone = fastrand::usize(..piece.len());
                    let others = (0..piece.len()).filter(|row| *row != alone).collect();
                    self.wait_on(rows, &piece.pick(others), &cause, away, work);
                    return Ok(Onward::Again(piece.pick(vec![alone])));
                }
                self.wait_on(rows, &piece, &cause, away, work);
                return Ok(Onward::Waiting);
            }
            Provenance::Delivery(_) if is_connector => piece.waits_since = None,
            Provenance::Delivery(_) if self.may_move() => {
                let waited = piece.waits_since.get_or_insert_with(Instant::now).elapsed();
                match self.waiting.conf.hold.checked_sub(waited).filter(|left| !left.is_zero()) {
                    Some(left) => limit = Some(left),
                    None => match self.move_to_store(from, piece, &cause, work).await? {
                        Move::All => return Ok(Onward::Waiting),
                        Move::Not(rest, why) => {
                            piece = rest;
                            if let Some(why) = why {
                                cause = format!("{cause}; {why}");
                            }
                        }
                    },
                }
            }
            Provenance::Delivery(_) => {}
        }
        self.wait_out(wait, error, &cause, limit).await?;
        Ok(Onward::Again(piece))
    }

    /// Whether rows may leave their batch for the store: none passes another in a flow that is
    /// ordered, and in one that jumps all of a batch would have to leave for one of them.
    fn may_move(&self) -> bool {
        let is_free = self.source.ordered == Ordered::No && !self.flow.may_jump();
        is_free && self.flow.keyed().is_none() && self.waiting.conf.max_rows > 0
    }

    /// Waits a while for something that the flow needs and that is away, at most for `limit`.
    async fn wait_out(
        &self,
        wait: &mut Wait,
        error: &RunError,
        cause: &str,
        limit: Option<Duration>,
    ) -> Result<(), Interrupted> {
        if !wait.has_begun() {
            self.books.metrics.outages.increment(1);
        }
        if wait.tell(self, cause) {
            let (flow, function) = (self.flow.name(), error.function().unwrap_or_default());
            let error = excerpt_chain(error, self.flow.log_rows());
            warn!(flow, function, cause, error, "a batch waits for what it needs");
        }
        wait.pause_up_to(self, limit.unwrap_or(Duration::MAX)).await
    }

    /// Records rows that waited in the store and do not get through yet.
    fn wait_on(
        &self,
        waited: &[Quarantined],
        piece: &Piece,
        cause: &str,
        away: Option<usize>,
        work: &mut Work,
    ) {
        let from = Provenance::Waiting(waited);
        for index in 0..piece.len() {
            let source_row = piece.lineage.of(index);
            if let Some(row) = self.waiting_row(&from, piece, index, cause) {
                work.waiting.push(WaitingOn { row, away });
            } else if let Some(before) = source_row.and_then(|row| waited.get(row)) {
                // It has no text with which it could be called later: what it was made from waits on.
                let is_there = |waiting: &WaitingOn| {
                    waiting.row.source_row == source_row && waiting.row.row.is_at(before)
                };
                if !work.waiting.iter().any(is_there) {
                    let row = BadRow { row: before.tried_again(cause), source_row };
                    work.waiting.push(WaitingOn { row, away });
                }
            } else {
                self.give_up_row(&from, piece, index, (cause, 1), work);
            }
        }
    }

    /// Moves the rows of a piece to the store, as many as there is room for.
    async fn move_to_store(
        &self,
        from: &Provenance<'_>,
        piece: Piece,
        cause: &str,
        work: &mut Work,
    ) -> Result<Move, Interrupted> {
        let Ok(mut marker) = timeout(OTHERS, self.waiting.marker.lock()).await else {
            // Others are moved, which takes as long as the store is away.
            return Ok(Move::Not(piece, None));
        };
        let rows = |index| Some((index, self.waiting_row(from, &piece, index, cause)?));
        let (indexes, rows): (Vec<usize>, Vec<BadRow>) = (0..piece.len()).filter_map(rows).unzip();
        let rows = work.names.name(rows, from);
        let own = marker.take().unwrap_or_else(|| CommitMarker::new(self.flow.name()));
        let mut keeping = self.quarantine.keeping_waiting(rows, false, own);
        let mut wait = Wait::default();
        let why = loop {
            match keeping.keep().await {
                Ok(()) => break None,
                // They are not there, so they go on waiting here.
                Err(error) if !keeping.is_unknown() => break Some(error_chain(&error).to_string()),
                Err(error) => {
                    let error = error_chain(&error).to_string();
                    if wait.tell(self, &*error) {
                        let flow = self.flow.name();
                        warn!(flow, error, "it is unknown whether rows wait in the store");
                    }
                    wait.pause(self).await?;
                }
            }
        };
        let moved = indexes.len() - keeping.left();
        work.names.take_back(keeping.left());
        *marker = keeping.into_marker();
        drop(marker);
        if moved > 0 {
            work.tally.waiting += moved as u64;
            self.waiting.added.notify_one();
            let flow = self.flow.name();
            warn!(flow, rows = moved, cause, "rows wait in the store for what is unavailable");
        }
        let moved = indexes.get(..moved).unwrap_or_default();
        let rest: Vec<usize> =
            (0..piece.len()).filter(|row| moved.binary_search(row).is_err()).collect();
        Ok(if rest.is_empty() {
            Move::All
        } else {
            Move::Not(Piece { failures: piece.failures, ..piece.pick(rest) }, why)
        })
    }

    /// A row that is to wait in the store; `None` if it has no text with which its function could be
    /// called later.
    fn waiting_row(
        &self,
        from: &Provenance<'_>,
        piece: &Piece,
        index: usize,
        cause: &str,
    ) -> Option<BadRow> {
        let row = piece.rows.kept_text(index)?;
        let bad = Bad {
            function: self.function_at(piece.at),
            at: piece.at,
            source_row: piece.lineage.of(index),
            row,
            field: None,
            cause: cause.to_owned(),
            attempt: 1,
        };
        Some(self.bad_row(from, bad))
    }
}

/// What became of a piece that was to move to the store.
enum Move {
    All,
    /// These rows are not there, and why.
    Not(Piece, Option<String>),
}
